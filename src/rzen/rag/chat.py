"""Language models behind any OpenAI-compatible chat endpoint."""

import base64
import codecs
import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.endpoint import OPENAI, Endpoint
from rzen.errors import UsageError
from rzen.media import preview
from rzen.rag.language_model import Message, guessed_tokens
from rzen.types import Frames

_LINE_BYTES = 1 << 20
_ANSWER_CHARS = 20_000
_LONGEST = 5  # times what may pass in silence: signs of life alone are no answer


class ChatModel:
    """Writes with a model behind ``{base_url}/chat/completions``, streaming.

    Pictures go along as JPEG where the user says that the model sees.

    Args:
        base_url: such as ``https://api.openai.com/v1`` or ``http://localhost:8000/v1``.
        model: its name at the endpoint.
        sees: whether pictures are sent.
        silence: seconds without a byte, at most.
        sleep: waits between attempts; tests hand in their own.

    Raises:
        UsageError: if the address or the model is missing or wrong, or the key cannot be sent or
            would travel in clear to another machine.
    """

    is_small = False  # nobody knows

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        sees: bool = False,
        silence: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not model:
            raise UsageError(
                "the endpoint needs a model's name: give one with --set ask.model=NAME"
            )
        self._endpoint = Endpoint(
            base_url,
            what="a chat endpoint",
            keys=OPENAI,
            hints={
                400: "lower ask.context_tokens if its window is too small, or see its own log",
                404: "check the address and ask.model",
            },
            seconds=silence,
            sleep=sleep,
        )
        self._model = model
        self._seconds = _LONGEST * silence
        self.sees = sees
        self.window = None

    @property
    def name(self) -> str:
        """The model and its host."""
        return f"{self._model} at {self._endpoint.host}"

    def count(self, text: str) -> int:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return guessed_tokens(text)

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """See :class:`rzen.rag.language_model.LanguageModel`.

        Raises:
            EndpointError: if the endpoint cannot be reached, refuses, or breaks off.
        """
        chars = 0
        # Servers may split a pair of surrogates over two chunks: the decoder waits for the second.
        utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")
        body = {
            "model": self._model,
            "messages": [_document(each) for each in messages],
            "stream": True,
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        with self._endpoint.stream("/chat/completions", body) as response:
            for piece in self._pieces(response):
                yield utf16.decode(piece.encode("utf-16-le", "surrogatepass"))
                chars += len(piece)
                if chars > _ANSWER_CHARS:
                    raise self._endpoint.error(
                        f"wrote more than {_ANSWER_CHARS:,} characters and was stopped: try "
                        "again, or choose another model"
                    )
        yield utf16.decode(b"", final=True)

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[str]:
        """The text in a stream of server-sent events, or in one JSON document."""
        is_finished, deadline = False, time.monotonic() + self._seconds
        try:
            if "event-stream" not in response.headers.get("Content-Type", ""):
                data = response.read(_LINE_BYTES)
                if response.length:  # read is silent about what is missing
                    raise http.client.IncompleteRead(data, response.length)
                yield self._choice(data, "message")[0]
                return
            while line := response.readline(_LINE_BYTES):
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"its answer took longer than {self._seconds:g} seconds: more patience "
                        "is had with ask.silence_seconds"
                    )
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:") and data:
                    text, ends = self._choice(data, "delta")
                    is_finished = is_finished or ends
                    yield text
        except (OSError, http.client.HTTPException) as error:
            raise self._endpoint.error(f"broke off: {error or type(error).__name__}") from None
        if not is_finished:
            raise self._endpoint.error("broke off before the end of its answer: try again")

    def _choice(self, data: bytes, place: str) -> tuple[str, bool]:
        """The text in a document, and whether it says that it is the last."""
        document = self._endpoint.document(data)
        if isinstance(document, dict) and document.get("error"):
            raise self._endpoint.error(f"stopped: {self._endpoint.said(document)}")
        try:
            choices: list[dict[str, Any]] = document["choices"]
            if not choices and place == "delta":  # a report of tokens used
                return "", False
            text = choices[0][place].get("content")
            ends = choices[0].get("finish_reason") is not None
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._endpoint.error(
                "sent no answer in the form of chat completions: check the address"
            ) from None
        return (text if isinstance(text, str) else ""), ends


def _document(message: Message) -> dict[str, Any]:
    """A message as the endpoint takes it: a text, or parts where pictures are among them."""
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.speaker, "content": message.text}
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        elif isinstance(part, Frames):
            parts += [_picture(pixels) for pixels in part.pixels]
        else:
            raise UsageError(
                "the fusion projector needs a model in this process: name a model of transformers "
                "(a folder, a name on the hub, or smollm2), not an endpoint"
            )
    return {"role": message.speaker, "content": parts}


def _picture(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    data = base64.b64encode(preview.jpeg(pixels, max(pixels.shape[:2]))).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
