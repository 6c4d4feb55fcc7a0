"""What trainings are tested with: a network of a few weights, rows of words, and a listener."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from rzen.encoders.dummy import DummyEncoder
from rzen.errors import MediaError
from rzen.protocols import Encoder
from rzen.training.batch import FailedRow, Row
from rzen.training.reading import Rows, batches
from rzen.training.trainer import StepReport
from rzen.types import Content, Example, Role, Text

WORDS: tuple[str, ...] = (
    *("red", "green", "blue", "small", "large", "round", "boat", "car"),
    *("tree", "house", "dog", "cat", "bird", "sky", "sea", "sun"),
)
TASKS = ("words", "numbers")


@dataclass(frozen=True)
class ToyContent:
    ids: list[int]

    @property
    def tokens(self) -> int:
        return len(self.ids)


class ToyNetwork(nn.Module):
    """Word vectors, dropout, a layer: enough for order, length and dropout to matter."""

    def __init__(self, dropout: float, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.words = nn.Embedding(64, 12)
        self.dropout = nn.Dropout(dropout)
        self.layer = nn.Linear(12, 8)

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> Tensor:
        states = torch.tanh(self.layer(self.dropout(self.words(ids_BS))))
        return (states * mask_BS[..., None]).sum(dim=1)


class ToyBackbone:
    """See :class:`rzen.training.backbone.Backbone`; the text "broken" cannot be read."""

    name = "toy"
    dim = 8
    device = "cpu"
    keeps_prepared = False

    def __init__(self, dropout: float = 0.0, seed: int = 0) -> None:
        self.network: ToyNetwork = ToyNetwork(dropout, seed)

    def prepare(self, content: Content, role: Role, instruction: str | None) -> ToyContent:
        text = f"{role[0]} {instruction or ''} {content.text}"
        if "broken" in text:
            raise MediaError("broken: the file is no picture")
        return ToyContent([1 + (hash_of(word) % 63) for word in text.split()])

    def encode(self, prepared: Sequence[Any]) -> Tensor:
        longest = max(each.tokens for each in prepared)
        ids = torch.zeros(len(prepared), longest, dtype=torch.long)
        for row, each in enumerate(prepared):
            ids[row, : each.tokens] = torch.tensor(each.ids)
        return normalize(self.network(ids, (ids > 0).float()), dim=-1)

    def encoder(self) -> Encoder:
        return DummyEncoder()

    def save(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)


def hash_of(word: str) -> int:
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(word))


def toy_examples(count: int = 48) -> list[Example]:
    """Queries of two or three words, answered by another two; one hard negative each."""
    found = []
    for at in range(count):
        first, second, third = (
            WORDS[(at * step + shift) % 16] for step, shift in ((1, 0), (3, 5), (7, 2))
        )
        found.append(
            Example(
                task=TASKS[at % 2],
                query=Content(Text(f"{first} {second} q{at}" + (" long long" if at % 3 else ""))),
                positives=(Content(Text(f"{second} {third} d{at}")),),
                negatives=(Content(Text(f"{third} {first} n{at % 5}")),),
                instruction=f"find {TASKS[at % 2]}",
            )
        )
    return found


def toy_rows(backbone: Any, examples: Sequence[Example]) -> Rows:
    return Rows(
        example=lambda _, row: examples[row],
        name=lambda _, row: f"toy:{row}",
        key=lambda content, told: (
            f"{told}|{content.text}|{getattr(content.parts[0], 'source', '')}"
        ),
        backbone=backbone,
        tasks={task: number for number, task in enumerate(TASKS)},
        positives=2,
        hard_negatives=2,
    )


@dataclass
class ListedBatches:
    """Batches of one task in turns, cut by rank; each starts where it is told."""

    rows: Rows
    count: int
    size: int
    rank: int = 0
    ranks: int = 1
    workers: int = 0

    def addresses(self) -> Iterator[list[tuple[int, int, int]]]:
        number = 0
        while True:
            task = number % 2
            rows = [
                (0, (2 * ((number // 2) * self.size + place) + task) % self.count, 0)
                for place in range(self.size)
            ]
            share = -(-len(rows) // self.ranks)
            yield rows[self.rank * share : (self.rank + 1) * share]
            number += 1

    def starting_at(self, number: int) -> Iterator[list[Row | FailedRow]]:
        listed = self.addresses()
        for _ in range(number):
            next(listed)
        return batches(self.rows, listed, self.workers)


@dataclass
class Listener:
    """Keeps what it is told."""

    reports: list[StepReport] = field(default_factory=list)
    failed: list[FailedRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    measured: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    saved: list[Path] = field(default_factory=list)

    def on_step(self, report: StepReport) -> None:
        self.reports.append(report)

    def on_failed(self, row: FailedRow) -> None:
        self.failed.append(row)

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)

    def on_measured(self, step: int, scores: Mapping[str, float]) -> None:
        self.measured.append((step, scores))

    def on_saved(self, checkpoint: Path) -> None:
        self.saved.append(checkpoint)

    @property
    def losses(self) -> list[float]:
        return [report.loss for report in self.reports]


def dumped(trainer: Any) -> str:
    """Weights, thetas and moments as text that is equal only if every bit is."""
    weights = {name: each.tolist() for name, each in trainer.backbone.network.named_parameters()}
    moments = {name: each.tolist() for name, each in trainer._state.moments().items()}
    return json.dumps([weights, trainer._temperatures.state().tolist(), moments], sort_keys=True)
