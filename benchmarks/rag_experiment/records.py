"""What the arms answered, read back: a number for each question, seeds put together."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEED = re.compile(r", seed (\d+)$")

Record = Mapping[str, Any]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one arm answered to one family of questions, with every seed that it was trained with.

    Attributes:
        arm: its name, without a seed.
        family: of the questions.
        by_seed: seed -> question's id -> record; seed 0 stands for an arm that is not trained.
    """

    arm: str
    family: str
    by_seed: Mapping[int, Mapping[str, Record]]

    @property
    def ids(self) -> list[str]:
        """Questions that all seeds answered, in order."""
        first, *others = self.by_seed.values()
        return [each for each in first if all(each in other for other in others)]

    def values(self, of: Callable[[Record], float], ids: Sequence[str] | None = None) -> Values:
        """(B,) a number for each question: the mean over seeds."""
        found: Values = self.seeds(of, ids).mean(0)
        return found

    def seeds(self, of: Callable[[Record], float], ids: Sequence[str] | None = None) -> Values:
        """(S, B) a number for each seed and question."""
        chosen = self.ids if ids is None else ids
        rows = [[float(of(own[each])) for each in chosen] for own in self.by_seed.values()]
        return np.array(rows, np.float64).reshape(len(self.by_seed), len(chosen))

    def templates(self) -> Mapping[str, list[str]]:
        """Template -> ids of its questions."""
        found: dict[str, list[str]] = {}
        any_seed = next(iter(self.by_seed.values()))
        for each in self.ids:
            found.setdefault(any_seed[each]["template"], []).append(each)
        return dict(sorted(found.items()))


def read(folder: Path) -> Mapping[tuple[str, str], Answers]:
    """(arm, family) -> what it answered; see the module of the arms for the files."""
    found: dict[tuple[str, str], dict[int, dict[str, Record]]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        arm, _, family = file.stem.rpartition(", ")
        seed = _SEED.search(arm)
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if not lines:  # it has just begun
            continue
        own = found.setdefault((_SEED.sub("", arm), family), {})
        own[int(seed[1]) if seed else 0] = {line["id"]: line for line in lines}
    return {
        (arm, family): Answers(arm=arm, family=family, by_seed=own)
        for (arm, family), own in found.items()
    }
