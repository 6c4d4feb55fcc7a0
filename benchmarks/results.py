"""What a benchmark returns, and how it becomes a part of RESULTS.md."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One claim with its table.

    Attributes:
        title: what was measured.
        claim: what we say about it, and whether it held in this run.
        columns: names with units.
        rows: as many cells each as there are columns.
        notes: how it was measured: sizes, threads, versions, what the floor is.
    """

    title: str
    claim: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [f"## {self.title}", "", self.claim, ""]
        lines += ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"


def medians_ms(
    candidates: Mapping[str, Callable[[], object]], *, repeats: int = 15, warmup: int = 2
) -> dict[str, float]:
    """Median milliseconds of each candidate, taken in turns so that noise meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(warmup + repeats):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if turn >= warmup:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
