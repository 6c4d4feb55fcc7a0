"""The thread that feeds decoder processes, watches them, and replaces those that misbehave."""

import contextlib
import logging
import os
import queue
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media.decoder import Decoder, Job, all_or_nothing
from rzen.media.message import Message, ProtocolError
from rzen.media.source import label

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 0.2
_MESSAGE_BYTES = 1000  # of an empty one, about
_WAITING_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Event:
    """Something that happened to a file.

    Attributes:
        key: the caller's.
        kind: "item" (there may be more), "done" or "failed" (there is no more).
        message: the item.
        reason: why it failed; or, of a file that is done, what of it could not be read.
    """

    key: int
    kind: Literal["item", "done", "failed"]
    message: Message | None = None
    reason: str = ""


class Supervisor:
    """Decoder processes and the thread that serves them.

    All decoders belong to the thread; others talk to it through queues and a pipe that wakes it.

    Raises:
        MediaError: if the system does not grant the pipe.
    """

    def __init__(
        self, task: str, arguments: Mapping[str, Any], workers: int, limits: Limits
    ) -> None:
        self._start: Callable[[], Decoder] = lambda: Decoder.start(task, arguments, limits)
        self._workers = workers
        self._jobs: deque[Job] = deque()
        self._requests: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._waiting = 0
        self._space = threading.Event()
        self._space.set()
        self._stopping = False
        self._closed = False
        with all_or_nothing() as undo:
            self._woken, self._wake = os.pipe()
            undo.callback(os.close, self._woken)
            undo.callback(os.close, self._wake)
            self._selector = selectors.DefaultSelector()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._decoders: list[Decoder] = []
        self._thread = threading.Thread(target=self._serve, name="rzen-decoders", daemon=True)
        self._thread.start()

    def submit(self, key: int, path: Path) -> None:
        """Puts a file into the line."""
        self._jobs.append(Job(key, path))
        self._rouse()

    def take(self) -> Event:
        """The next event; waits for it.

        Raises:
            MediaError: if decoders cannot start.
        """
        event = self._events.get()
        if isinstance(event, BaseException):
            self._events.put(event)  # and so for whoever asks again
            raise event
        if event.message is not None:
            self._count(-_size(event.message))
        return event

    def abandon(self) -> None:
        """Gives up all files, in line and at hand, and forgets their events."""
        if self._closed:
            return
        done = threading.Event()
        self._requests.put(done)
        self._rouse()
        while self._thread.is_alive() and not done.wait(_WATCH_SECONDS):
            pass

    def close(self) -> None:
        """Ends all processes, and the thread."""
        if self._closed:
            return
        self._closed = self._stopping = True
        self._rouse()
        self._thread.join()
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)

    def _rouse(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has been roused often enough
            os.write(self._wake, b"!")

    def _count(self, size: int) -> None:
        with self._counting:
            self._waiting += size
            if self._waiting < _WAITING_BYTES:
                self._space.set()
            else:
                self._space.clear()

    # What follows runs in the thread.

    def _serve(self) -> None:
        try:
            while len(self._decoders) < self._workers:
                self._add()
            while not self._stopping:
                self._hand_out()
                self._wait_for_space()
                for selected, _ in self._selector.select(_WATCH_SECONDS):
                    self._attend(selected)
                self._watch()
                self._fulfil()
        except BaseException as error:  # noqa: BLE001 - it is raised again, where it is heard
            self._events.put(error)
        finally:
            for decoder in tuple(self._decoders):
                self._remove(decoder)
            self._fulfil()

    def _add(self) -> Decoder:
        decoder = self._start()
        self._decoders.append(decoder)
        self._selector.register(decoder.events, selectors.EVENT_READ, (decoder, True))
        self._selector.register(decoder.errors, selectors.EVENT_READ, (decoder, False))
        return decoder

    def _remove(self, decoder: Decoder) -> str:
        self._decoders.remove(decoder)
        for number in (decoder.events, decoder.errors):
            if number in self._selector.get_map():
                self._selector.unregister(number)
        return decoder.end()

    def _hand_out(self) -> None:
        while len(self._decoders) < min(self._workers, len(self._jobs)):
            self._add()
        for decoder in tuple(self._decoders):
            if self._jobs and decoder.ready and decoder.job is None:
                try:
                    decoder.give(self._jobs.popleft())
                except ProtocolError as error:
                    self._replace(decoder, f"the decoder process misbehaved ({error})")

    def _wait_for_space(self) -> None:
        """While the consumer is behind: reads nothing, so that the processes wait too."""
        while not self._stopping and self._requests.empty():
            stopped = time.monotonic()
            has_space = self._space.wait(_WATCH_SECONDS)
            for decoder in self._decoders:
                decoder.forgive(time.monotonic() - stopped)
            if has_space:
                return
            self._watch()

    def _attend(self, selected: selectors.SelectorKey) -> None:
        if selected.data is None:
            while _drained(self._woken):
                pass
            return
        decoder, is_event = selected.data
        if decoder not in self._decoders:
            return
        if not is_event:
            if not decoder.read_errors():
                self._selector.unregister(decoder.errors)
            return
        try:
            for event in decoder.received():
                self._pass_on(decoder, event)
        except EOFError:
            self._lost(decoder)
        except (ProtocolError, KeyError, TypeError, ValueError) as error:
            self._replace(decoder, f"the decoder process sent nonsense ({error})")

    def _pass_on(self, decoder: Decoder, event: Mapping[str, Any] | Message) -> None:
        if isinstance(event, Message):
            assert decoder.job is not None, event
            self._count(_size(event))
            self._events.put(Event(key=decoder.job.key, kind="item", message=event))
            return
        match event:
            case {"kind": "beat"}:
                pass
            case {"kind": "ready"}:
                decoder.ready = True
            case {"kind": "broken", "reason": str(reason)}:
                raise MediaError(f"the decoder processes cannot work: {reason}")
            case {"kind": "done" | "failed" as kind, "reason": str(reason)} if decoder.job:
                key, decoder.job = decoder.job.key, None
                self._events.put(Event(key=key, kind=kind, reason=reason))
            case _:
                raise ProtocolError("an unknown event")

    def _watch(self) -> None:
        now = time.monotonic()
        for decoder in tuple(self._decoders):
            if (decoder.job or not decoder.ready) and (offence := decoder.offence(now)):
                self._replace(decoder, offence)

    def _lost(self, decoder: Decoder) -> None:
        how = self._remove(decoder)
        if not decoder.ready:
            raise MediaError(f"the decoder processes cannot start ({how})")
        if decoder.job is None:
            _LOG.warning("an idle decoder process ended (%s) and is replaced", how)
        self._fail(decoder, f"the decoder process crashed ({how}): the file is probably damaged")

    def _replace(self, decoder: Decoder, reason: str) -> None:
        self._remove(decoder)
        if not decoder.ready:
            raise MediaError(f"the decoder processes cannot start: {reason}")
        self._fail(decoder, f"{reason}: reading it was given up")

    def _fail(self, decoder: Decoder, reason: str) -> None:
        if decoder.job is not None:
            reason = f"{label(decoder.job.path)}: {reason}"
            self._events.put(Event(key=decoder.job.key, kind="failed", reason=reason))

    def _fulfil(self) -> None:
        """Forgets everything, if somebody asked for it."""
        while not self._requests.empty():
            self._jobs.clear()
            for decoder in tuple(self._decoders):
                if decoder.job is not None:
                    self._remove(decoder)
            while not self._events.empty():
                event = self._events.get()
                if isinstance(event, BaseException):
                    self._events.put(event)
                    break
            self._count(-self._waiting)
            self._requests.get().set()


def _size(message: Message) -> int:
    texts = (value for value in message.data.values() if isinstance(value, str))
    return sum(array.nbytes for array in message.arrays) + sum(map(len, texts)) + _MESSAGE_BYTES


def _drained(number: int) -> bool:
    try:
        return bool(os.read(number, 4096))
    except BlockingIOError:
        return False
