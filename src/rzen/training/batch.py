"""A batch as the loss sees it: whose vector is where, what answers what, who meets whom.

Each rank encodes its own rows: their queries, then their documents, each distinct document once.
What the ranks must know of each other is small and travels as JSON; vectors are gathered, and a
document that two ranks encoded counts once, so the loss does not depend on the number of ranks.

Shape suffixes: N queries of all ranks, M distinct documents of all ranks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rzen.training.backbone import Prepared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One example, read and prepared.

    Attributes:
        name: of its source, and its number there.
        task: number of its task.
        part: number of its sub-batch.
        query: prepared.
        own_key: what the query's content would be called as a document.
        documents: key -> prepared; positives first. Equal keys mean equal documents.
        positives: how many of the documents are positives; the others are hard negatives.
        lost: why hard negatives are missing.
    """

    name: str
    task: int
    part: int
    query: Prepared
    own_key: str
    documents: dict[str, Prepared]
    positives: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRow:
    """An example that could not be read.

    Attributes:
        name: of its source, and its number there.
        reason: why.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalBatch:
    """The rows of one rank.

    Attributes:
        contents: queries, then distinct documents.
        about: what other ranks need to know; JSON can hold it.
    """

    contents: list[Prepared]
    about: dict[str, Any]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "LocalBatch":
        """Counts each distinct document once."""
        documents: dict[str, Prepared] = {}
        for row in rows:
            documents |= row.documents
        contents = [*(row.query for row in rows), *documents.values()]
        about = {
            "names": [row.name for row in rows],
            "tasks": [row.task for row in rows],
            "parts": [row.part for row in rows],
            "own": [row.own_key for row in rows],
            "keys": list(documents),
            "documents": [list(row.documents) for row in rows],
            "positives": [row.positives for row in rows],
            "tokens": sum(each.tokens for each in contents),
        }
        return cls(contents=contents, about=about)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlobalLayout:
    """The whole batch over the gathered vectors of all ranks.

    Attributes:
        query_N: where the queries' vectors are among the gathered ones.
        document_M: where the documents' are.
        task_N: numbers of the queries' tasks.
        positive: (N,) numbers of documents, or (N, M) booleans where a query has several.
        candidate_NM: which documents a query is compared with; ``None``: all.
        names: of the rows.
        tokens: of all contents, padding left out.
    """

    query_N: Tensor
    document_M: Tensor
    task_N: Tensor
    positive: Tensor
    candidate_NM: Tensor | None
    names: list[str]
    tokens: int

    @classmethod
    def of(cls, abouts: Sequence[dict[str, Any]], *, by_part: bool, device: str) -> "GlobalLayout":
        """Puts the ranks' batches together.

        Args:
            abouts: :attr:`LocalBatch.about` of each rank, in their order.
            by_part: whether a query is compared with the documents of its own sub-batch alone.
            device: of the vectors.
        """
        queries: list[int] = []
        first: dict[str, int] = {}
        at = 0
        for about in abouts:
            queries += range(at, at + len(about["names"]))
            at += len(about["names"])
            for key in about["keys"]:
                first.setdefault(key, at)
                at += 1
        number = {key: column for column, key in enumerate(first)}
        owned = [[number[key] for key in own] for about in abouts for own in about["documents"]]
        counts = [count for about in abouts for count in about["positives"]]
        own = [number.get(key) for about in abouts for key in about["own"]]
        parts = [part if by_part else 0 for about in abouts for part in about["parts"]]
        candidate_NM = _candidates(owned, own, parts, len(first))
        layout = cls(
            query_N=torch.tensor(queries, dtype=torch.long, device=device),
            document_M=torch.tensor(list(first.values()), dtype=torch.long, device=device),
            task_N=torch.tensor(
                [task for about in abouts for task in about["tasks"]], device=device
            ),
            positive=_positive(owned, counts, len(first)).to(device),
            candidate_NM=None if candidate_NM is None else candidate_NM.to(device),
            names=[name for about in abouts for name in about["names"]],
            tokens=sum(about["tokens"] for about in abouts),
        )
        assert len(layout.query_N) == len(layout.task_N) == len(counts), "one of each a row"
        return layout


def _positive(owned: Sequence[Sequence[int]], counts: Sequence[int], documents: int) -> Tensor:
    if all(count == 1 for count in counts):
        return torch.tensor([own[0] for own in owned], dtype=torch.long)
    found = torch.zeros(len(owned), documents, dtype=torch.bool)
    for row, (own, count) in enumerate(zip(owned, counts, strict=True)):
        found[row, list(own[:count])] = True
    return found


def _candidates(
    owned: Sequence[Sequence[int]],
    own: Sequence[int | None],
    parts: Sequence[int],
    documents: int,
) -> Tensor | None:
    """(N, M), or ``None`` for all: no query is asked to be unlike itself.

    A picture that is one row's query may be another row's document (pairs in both directions); it
    answers nothing there and is as near as can be. Where it is the row's own hard negative, as in
    "the same, but at night", it counts.
    """
    if len(set(parts)) < 2 and all(each is None for each in own):
        return None
    of_part = torch.zeros(max(parts, default=0) + 1, documents, dtype=torch.bool)
    for mine, part in zip(owned, parts, strict=True):
        of_part[part, list(mine)] = True
    found = of_part[torch.tensor(parts, dtype=torch.long)]
    for row, (itself, mine) in enumerate(zip(own, owned, strict=True)):
        if itself is not None and itself not in mine:
            found[row, itself] = False
    return found
