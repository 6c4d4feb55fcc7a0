"""A tiny server of embeddings on loopback, run as a process of its own.

``python embedding_server.py LOG`` prints its port, then answers in OpenAI's form, in vLLM's chat
form and in Cohere's. A vector is a hash of the content, so that equal contents have equal ones. The
model's name says what goes wrong; the text "rzen" alone, which asks for the dimension, is answered
well by most. Every request is appended to LOG as one line of JSON.
"""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "sk-test-secret"
DIM = 32


class Server:
    """What a test sees of it."""

    def __init__(self, host: str, log: Path) -> None:
        self.host = host
        self.log = log

    def requests(self, model: str) -> list[dict[str, Any]]:
        """Those for a model, the one for the dimension left out."""
        entries = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [
            entry
            for entry in entries
            if entry["body"]["model"] == model and not asks_dim(entry["body"])
        ]


@contextmanager
def running(log: Path) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, __file__, str(log)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Server(f"http://127.0.0.1:{port}", log)
        finally:
            process.kill()


def given(body: dict[str, Any]) -> list[Any]:
    """The contents of a request, whatever its form."""
    if "messages" in body:
        return [body["messages"]]
    found: list[Any] = body.get("input") or body.get("texts") or body["inputs"]
    return found


def asks_dim(body: dict[str, Any]) -> bool:
    return '"rzen"' in json.dumps(given(body)) and len(given(body)) == 1


def vector(content: Any, dim: int) -> list[float]:
    digest = hashlib.sha256(json.dumps(content).encode()).digest()
    return [byte / 16 - 8.1 for byte in digest[:dim]]


class Handler(BaseHTTPRequestHandler):
    log = Path()
    lock = threading.Lock()
    calls: dict[str, int] = {}  # noqa: RUF012 (one server a process)
    busy, most_busy = 0, 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = body["model"]
        self.body = body
        self.found = [vector(each, body.get("dimensions") or DIM) for each in given(body)]
        with self.lock:
            entry = {"path": self.path, "key": self.headers.get("Authorization"), "body": body}
            with self.log.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            self.calls[model] = self.calls.get(model, 0) + 1
        does = getattr(self, model.replace("-", "_"), self.hash)
        try:
            if asks_dim(body) and model not in ("closed", "nowhere"):
                does = self.hash
            does()
        except OSError:
            pass

    def hash(self) -> None:
        self.answer(self.found)

    def late(self) -> None:
        """The first requests are answered last, and say how many there are at once."""
        with self.lock:
            Handler.busy += 1
            Handler.most_busy = max(Handler.busy, Handler.most_busy)
            place = self.calls["late"]
        time.sleep(max(0.0, 0.4 - 0.04 * place))
        with self.lock:
            Handler.busy -= 1
        data = [{"index": row, "embedding": each} for row, each in enumerate(self.found)]
        self.document(200, {"data": data[::-1], "most_busy": Handler.most_busy})

    def busy_twice(self) -> None:
        if self.calls["busy-twice"] <= 3:  # the first one asked for the dimension
            self.document(429, {"error": {"message": "slow down"}}, **{"Retry-After": "7"})
        else:
            self.answer(self.found)

    def overloaded(self) -> None:
        self.document(503, {"message": "overloaded"})

    def picky(self) -> None:
        if "bad" in json.dumps(given(self.body)):
            self.document(400, {"object": "error", "message": "cannot take it"})
        else:
            self.answer(self.found)

    def closed(self) -> None:
        sent = self.headers.get("Authorization", "")
        self.document(401, {"error": {"message": f"bad key {sent}\x1b[2J"}})

    def closes(self) -> None:
        """The first request is refused at once, the others when that is known."""
        time.sleep(0.0 if self.calls["closes"] == 2 else 0.5)
        self.closed()

    def nowhere(self) -> None:
        self.document(404, {"detail": "no such model"})

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/v1/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        """Where a redirect leads."""
        entry = {"path": self.path, "key": None, "body": {"model": "moved", "input": ["x"]}}
        with self.lock, self.log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.document(200, {"data": []})

    def other_dim(self) -> None:
        self.answer([each[:-1] for each in self.found])

    def ragged(self) -> None:
        self.answer([self.found[0][:-1], *self.found[1:]])

    def too_few(self) -> None:
        self.answer(self.found[:-1])

    def not_finite(self) -> None:
        self.answer(
            [*self.found[:1], [float("nan")] * DIM, [0.0] * DIM, [1e300] * DIM, *self.found[4:]]
        )

    def words(self) -> None:
        self.answer([["much"] * DIM for _ in self.found])

    def no_index(self) -> None:
        self.document(200, {"data": [{"embedding": each} for each in self.found]})

    def same_index(self) -> None:
        self.document(200, {"data": [{"index": 0, "embedding": each} for each in self.found]})

    def no_data(self) -> None:
        self.document(200, {"object": "list"})

    def web_page(self) -> None:
        self.whole(200, b"<html>")

    def deep(self) -> None:
        self.whole(200, b"[" * 200_000)

    def cut_once(self) -> None:
        if self.calls["cut-once"] > 2:
            self.answer(self.found)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"data"')

    def drips(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b" ")
            time.sleep(0.05)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b" " * (1 << 20))

    def answer(self, found: list[list[Any]]) -> None:
        if self.path.endswith("/embed"):
            self.document(200, {"embeddings": {"float": found}})
            return
        data = [{"index": row, "embedding": each} for row, each in enumerate(found)]
        self.document(200, {"object": "list", "data": data})

    def document(self, status: int, content: object, **headers: str) -> None:
        self.whole(status, json.dumps(content).encode(), **headers)

    def whole(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


if __name__ == "__main__":
    Handler.log = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
