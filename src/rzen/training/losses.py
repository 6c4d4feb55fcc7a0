r"""InfoNCE with hardness weights and false-negative mitigation: RzenEmbed's loss and its kin.

A pure island: tensors in, tensors out. For a query with positive k+ and negatives k_i, cosines s,
temperature T (RzenEmbed, arXiv 2510.27350, section on the loss; LLaVE, arXiv 2503.04812, Eq. 5):

    L = -log( e^(s(q,k+)/T) / ( e^(s(q,k+)/T) + sum_i m_i * e^(alpha*s(q,k_i)) * e^(s(q,k_i)/T) ) )

Shape suffixes: B queries of which the loss is taken, N queries of all ranks, M documents,
P pairs of a query and one of its positives, D dimensions.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

FalseNegatives: TypeAlias = Literal["document", "margin", "both-sides"]
"""Who counts as an unlabelled positive and is left out.

``"document"``: a document nearer than the threshold to the positive (RzenEmbed). ``"margin"``: a
document that is nearer to the query than the positive is, by more than the threshold
(Qwen3-VL-Embedding, arXiv 2601.04720). ``"both-sides"``: a document nearer than the threshold to
the positive, or the positive of a query that is nearer than the threshold to this one (WeMM,
arXiv 2608.24053).
"""

_MARGIN = 0.1  # Qwen3-VL-Embedding's
BLOCK_CELLS = 1 << 22
"""Pairs times documents that are looked at together: some ten numbers are kept for each, 160 MiB in
all, however large the batch is. 768 queries over 5,000 documents are one block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoNCEOutput:
    """What the loss says.

    Attributes:
        loss: scalar, the mean over rows.
        masked_fraction: scalar without gradient: of all negatives, how many were left out as false.
        effective_negatives: scalar without gradient: how many equally strong negatives would press
            as the kept ones do, (sum p)^2 / sum p^2 of their terms in the sum (Kish), mean over
            pairs; 0 for a pair without any.
    """

    loss: Tensor
    masked_fraction: Tensor
    effective_negatives: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs:
    """Which documents answer which queries.

    Attributes:
        row_P: of the queries B.
        document_P: of the documents M.
        query_P: the pair's query among all N.
        share_P: of its row's loss.
        query_X: all known pairs of N and M: the query.
        document_X: and its document.
    """

    row_P: Tensor
    document_P: Tensor
    query_P: Tensor
    share_P: Tensor
    query_X: Tensor
    document_X: Tensor

    def blocks(self, size: int) -> list["_Pairs"]:
        """The pairs, so many at a time."""
        return [
            replace(
                self,
                row_P=self.row_P[at : at + size],
                document_P=self.document_P[at : at + size],
                query_P=self.query_P[at : at + size],
                share_P=self.share_P[at : at + size],
            )
            for at in range(0, len(self.row_P), size)
        ]


