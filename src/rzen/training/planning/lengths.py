"""How long the contents of rows are: a seeded sample of each group, prepared as for training."""

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL.Image import Image as Picture

from rzen.data.batch_sampler import GroupRows
from rzen.data.mixture import Mixture
from rzen.data.sources.content_key import content_key
from rzen.encoders.vision_language.prompting import Prompt
from rzen.errors import RzenError
from rzen.training.backbone import Backbone, Prepared
from rzen.training.batch import FailedRow, Row
from rzen.training.feeding import rows_of
from rzen.training.planning.typical import TypicalRows
from rzen.training.reading import Rows
from rzen.training.settings import StageSettings
from rzen.types import Content, Frames, Text

SAMPLE = 512
"""Rows of a group that are prepared, at most."""

_LEAST = 16  # however long they take
_SECONDS = 4.0  # for a group, about
_LISTED = 20_000  # rows of a group whose contents are compared, at most


@dataclass(frozen=True, slots=True)
class Length:
    """What one content costs.

    Attributes:
        tokens: that batches are cut by.
        words: tokens that the language model sees, those of pictures among them.
        pictures: tokens of each still, and of each frame or pair of frames.
        bytes: that it takes on the host while it waits.
    """

    tokens: int
    words: int
    pictures: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class RowLengths:
    """What a row costs.

    Attributes:
        query: of it.
        documents: key -> length, positives and hard negatives.
    """

    query: Length
    documents: Mapping[str, Length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What the sampled rows of a group are like.

    Attributes:
        rows: that were prepared; ``None`` for one that cannot be read.
        seconds: that preparing them took.
        whole_seconds: that all rows of the group take, however often they come, where what was
            prepared is kept.
        reasons: why some cannot be read.
    """

    rows: Mapping[tuple[int, int], RowLengths | None]
    seconds: float
    whole_seconds: float = math.inf
    reasons: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Rows that cannot be read."""
        return sum(each is None for each in self.rows.values())

    @property
    def seconds_per_row(self) -> float:
        """That preparing one takes, in the mean."""
        return self.seconds / len(self.rows) if self.rows else 0.0


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Prepares rows, each once.

    Attributes:
        backbone: that prepares; it needs no weights.
        seed: of the choice.
    """

    backbone: Backbone
    seed: int
    _known: dict[tuple[str, int, int, int], tuple[RowLengths | None, float, str]] = field(
        default_factory=dict
    )

    def sample(self, mixture: Mixture, group: GroupRows, stage: StageSettings) -> Sampled:
        """Some rows of a group: all of a small one, fewer where preparing them takes long."""
        rows = replace(rows_of(mixture, self.backbone, stage), key=_key)
        generator = np.random.default_rng([self.seed, len(group)])
        chosen = generator.permutation(len(group))[:SAMPLE].tolist()
        found: dict[tuple[int, int], RowLengths | None] = {}
        reasons: list[str] = []
        typical: set[int] = set()
        seconds = 0.0
        for place in chosen:
            if len(found) >= _LEAST and seconds > _SECONDS:
                break
            source, row = int(group.source_N[place]), int(group.row_N[place])
            if isinstance(mixture.sources[source], TypicalRows):
                if source in typical:
                    continue  # one is like all others
                typical.add(source)
            name = mixture.sources[source].name
            known = name, row, rows.positives, rows.hard_negatives
            if known not in self._known:
                begun = time.perf_counter()
                got = rows[source, row, 0]
                took = time.perf_counter() - begun
                reason = f"{got.name}: {got.reason}" if isinstance(got, FailedRow) else ""
                self._known[known] = _lengths(got), took, reason
            lengths, took, reason = self._known[known]
            found[source, row] = lengths
            seconds += took
            reasons += [reason] * bool(reason)
        whole = self._whole(rows, group, list(found), seconds)
        return Sampled(rows=found, seconds=seconds, whole_seconds=whole, reasons=tuple(reasons[:3]))

    def _whole(
        self, rows: Rows, group: GroupRows, sampled: Sequence[tuple[int, int]], seconds: float
    ) -> float:
        if not self.backbone.keeps_prepared:
            return math.inf
        generator = np.random.default_rng([self.seed, len(group), 1])
        some = generator.permutation(len(group))[:_LISTED]
        addresses = zip(group.source_N[some].tolist(), group.row_N[some].tolist(), strict=True)
        share = len(group) / max(1, len(some))
        own, whole = _parts(rows, sampled), _parts(rows, addresses)
        return seconds * share * len(whole) / max(1, len(own))


def length_of(prepared: Prepared) -> Length:
    """What a prepared content costs."""
    size = _bytes(prepared)
    if isinstance(prepared, Prompt):
        # Each frame of a still or pair of frames of a clip looks at itself alone in the tower.
        pictures = tuple(
            down * across for pairs, down, across in prepared.grids for _ in range(pairs)
        )
        return Length(prepared.tokens, prepared.tokens, pictures, size)
    ready = getattr(prepared, "ready", None)
    if ready is None or getattr(prepared, "features", None) is not None:
        return Length(prepared.tokens, prepared.tokens, (), size)
    is_chat = isinstance(ready.content, list)  # else one picture, for a tower of its own
    return Length(prepared.tokens, prepared.tokens if is_chat else 0, (prepared.tokens,), size)


def _parts(rows: Rows, addresses: Iterable[tuple[int, int]]) -> set[int]:
    """Keys of the distinct texts, pictures, pages and clips of rows."""
    found: set[int] = set()
    for source, row in addresses:
        try:
            example = rows.example(source, row)
        except RzenError:
            continue
        positives, negatives = rows.taken(example)
        contents = (example.query, *positives, *negatives)
        found |= {content_key(Content(part)) for each in contents for part in each.parts}
    return found


def _lengths(row: Row | FailedRow) -> RowLengths | None:
    if isinstance(row, FailedRow):
        return None
    documents = {key: length_of(each) for key, each in row.documents.items()}
    return RowLengths(length_of(row.query), documents)


def _key(content: Content, told: str | None) -> str:
    """As in training; the pixels of a stand-in are each of their own."""
    is_made = any(
        isinstance(part.source, Frames) for part in content.parts if not isinstance(part, Text)
    )
    return f"{id(content) if is_made else content_key(content)} {told!r}"


def _bytes(value: Any) -> int:
    """Of the arrays, pictures and texts that a value holds."""
    match value:
        case np.ndarray() | torch.Tensor():
            size = int(value.nbytes)
        case Picture():
            size = value.width * value.height * len(value.getbands())
        case str():
            size = len(value)
        case Mapping():
            size = sum(map(_bytes, value.values()))
        case Sequence():
            size = sum(map(_bytes, value))
        case _ if dataclasses.is_dataclass(value):
            size = sum(_bytes(getattr(value, each.name)) for each in dataclasses.fields(value))
        case _:
            size = 0
    return size
