"""A tiny OpenAI-compatible server on loopback, run as a process of its own.

``python chat_server.py LOG`` prints its port, then answers by the model's name; every request is
appended to LOG as one line of JSON.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

KEY = "sk-test-secret"
PIECES = ["The boat ", "is red [1]. ", "It is made of gold [1]."]


class Handler(BaseHTTPRequestHandler):
    calls: dict[str, int] = {}  # noqa: RUF012 (one server a process)
    log = Path()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.log.open("a") as file:
            entry = {"path": self.path, "key": self.headers.get("Authorization"), "body": body}
            file.write(json.dumps(entry) + "\n")
        model = body["model"]
        self.calls[model] = self.calls.get(model, 0) + 1
        getattr(self, model.replace("-", "_"))()

    def stream(self, *, ends: str = "data: [DONE]\n\n", pieces: list[str] = PIECES) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write(b": a comment\n\n")
        for piece in pieces:
            chunk = {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n')
        self.wfile.write(ends.encode())

    def split_pairs(self) -> None:
        self.stream(pieces=["a\ud83d", "\ude00b\ude00", "c\ud83d"])

    def plain(self) -> None:
        message = {"role": "assistant", "content": "".join(PIECES)}
        self.document(200, {"choices": [{"message": message, "finish_reason": "stop"}]})

    def busy_twice(self) -> None:
        if self.calls["busy-twice"] <= 2:
            self.document(429, {"error": {"message": "slow down"}}, **{"Retry-After": "7"})
        else:
            self.stream()

    def always_busy(self) -> None:
        self.document(503, {"error": "overloaded"})

    def refused(self) -> None:
        sent = self.headers.get("Authorization", "")
        self.document(401, {"error": {"message": f"bad key {sent}\x1b[2J"}})

    def moved(self) -> None:
        self.send_response(307)
        self.send_header("Location", "/v1/elsewhere")
        self.end_headers()

    def cut(self) -> None:
        self.stream(ends="")

    def finishes(self) -> None:
        last = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        self.stream(ends=f"data: {json.dumps(last)}\n\n")

    def fails_within(self) -> None:
        self.stream(ends='data: {"error": {"message": "out of memory"}}\n\n')

    def web_page(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>")

    def no_choices(self) -> None:
        self.document(200, {"object": "list"})

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        chunk = {"choices": [{"delta": {"content": "x" * 1000}}]}
        try:
            while True:
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        except OSError:
            pass

    def document(self, status: int, content: object, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


if __name__ == "__main__":
    Handler.log = Path(sys.argv[1])
    server = HTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