def info_nce(  # noqa: PLR0913 (one parameter a choice)
    query_BD: Tensor,
    document_MD: Tensor,
    positive: Tensor,
    temperature: float | Tensor,
    *,
    alpha: float = 9.0,
    delta: float | None = 0.95,
    detach_weights: bool = True,
    false_negatives: FalseNegatives | None = "document",
    threshold: float | None = None,
    candidate_BM: Tensor | None = None,
    symmetric: bool = False,
    all_query_ND: Tensor | None = None,
) -> InfoNCEOutput:
    """The loss of B queries over M documents, in float32 (float64 for float64), autocast off.

    A row with several positives counts the mean of its losses with each of them alone; the others
    are then neither positive nor negative.

    >>> same = torch.nn.functional.normalize(torch.ones(4, 8))
    >>> found = info_nce(same, same, torch.arange(4), 0.05, delta=None, alpha=0)
    >>> round(float(found.loss), 4), round(float(found.effective_negatives), 1)  # log 4, 3
    (1.3863, 3.0)

    Args:
        query_BD: (B, D) unit rows.
        document_MD: (M, D) unit rows: positives and hard negatives of all queries.
        positive: (B,) integers, each query's document; or (B, M) booleans, each of its documents.
        temperature: of all rows, or (B,) of each; positive.
        alpha: strength of the hardness weights e^(alpha * s) of negatives; 0 means none.
        delta: threshold of ``"document"`` and ``"both-sides"``; ``None`` leaves no negative out.
        detach_weights: whether the weights are constants (LLaVE's reading), or have a gradient.
        false_negatives: the rule by which negatives are left out; ``None``: none is.
        threshold: takes the place of ``delta``; that of ``"margin"`` is 0.1 unless given.
        candidate_BM: (B, M) booleans, which documents a query may be compared with at all; its
            positives always are.
        symmetric: the mean of this loss and that of documents over queries.
        all_query_ND: (N, D) unit rows, the queries of all ranks; then document n < N is the first
            positive of query n, and the smallest number among a row's positives is its own.
            ``None``: ``query_BD`` are all.

    Returns:
        The loss and what to watch.
    """
    assert query_BD.ndim == document_MD.ndim == 2, "vectors are rows"
    kind = torch.promote_types(query_BD.dtype, torch.float32)
    with torch.autocast(query_BD.device.type, enabled=False):
        query, document = query_BD.to(kind), document_MD.to(kind)
        queries = query if all_query_ND is None else all_query_ND.to(kind)
        pairs = _pairs(positive, len(document), None if all_query_ND is None else len(queries))
        temperature_B = _temperatures(temperature, query)
        rule = _Rule(false_negatives, _limit(false_negatives, delta, threshold))

        def sums(some: _Pairs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """Loss, negatives, those left out, effective ones: sums over some of the pairs."""
            allowed_PM = _allowed(candidate_BM, some, len(document), query.device)
            logits = _Logits(alpha, detach_weights, temperature_B[some.row_P])
            forward = logits.loss(
                query[some.row_P] @ document.T,
                own_P=some.document_P,
                negative_PM=allowed_PM & ~_answers(some, pairs, len(document)),
                false_PM=rule.documents(queries, document, some),
            )
            losses, negatives, masked = [forward.loss_P], forward.negatives, forward.masked
            if symmetric:
                backward = logits.loss(
                    document[some.document_P] @ queries.T,
                    own_P=some.query_P,
                    negative_PM=_askable(allowed_PM, some, len(queries))
                    & ~_asks(some, some.document_P[:, None] == some.document_X, len(queries)),
                    false_PM=rule.queries(queries, document, some),
                )
                losses.append(backward.loss_P)
                negatives, masked = negatives + backward.negatives, masked + backward.masked
            loss_P = torch.stack(losses).mean(dim=0)
            loss = (loss_P * some.share_P.to(kind)).sum()
            return loss, negatives, masked, forward.effective_P.sum()

        blocks = pairs.blocks(max(1, BLOCK_CELLS // max(len(document), len(pairs.query_X))))
        # One that fits is computed once; else each is computed anew on the way back.
        found = (
            [sums(blocks[0])]
            if len(blocks) == 1
            else [
                checkpoint(sums, each, use_reentrant=False, preserve_rng_state=False)
                for each in blocks
            ]
        )
        loss, negatives, masked, effective = (
            torch.stack(each).sum(dim=0) for each in zip(*found, strict=True)
        )
        return InfoNCEOutput(
            loss=loss / len(query),
            masked_fraction=masked / negatives.clamp(min=1),
            effective_negatives=effective / len(pairs.row_P),
        )


def _temperatures(temperature: float | Tensor, query_BD: Tensor) -> Tensor:
    found = torch.as_tensor(temperature, dtype=query_BD.dtype, device=query_BD.device)
    assert bool((found > 0).all()), "a temperature is positive"
    assert found.ndim == 0 or found.shape == query_BD.shape[:1], "one temperature, or one a row"
    return found.expand(len(query_BD))


def _pairs(positive: Tensor, documents: int, queries: int | None) -> _Pairs:
    """The pairs of rows and positives, and what is known of other ranks' pairs."""
    rows = len(positive)
    if positive.dtype == torch.bool:
        assert positive.shape == (rows, documents), "(B, M) booleans"
        count_B = positive.sum(dim=1)
        assert bool((count_B > 0).all()), "a row without a positive"
        row_P, document_P = positive.nonzero(as_tuple=True)
        first_B = positive.int().argmax(dim=1)
        share_P = 1.0 / count_B[row_P].double()
    else:
        assert positive.shape == (rows,), "(B,) integers"
        assert bool(((positive >= 0) & (positive < documents)).all()), "a positive out of range"
        row_P = torch.arange(rows, device=positive.device)
        document_P = first_B = positive.long()
        share_P = torch.ones(rows, dtype=torch.float64, device=positive.device)
    if queries is None:
        query_P, query_X, document_X = row_P, row_P, document_P
    else:
        assert bool((first_B < queries).all()), "document n < N is the first positive of query n"
        query_P = first_B[row_P]
        all_N = torch.arange(queries, device=positive.device)
        query_X, document_X = torch.cat([all_N, query_P]), torch.cat([all_N, document_P])
    return _Pairs(
        row_P=row_P,
        document_P=document_P,
        query_P=query_P,
        share_P=share_P,
        query_X=query_X,
        document_X=document_X,
    )


def _answers(some: _Pairs, pairs: _Pairs, documents: int) -> Tensor:
    """(P, M): the documents that answer the query of each of some pairs."""
    return _holds_for_any(some.row_P[:, None] == pairs.row_P, pairs.document_P, documents)


def _allowed(
    candidate_BM: Tensor | None, pairs: _Pairs, documents: int, device: torch.device
) -> Tensor:
    if candidate_BM is None:
        return torch.ones(len(pairs.row_P), documents, dtype=torch.bool, device=device)
    assert candidate_BM.dtype == torch.bool, "candidates are booleans"
    return candidate_BM[pairs.row_P]


def _askable(allowed_PM: Tensor, pairs: _Pairs, queries: int) -> Tensor:
    """(P, N): queries that the pair's document may be compared with: those of its candidates."""
    return _asks(pairs, allowed_PM[:, pairs.document_X], queries)


def _asks(pairs: _Pairs, holds_PX: Tensor, queries: int) -> Tensor:
    """(P, N): queries for any of whose documents something holds."""
    return _holds_for_any(holds_PX, pairs.query_X, queries)


def _holds_for_any(holds_PX: Tensor, column_X: Tensor, columns: int) -> Tensor:
    """(P, columns): whether something holds for any X that belongs to a column."""
    found = torch.zeros(len(holds_PX), columns, device=holds_PX.device)
    return found.index_add(1, column_X, holds_PX.float()) > 0


def _limit(
    rule: FalseNegatives | None, delta: float | None, threshold: float | None
) -> float | None:
    if threshold is not None:
        return threshold
    return _MARGIN if rule == "margin" and delta is not None else delta


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which negatives are false, by cosines that nothing is learned from."""

    name: FalseNegatives | None
    limit: float | None

    @torch.no_grad()
    def documents(self, query_ND: Tensor, document_MD: Tensor, pairs: _Pairs) -> Tensor | None:
        """(P, M) documents that are false negatives of the pair's query; ``None``: none is."""
        if self.name is None or self.limit is None:
            return None
        query_PD, document_PD = query_ND[pairs.query_P], document_MD[pairs.document_P]
        if self.name == "margin":
            own_P = (query_PD * document_PD).sum(dim=1)
            return query_PD @ document_MD.T > own_P[:, None] + self.limit
        near_PM = document_PD @ document_MD.T > self.limit
        if self.name == "both-sides":
            near_PX = query_PD @ query_ND[pairs.query_X].T > self.limit
            near_PM |= _holds_for_any(near_PX, pairs.document_X, len(document_MD))
        return near_PM

    @torch.no_grad()
    def queries(self, query_ND: Tensor, document_MD: Tensor, pairs: _Pairs) -> Tensor | None:
        """(P, N) queries that are false negatives of the pair's document; ``None``: none is."""
        if self.name is None or self.limit is None:
            return None
        query_PD, document_PD = query_ND[pairs.query_P], document_MD[pairs.document_P]
        if self.name == "margin":
            own_P = (query_PD * document_PD).sum(dim=1)
            return document_PD @ query_ND.T > own_P[:, None] + self.limit
        near_PX = document_PD @ document_MD[pairs.document_X].T > self.limit
        near_PN = _asks(pairs, near_PX, len(query_ND))
        if self.name == "both-sides":
            near_PN |= query_PD @ query_ND.T > self.limit
        return near_PN


@dataclass(frozen=True, slots=True)
class _Direction:
    loss_P: Tensor
    negatives: Tensor
    masked: Tensor
    effective_P: Tensor


@dataclass(frozen=True, slots=True)
class _Logits:
    """Weighted logits and their cross entropy; columns M, or N for the symmetric part."""

    alpha: float
    detach_weights: bool
    temperature_P: Tensor

    def loss(
        self, cosine_PM: Tensor, *, own_P: Tensor, negative_PM: Tensor, false_PM: Tensor | None
    ) -> _Direction:
        kept_PM = negative_PM if false_PM is None else negative_PM & ~false_PM
        logits_PM = cosine_PM / self.temperature_P[:, None]
        if self.alpha:
            hardness = cosine_PM.detach() if self.detach_weights else cosine_PM
            logits_PM = logits_PM + (self.alpha * hardness).where(kept_PM, 0.0)
        counted_PM = kept_PM.scatter(1, own_P[:, None], True)
        logits_PM = logits_PM.masked_fill(~counted_PM, -torch.inf)
        negatives = negative_PM.sum()
        return _Direction(
            loss_P=cross_entropy(logits_PM, own_P, reduction="none"),
            negatives=negatives,
            masked=negatives - kept_PM.sum(),
            effective_P=_effective(logits_PM.detach(), kept_PM),
        )


def _effective(logits_PM: Tensor, kept_PM: Tensor) -> Tensor:
    """(P,): Kish's number of equally strong negatives."""
    kept = logits_PM.masked_fill(~kept_PM, -torch.inf)
    once, twice = torch.logsumexp(kept, dim=1), torch.logsumexp(2 * kept, dim=1)
    return torch.where(kept_PM.any(dim=1), (2 * once - twice).exp(), 0.0)
