"""Language models in GGUF files, run by llama.cpp in this process (the library xllamacpp).

Beside a PyTorch of the same file its greedy answers differ where two next tokens are near to each
other: llama.cpp multiplies quantised weights with activations rounded to 8 bits.
"""

import json
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread, main_thread
from typing import Any

from rzen.config import available_cores
from rzen.errors import GeneratorError, MissingExtraError
from rzen.rag.chat_template import PLAIN_STOPS, TEMPLATE_STOPS, defused, plain, until
from rzen.rag.gguf_header import read_header
from rzen.rag.language_model import SMALL, Message, guessed_tokens

LARGEST_WINDOW = 8192
"""Tokens of context, at most: memory for all of them is taken at once."""

_LEAST_WINDOW = 16
_READ_TOGETHER = 256  # tokens of a prompt; an answer can be stopped between two such batches
_BYTES_A_WEIGHT = 0.7  # of a file quantised to four or five bits, its embeddings less
_QUIET = -1  # llama.cpp's verbosity: nothing on the terminal


class GgufModel:
    """A model in a GGUF file.

    Args:
        file: the model.
        name: what users call it.
        window: tokens of conversation and answer, at most; cut to what the model was made for.

    Raises:
        GeneratorError: if the file is none of a language model that llama.cpp can run.
        MissingExtraError: if xllamacpp is not installed.
    """

    sees = False

    def __init__(self, file: Path, name: str = "", *, window: int = LARGEST_WINDOW) -> None:
        try:
            import xllamacpp  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError("xllamacpp", "gguf") from error
        header = read_header(file)
        self.name = name or file.name
        if header.window is not None and header.window < _LEAST_WINDOW:
            raise GeneratorError(
                f"{file}: says that it takes {header.window} tokens of context: it is damaged, or "
                "no language model; fetch it again"
            )
        self.window = min(window, header.window or window)
        self._control = header.control
        self.is_small = file.stat().st_size < SMALL * _BYTES_A_WEIGHT
        self._has_template = bool(header.chat_template)
        settings = xllamacpp.CommonParams()
        settings.model.path = str(file)
        settings.n_ctx = self.window
        settings.n_parallel = 1
        settings.verbosity = _QUIET
        settings.warmup = False
        # One core is left to others: llama.cpp's threads wait for each other, and where one of them
        # is kept from running all are (on two busy cores, two threads took eight times as long).
        settings.cpuparams.n_threads = max(1, available_cores() - 1)
        settings.n_batch = _READ_TOGETHER
        settings.cache_ram_mib = 0  # else the state of every conversation is kept
        settings.ui = False
        settings.endpoint_metrics = True
        # The library opens a port on loopback, which nothing here uses; nobody else may.
        settings.api_keys = [secrets.token_hex(32)]
        try:
            self._server = xllamacpp.Server(settings)
            # Waits for its loop: a server that is dropped before it runs would never end.
            self._server.handle_metrics()
        # The library raises whatever its binding does; the user gets the reason and the way out.
        except Exception as error:
            raise GeneratorError(
                f"{file}: llama.cpp cannot run this model ({error}): fetch it again, or take a "
                "newer xllamacpp if the model is newer"
            ) from error

    def count(self, text: str) -> int:
        """See :class:`rzen.rag.language_model.LanguageModel`; the binding offers no tokenizer."""
        return guessed_tokens(text)

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """See :class:`rzen.rag.language_model.LanguageModel`.

        Raises:
            GeneratorError: if the conversation is longer than the window, or the model fails.
        """
        texts = [(each.speaker, defused(each.text, self._control)) for each in messages]
        request: dict[str, Any] = {
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "return_progress": True,  # so that a long prompt can be stopped while it is read
        }
        stops: Sequence[str]
        if self._has_template:
            request["messages"] = [
                {"role": speaker, "content": text} for speaker, text in texts if text
            ]
            run, read, stops = self._server.handle_chat_completions, _delta, TEMPLATE_STOPS
        else:
            request["prompt"] = plain(texts)
            run, read, stops = self._server.handle_completions, _completion, PLAIN_STOPS
        with closing(self._pieces(run, request, read)) as pieces:
            yield from until(pieces, stops)

    def _pieces(
        self,
        run: Callable[..., Any],
        request: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], str],
    ) -> Generator[str]:
        arriving: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        is_over = Event()

        def take(event: Mapping[str, Any]) -> bool:
            arriving.put(event)
            # True: write no further. At the process's end nobody is left to say so.
            return is_over.is_set() or not main_thread().is_alive()

        def work() -> None:
            try:
                run(dict(request), take)
            except Exception as error:  # noqa: BLE001 (told to whoever reads the answer)
                arriving.put({"error": {"message": str(error)}})
            finally:
                arriving.put(None)

        worker = Thread(target=work, name="rzen-gguf")
        worker.start()
        try:
            while (event := arriving.get()) is not None:
                if "error" in event:
                    raise self._explained(event["error"])
                if text := read(event):
                    yield text
        finally:
            is_over.set()
            worker.join()

    def _explained(self, error: object) -> GeneratorError:
        about = error if isinstance(error, dict) else {"message": str(error)}
        if about.get("type") == "exceed_context_size_error":
            return GeneratorError(
                f"{self.name} takes {self.window:,} tokens, and question and evidence have "
                f"{about.get('n_prompt_tokens', 'more')}: lower ask.context_tokens"
            )
        return GeneratorError(f"{self.name} failed: {about.get('message', json.dumps(about))}")


def _delta(event: Mapping[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def _completion(event: Mapping[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return str(choices[0].get("text") or "")
