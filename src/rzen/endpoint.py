"""One guarded way to servers that speak JSON over HTTP, for chat and for embeddings alike.

The standard library's client is enough for one POST, so no further dependency is taken on. A key
comes from the environment alone, travels over https or stays on this machine, and is in no message:
redirects are refused, for they would carry it to another host.
"""

import http.client
import json
import logging
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from rzen.errors import EndpointError, UsageError
from rzen.version import __version__

Received = TypeVar("Received")

_log = logging.getLogger(__name__)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_IDLE_SECONDS = 120.0  # without a byte
_WHOLE_SECONDS = 300.0  # for a document, with all attempts and the waits between them
_ATTEMPTS = 4
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 30.0
_DOCUMENT_BYTES = 1 << 26
_PIECE_BYTES = 1 << 16
_ERROR_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Names of the environment variables that hold the key for one API.

    Attributes:
        chosen: its key is sent to whatever endpoint was chosen.
        owner: its key is sent to ``host`` only: a key made for one host must not reach another by
            a changed setting.
        host: of the API's owner.
    """

    chosen: str
    owner: str
    host: str


OPENAI: Final = Keys(chosen="RZEN_OPENAI_API_KEY", owner="OPENAI_API_KEY", host="api.openai.com")
COHERE: Final = Keys(chosen="RZEN_COHERE_API_KEY", owner="CO_API_KEY", host="api.cohere.com")


class Endpoint:
    """A server, the key that it gets, and how patiently it is asked.

    Args:
        base_url: such as ``https://api.openai.com/v1`` or ``http://localhost:8000/v1``.
        what: it is, in messages: "a chat endpoint".
        keys: where its key is looked for.
        hints: HTTP status -> the next step, where there is a better one than the usual.
        seconds: for a whole document (:meth:`ask`), with all attempts; for silence in a stream.
        sleep: waits between attempts; tests hand in their own.

    Attributes:
        host: its name in ASCII.
        url: what paths are appended to.

    Raises:
        UsageError: if the address is wrong, or the key cannot be sent or would travel in clear to
            another machine.
    """

    def __init__(
        self,
        base_url: str,
        *,
        what: str,
        keys: Keys,
        hints: Mapping[int, str] | None = None,
        seconds: float = _WHOLE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = _address(base_url, what, keys)
        self.host = parts.hostname or ""
        self.url = parts.geturl().rstrip("/")
        self._what = what.partition(" ")[2]
        self._key = _key(self.host, keys)
        self._hints = {
            401: f"check the key in {keys.chosen}",
            403: f"check the key in {keys.chosen}",
            404: "check the address and the model's name",
            429: "wait, or choose another endpoint",
            **(hints or {}),
        }
        self._seconds = seconds
        self._sleep = sleep
        is_here = self.host in _LOOPBACK
        if self._key and parts.scheme == "http" and not is_here:
            raise UsageError(
                f"the key in {keys.chosen} would travel to {self.host} unencrypted: use https"
            )
        # A proxy would look for the endpoint on its own machine, and read the key.
        proxies = [urllib.request.ProxyHandler({})] if is_here else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)

    def stream(self, path: str, body: Mapping[str, Any]) -> http.client.HTTPResponse:
        """The response to a POST, to be read as it comes and closed by the caller.

        Args:
            path: behind the base URL.
            body: sent as JSON.

        Raises:
            EndpointError: if the endpoint cannot be reached or refuses.
        """
        request = self._request(path, body, "text/event-stream")
        return self._patiently(request, lambda response: response, math.inf, self._seconds)

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON document that answers a POST.

        Args:
            path: behind the base URL.
            body: sent as JSON.

        Raises:
            EndpointError: if the endpoint cannot be reached, refuses, takes too long, or sends too
                much or no JSON.
        """
        deadline = time.monotonic() + self._seconds
        request = self._request(path, body, "application/json")
        data = self._patiently(request, lambda response: self._whole(response, deadline), deadline)
        return self.document(data)

    def document(self, data: bytes) -> Any:
        """What some JSON of the endpoint says.

        Raises:
            EndpointError: if it is none.
        """
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise self.error("sent something that is no JSON: check the address") from None

    def error(self, text: str, status: int | None = None) -> EndpointError:
        """An error that names the endpoint and never its key.

        Args:
            text: what it did.
            status: the HTTP status it refused with.
        """
        message = f"the {self._what} {self.host} {text}"
        return EndpointError(_hidden(message, self._key), status=status)

    def said(self, document: object) -> str:
        """What an error document says, without the key: see :func:`message_in`."""
        return message_in(document, self._key)

    def _request(self, path: str, body: Mapping[str, Any], accept: str) -> urllib.request.Request:
        request = urllib.request.Request(  # noqa: S310 (only http and https pass the constructor)
            self.url + path,
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Accept": accept,
                "User-Agent": f"rzen/{__version__}",  # some hosts turn urllib's own away
            },
            method="POST",
        )
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        return request

    def _patiently(
        self,
        request: urllib.request.Request,
        receive: Callable[[http.client.HTTPResponse], Received],
        deadline: float,
        silence: float = _IDLE_SECONDS,
    ) -> Received:
        """What is received in the first attempt that succeeds."""
        for attempt in range(1, _ATTEMPTS + 1):
            wait, is_silent = 0.5 * 2**attempt, False
            left = max(deadline - time.monotonic(), 0.001)
            try:
                return receive(self._opener.open(request, timeout=min(silence, left)))
            except urllib.error.HTTPError as error:
                with error:
                    failure = self._refused(error)
                if error.code not in _RETRIED:
                    raise failure from None
                wait = _asked_wait(error.headers.get("Retry-After"), wait)
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                is_silent = isinstance(reason, TimeoutError)
                failure = self.error(f"cannot be reached: {reason or type(error).__name__}")
            wait = min(wait, _LONGEST_WAIT_SECONDS)
            # Who was silent for so long is not asked again.
            if is_silent or attempt == _ATTEMPTS or time.monotonic() + wait > deadline:
                raise failure
            _log.info("%s; asking again in %.1f s", failure, wait)
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _whole(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        data = bytearray()
        with response:
            while piece := response.read1(_PIECE_BYTES):
                data += piece
                if len(data) > _DOCUMENT_BYTES:
                    raise self.error(f"sent more than {_DOCUMENT_BYTES:,} bytes: check the address")
                # The time-out of the socket begins again with every byte.
                if time.monotonic() > deadline:
                    raise TimeoutError(f"its answer took longer than {self._seconds:g} seconds")
            if response.length:  # read1 is silent about what is missing
                raise http.client.IncompleteRead(bytes(data), response.length)
        return bytes(data)

    def _refused(self, error: urllib.error.HTTPError) -> EndpointError:
        said = _said(error, self._key)
        hint = self._hints.get(error.code, "check the address and the endpoint's own log")
        text = f"refused with HTTP {error.code} {said}".rstrip() + f": {hint}"
        return self.error(text, error.code)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Makes urllib raise the redirect as an error."""


def is_address(name: str) -> bool:
    """Whether a name means a server rather than something that rzen has or loads.

    >>> is_address("http://localhost:8000/v1"), is_address("mini")
    (True, False)
    """
    return name.lower().startswith(("http://", "https://"))


def is_elsewhere(name: str) -> bool:
    """Whether a name is the address of another machine.

    >>> is_elsewhere("https://example.org/v1"), is_elsewhere("http://localhost/v1")
    (True, False)
    """
    if not is_address(name):
        return False
    try:
        return urlsplit(name).hostname not in _LOOPBACK
    except ValueError:
        return True


def message_in(document: object, key: str = "") -> str:
    """What an error document says, in parentheses, on one line, without control characters.

    >>> message_in({"error": {"message": "too long"}}), message_in({"message": "no such model"})
    ('(too long)', '(no such model)')
    """
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    named = error.get("message") if isinstance(error, dict) else error
    message = named or document.get("message") or document.get("detail")
    if not isinstance(message, str):
        return ""
    return "(" + _hidden("".join(c if c.isprintable() else " " for c in message), key)[:300] + ")"


def _address(base_url: str, what: str, keys: Keys) -> SplitResult:
    """Its parts, as they can be sent: names of other scripts in their ASCII form."""
    wrong = UsageError(f"the address of {what} looks like https://HOST/v1")
    try:
        parts = urlsplit(base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                f"the address of {what} holds no user, query or fragment: give {keys.chosen} in "
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


def _key(host: str, keys: Keys) -> str:
    for name in (keys.chosen, keys.owner) if host == keys.host else (keys.chosen,):
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


def _hidden(text: str, key: str) -> str:
    """A text without the key; before it is cut, for half a key is no match."""
    return text.replace(key, "***") if key else text


def _said(stream: IO[bytes], key: str) -> str:
    try:
        return message_in(json.loads(stream.read(_ERROR_BYTES)), key)
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return ""
