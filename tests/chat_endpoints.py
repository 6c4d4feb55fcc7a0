"""An OpenAI-compatible endpoint on loopback that answers or fails as it is told to.

It runs in a thread of the test, notes every request, and takes one reply after the other; the last
one stays.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the endpoint was sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The texts of all messages."""
        return "\n".join(message["content"] for message in self.body["messages"])


class Handler(BaseHTTPRequestHandler):
    """A request, with the endpoint that it came to."""

    server: "_Server"

    def do_POST(self) -> None:
        """Notes the request and gives the reply whose turn it is."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kept = self.server.endpoint
        kept.requests.append(Request(path=self.path, headers=dict(self.headers), body=body))
        kept.replies[min(len(kept.requests), len(kept.replies)) - 1](self)

    def send(self, kind: str, data: bytes, *, status: int = 200, **headers: str) -> None:
        """A reply; the connection is closed behind it."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


Reply: TypeAlias = Callable[[Handler], None]


@dataclass(slots=True)
class Endpoint:
    """What runs, and what it was sent."""

    replies: Sequence[Reply]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint


@contextmanager
def serving(*replies: Reply) -> Iterator[Endpoint]:
    """An endpoint that gives these replies."""
    endpoint = Endpoint(replies)
    with _Server(("127.0.0.1", 0), Handler) as server:
        server.endpoint = endpoint
        endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.is_over.set()
            server.shutdown()
            thread.join()


def event(text: str) -> bytes:
    """A piece of an answer as a server-sent event."""
    chunk = {"choices": [{"delta": {"content": text}, "finish_reason": None}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def says(*pieces: str) -> Reply:
    """An answer in pieces."""
    data = b"".join(map(event, pieces)) + b"data: [DONE]\n\n"
    return lambda handler: handler.send(EVENTS, data)


def sends(data: bytes, kind: str = JSON, *, status: int = 200, **headers: str) -> Reply:
    """Whatever it is."""
    return lambda handler: handler.send(kind, data, status=status, **headers)


def breaks_off(*pieces: str) -> Reply:
    """The beginning of an answer, and no more."""
    return sends(b"".join(map(event, pieces)), EVENTS)


def hangs(*pieces: str) -> Reply:
    """The beginning of an answer, then silence; without pieces nothing at all."""

    def reply(handler: Handler) -> None:
        if pieces:
            handler.send(EVENTS, b"".join(map(event, pieces)))
        handler.server.endpoint.is_over.wait(30)
        handler.close_connection = True

    return reply


def beats(times: int) -> Reply:
    """Signs of life, 20 a second, and no answer; then the connection is closed."""

    def reply(handler: Handler) -> None:
        handler.send(EVENTS, b"")
        with suppress(OSError):  # nobody listens any more
            for _ in range(times):
                handler.wfile.write(b": ping\n\n")
                if handler.server.endpoint.is_over.wait(0.05):
                    break
        handler.close_connection = True

    return reply


def repeats_the_key(status: int, behind: str = "bad key ", **headers: str) -> Reply:
    """An error that quotes how the request was authorised, as some gateways do."""

    def reply(handler: Handler) -> None:
        said = {"error": {"message": f"{behind}{handler.headers['Authorization']}"}}
        handler.send(JSON, json.dumps(said).encode(), status=status, **headers)

    return reply
