"""How far a run is, and how long it will take still."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rzen.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Figures of a running evaluation.

    Attributes:
        set_name: the set at hand.
        sets_done: of the sets to run, those that are scored.
        sets_total: sets to run; skipped ones and those taken from an earlier run are left out.
        contents_done: queries and documents that have a vector, or failed.
        contents_total: of all sets to run.
        seconds: since the start.
        seconds_left: an estimate; ``None`` before there is one.
        items_per_second: contents encoded, by the time it took; 0 before the first.
    """

    set_name: str
    sets_done: int
    sets_total: int
    contents_done: int
    contents_total: int
    seconds: float
    seconds_left: float | None
    items_per_second: float


class Meter:
    """Counts what is done and estimates the rest.

    A clip takes a hundred times as long as a caption, so each modality has its own speed; one that
    has not been met yet is taken to be as fast as all others together. What comes out of the cache
    says nothing about speed.

    Args:
        sets_total: sets to run.
        totals: contents to encode, by modality.
        report: called after each step; ``None`` where nobody watches.
        clock: gives seconds.
    """

    def __init__(
        self,
        sets_total: int,
        totals: Mapping[Modality, int],
        report: Callable[[Progress], None] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sets_total, self._totals, self._report = sets_total, Counter(totals), report
        self._clock, self._started = clock, clock()
        self._set_name, self._sets_done = "", 0
        self._done: Counter[Modality] = Counter()
        self._encoded: Counter[Modality] = Counter()
        self._spent: dict[Modality, float] = {}

    def begin(self, set_name: str) -> None:
        """A set's turn has come."""
        self._set_name = set_name
        self._tell()

    def step(self, modality: Modality, count: int, encoded: int, seconds: float) -> None:
        """Some contents are done; see :data:`rzen.evaluation.encoding.OnStep`."""
        self._done[modality] += count
        self._encoded[modality] += encoded
        self._spent[modality] = self._spent.get(modality, 0.0) + seconds
        self._tell()

    def end(self) -> None:
        """The set is scored."""
        self._sets_done += 1
        self._tell()

    def progress(self) -> Progress:
        """The figures now."""
        encoded, spent = self._encoded.total(), sum(self._spent.values())
        return Progress(
            set_name=self._set_name,
            sets_done=self._sets_done,
            sets_total=self._sets_total,
            contents_done=self._done.total(),
            contents_total=self._totals.total(),
            seconds=self._clock() - self._started,
            seconds_left=self._seconds_left(),
            items_per_second=encoded / spent if encoded and spent > 0 else 0.0,
        )

    def _seconds_left(self) -> float | None:
        left = self._totals - self._done
        done, encoded = self._done.total(), self._encoded.total()
        if not left:
            return 0.0
        if not encoded:
            passed = self._clock() - self._started
            return passed * left.total() / done if done else None
        usual = sum(self._spent.values()) / encoded
        return sum(
            count * (self._spent[kind] / self._encoded[kind] if self._encoded[kind] else usual)
            for kind, count in left.items()
        )

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self.progress())
