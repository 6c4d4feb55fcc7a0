"""Answers from any OpenAI-compatible chat endpoint.

The standard library's HTTP client is enough for one POST and a stream of lines, so no further
dependency is taken on. Redirects are refused: they would carry the key to another host.
"""

import codecs
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from rzen.errors import RzenError, UsageError
from rzen.rag.prompt import messages
from rzen.types import Evidence

KEY = "RZEN_OPENAI_API_KEY"
"""Sent to whatever endpoint was chosen."""
OPENAI_KEY = "OPENAI_API_KEY"
"""Sent to OpenAI only: a key made for one host must not reach another by a changed setting."""

_OPENAI_HOST = "api.openai.com"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TIMEOUT_SECONDS = 120.0  # without a byte
_ATTEMPTS = 4
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 30.0
_LINE_BYTES = 1 << 20
_ANSWER_CHARS = 20_000
_ERROR_BYTES = 2_000


class ChatGenerator:
    """Writes with a model behind ``{base_url}/chat/completions``, streaming.

    Pictures are not sent yet: the model sees the texts of the evidence and the names of the rest.

    Args:
        base_url: such as ``https://api.openai.com/v1`` or ``http://localhost:8000/v1``.
        model: its name at the endpoint.
        sleep: waits between attempts; tests hand in their own.

    Raises:
        UsageError: if the address or the model is missing or wrong, or the key cannot be sent or
            would travel in clear to another machine.
    """

    def __init__(
        self, base_url: str, model: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not model:
            raise UsageError(
                "the endpoint needs a model's name: give one with --set ask.model=NAME"
            )
        parts = _address(base_url)
        self._url = parts.geturl().rstrip("/") + "/chat/completions"
        self._host = parts.hostname or ""
        self._model = model
        is_here = self._host in _LOOPBACK
        # A proxy would look for the endpoint on its own machine, and read the key.
        self._proxies = [urllib.request.ProxyHandler({})] if is_here else []
        self._key = _key(self._host)
        self._sleep = sleep
        if self._key and parts.scheme == "http" and not is_here:
            raise UsageError(
                f"the key in {KEY} would travel to {self._host} unencrypted: use https"
            )

    @property
    def name(self) -> str:
        """The model and its host."""
        return f"{self._model} at {self._host}"

    def generate(self, question: str, evidence: Sequence[Evidence]) -> Iterator[str]:
        """See :class:`rzen.protocols.Generator`.

        Raises:
            RzenError: if the endpoint cannot be reached, refuses, or breaks off.
        """
        chars = 0
        # Servers may split a pair of surrogates over two chunks: the decoder waits for the second.
        utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")
        with self._post(messages(question, evidence)) as response:
            for piece in self._pieces(response):
                yield utf16.decode(piece.encode("utf-16-le", "surrogatepass"))
                chars += len(piece)
                if chars > _ANSWER_CHARS:
                    raise RzenError(
                        f"{self.name} wrote more than {_ANSWER_CHARS:,} characters and was "
                        "stopped: try again, or choose another model"
                    )
        yield utf16.decode(b"", final=True)

    def _post(self, chat: Sequence[dict[str, str]]) -> http.client.HTTPResponse:
        body = {"model": self._model, "messages": list(chat), "stream": True, "temperature": 0}
        request = urllib.request.Request(  # noqa: S310 (only http and https pass the constructor)
            self._url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
            method="POST",
        )
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        opener = urllib.request.build_opener(_NoRedirect, *self._proxies)
        for attempt in range(1, _ATTEMPTS + 1):
            is_last = attempt == _ATTEMPTS
            wait = 0.5 * 2**attempt
            try:
                response: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT_SECONDS)
            except urllib.error.HTTPError as error:
                with error:
                    if is_last or error.code not in _RETRIED:
                        raise self._refused(error) from None
                    wait = _asked_wait(error.headers.get("Retry-After"), wait)
            except (OSError, http.client.HTTPException) as error:
                if is_last:
                    reason = getattr(error, "reason", error)
                    raise self._error(f"cannot be reached: {reason}") from None
            else:
                return response
            self._sleep(min(wait, _LONGEST_WAIT_SECONDS))
        raise AssertionError("the last attempt returns or raises")

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[str]:
        """The text in a stream of server-sent events, or in one JSON document."""
        is_finished = False
        try:
            if "event-stream" not in response.headers.get("Content-Type", ""):
                yield self._choice(response.read(_LINE_BYTES), "message")[0]
                return
            while line := response.readline(_LINE_BYTES):
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:") and data:
                    text, ends = self._choice(data, "delta")
                    is_finished = is_finished or ends
                    yield text
        except (OSError, http.client.HTTPException) as error:
            raise self._error(f"broke off: {error or type(error).__name__}") from None
        if not is_finished:
            raise self._error("broke off before the end of its answer: try again")

    def _choice(self, data: bytes, place: str) -> tuple[str, bool]:
        """The text in a document, and whether it says that it is the last."""
        try:
            document = json.loads(data)
        except ValueError:
            raise self._error("sent something that is no JSON: check the address") from None
        if isinstance(document, dict) and document.get("error"):
            raise self._error(f"stopped: {_message(document)}")
        try:
            choices: list[dict[str, Any]] = document["choices"]
            if not choices:  # a report of tokens used
                return "", False
            text = choices[0][place].get("content")
            ends = choices[0].get("finish_reason") is not None
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._error(
                "sent no answer in the form of chat completions: check the address"
            ) from None
        return (text if isinstance(text, str) else ""), ends

    def _refused(self, error: urllib.error.HTTPError) -> RzenError:
        said = _said(error)
        hint = {
            401: f"check the key in {KEY}",
            403: f"check the key in {KEY}",
            404: "check the address and ask.model",
            429: "wait, or choose another endpoint",
        }.get(error.code, "check the address and the endpoint's own log")
        return self._error(f"refused with HTTP {error.code} {said}".rstrip() + f": {hint}")

    def _error(self, text: str) -> RzenError:
        message = f"the chat endpoint {self._host} {text}"
        return RzenError(message.replace(self._key, "***") if self._key else message)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Makes urllib raise the redirect as an error."""


def _address(base_url: str) -> SplitResult:
    """Its parts, as they can be sent: names of other scripts in their ASCII form."""
    wrong = UsageError("the address of a chat endpoint looks like https://HOST/v1")
    try:
        parts = urlsplit(base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                f"the address of a chat endpoint holds no user, query or fragment: give {KEY} in "
                "the environment instead"
            )
        ascii_host = (parts.hostname or "").encode("idna").decode()
        if ascii_host != parts.hostname:
            port = f":{parts.port}" if parts.port else ""
            parts = parts._replace(netloc=ascii_host + port)
        has_port = parts.port != 0
    except ValueError:  # brackets, ports, and names that IDNA refuses
        raise wrong from None
    is_sendable = all("!" <= char <= "~" for char in parts.geturl())
    if parts.scheme not in ("http", "https") or not (parts.hostname and has_port and is_sendable):
        raise wrong
    return parts


def _key(host: str) -> str:
    for name in (KEY, OPENAI_KEY) if host == _OPENAI_HOST else (KEY,):
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise UsageError(
                    f"the key in {name} holds characters that no key has: copy it again"
                )
            return key
    return ""


def _asked_wait(header: str | None, default: float) -> float:
    try:
        return max(0.0, float(header or ""))
    except ValueError:  # absent, or a date
        return default


def _said(stream: IO[bytes]) -> str:
    try:
        return _message(json.loads(stream.read(_ERROR_BYTES)))
    except (OSError, ValueError, http.client.HTTPException):
        return ""


def _message(document: object) -> str:
    """The message of an error document, on one line and without control characters."""
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        return ""
    return "(" + "".join(c if c.isprintable() else " " for c in message)[:300] + ")"
