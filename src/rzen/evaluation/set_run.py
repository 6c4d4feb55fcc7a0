"""One set, run: its contents encoded, its documents ranked, its figures.

Shape suffixes: B queries.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from rzen.data.retrieval_set import RetrievalSet
from rzen.encoders.cut import CutEncoder
from rzen.errors import EncoderError, UsageError
from rzen.evaluation.baselines import Baselines
from rzen.evaluation.encoding import EncodedContents, EncodingTask, OnStep, encode_contents
from rzen.evaluation.metrics import per_query
from rzen.evaluation.outcome import Cost, SetOutcome
from rzen.evaluation.pools import Pools
from rzen.evaluation.ranking import Ranked, rank
from rzen.evaluation.statistics import interval
from rzen.evaluation.vector_cache import VectorCache
from rzen.protocols import Encoder
from rzen.types import Calibration, Content, Modality, Role

OTHERS = 4
"""Documents of a global set, by query, that a limit leaves beside those that it asks for."""


def limited(retrieval_set: RetrievalSet, limit: int | None) -> RetrievalSet:
    """The set with its first queries only.

    Kept are all documents that these queries name as labels or candidates; of a global set also
    ``OTHERS * limit`` others, taken at even distances so that every part of the pool is there.

    Raises:
        UsageError: if the limit is less than 1.
    """
    if limit is None:
        return retrieval_set
    if limit < 1:
        raise UsageError(f"a limit of {limit} queries leaves nothing to measure: give 1 or more")
    queries = retrieval_set.queries[:limit]
    named = {name for query in queries for name in (*query.labels, *(query.candidates or ()))}
    others = [name for name in retrieval_set.documents if name not in named]
    if retrieval_set.scope == "global":
        count = min(len(others), OTHERS * limit)
        named |= {others[at * len(others) // count] for at in range(count)}
    return replace(
        retrieval_set,
        queries=queries,
        documents={
            name: content for name, content in retrieval_set.documents.items() if name in named
        },
    )


class SetRun:
    """A set, encoded and ranked when it is made.

    Queries are encoded with the set's instruction, documents with that for documents, and never
    with the other. Where the set has none, none is given: not even the encoder's own.

    Args:
        retrieval_set: the whole set.
        encoder: takes its modalities.
        cache: of the vectors of :func:`whole_encoder`.
        limit: queries, at most.
        on_step: called after each step of encoding.

    Attributes:
        ranked: the documents for each query.

    Raises:
        EncoderError: if the encoder gives something else than unit vectors, or can encode none of
            the queries or documents.
    """

    def __init__(
        self,
        retrieval_set: RetrievalSet,
        encoder: Encoder,
        cache: VectorCache,
        limit: int | None,
        on_step: OnStep,
    ) -> None:
        self._whole, self._limit = retrieval_set, limit
        self._set = limited(retrieval_set, limit)
        self._encoder, self._cache, self._on_step = encoder, cache, on_step
        self._queries = self._encode(
            {query.id: query.content for query in self._set.queries},
            "query",
            self._set.instruction,
        )
        self._documents = self._encode(
            self._set.documents, "document", self._set.document_instruction
        )
        self._pools = Pools(self._set, self._documents.digests)
        self._calibration, self._calibration_note = _calibration(self._set, encoder)
        self.ranked = self._rank(self._calibration)

    def outcome(self, baselines: Baselines) -> SetOutcome:
        """The set's figures."""
        scores_B = per_query(self.ranked.rankings)
        values_B = scores_B[self._set.metric]
        scores = {key: float(each_B.mean()) for key, each_B in scores_B.items()}
        if self._calibration is not None:
            plain_B = per_query(self._rank(None).rankings)[self._set.metric]
            scores[f"{self._set.metric} by cosine"] = float(plain_B.mean())
        between = interval(values_B)
        return SetOutcome(
            name=self._set.name,
            group=self._set.group,
            family=self._set.family,
            metric=self._set.metric,
            scope=self._set.scope,
            about=self._set.about,
            value=scores[self._set.metric],
            low=between.low,
            high=between.high,
            scores=scores,
            queries=len(self._set.queries),
            documents=len(self._set.documents),
            baselines=baselines.of(self._pools, self._limit),
            ties=self.ranked.ties,
            duplicates=self.ranked.duplicates,
            failed=_joined(self._queries.failed, self._documents.failed),
            notes=tuple(self._notes()),
            histograms=self.ranked.histograms,
            failures=self.ranked.failures,
            cost=_sum(self._queries.cost, self._documents.cost),
        )

    def _encode(
        self, contents: Mapping[str, Content], role: Role, instruction: str | None
    ) -> EncodedContents:
        name = self._set.name
        task = EncodingTask(set_name=name, role=role, instruction=instruction or "")
        whole = whole_encoder(self._encoder)
        encoded = encode_contents(contents, whole, self._cache, task, on_step=self._on_step)
        if isinstance(self._encoder, CutEncoder):
            encoded = replace(encoded, vectors=self._encoder.cut(encoded.vectors))
        if contents and len(encoded.failed) == len(contents):
            # Zero would be a figure of the data or the machine, not of the encoder.
            raise EncoderError(
                f"set {name!r}: of {len(contents)} contents in the role of a {role} none could be "
                f"encoded ({next(iter(encoded.failed.values()))}): fetch the suite again, or "
                "choose another encoder"
            )
        return encoded

    def _rank(self, calibration: Mapping[Modality, Calibration] | None) -> Ranked:
        return rank(
            self._queries.vectors,
            self._documents.vectors,
            self._pools,
            failed_queries=self._queries.failed,
            failed_documents=self._documents.failed,
            calibration=calibration,
        )

    def _notes(self) -> list[str]:
        notes = []
        whole, kept = self._whole, self._set
        if len(kept.queries) < len(whole.queries) or len(kept.documents) < len(whole.documents):
            notes.append(
                f"limited to the first {len(kept.queries)} of {len(whole.queries)} queries and "
                f"{len(kept.documents)} of {len(whole.documents)} documents: easier than the whole"
            )
        if self._calibration_note:
            notes.append(self._calibration_note)
        meanings = {"queries": "count as misses", "documents": "are never found"}
        for kind, encoded in (("queries", self._queries), ("documents", self._documents)):
            if encoded.failed:
                notes.append(
                    f"{len(encoded.failed)} of {len(encoded.ids)} {kind} could not be encoded and "
                    f"{meanings[kind]}"
                )
            notes += _counted_warnings(kind, encoded)
        return notes + self._cache.take_warnings()


def whole_encoder(encoder: Encoder) -> Encoder:
    """The encoder whose vectors are kept: a cut one's are made of them."""
    return encoder.whole if isinstance(encoder, CutEncoder) else encoder


def _calibration(
    retrieval_set: RetrievalSet, encoder: Encoder
) -> tuple[Mapping[Modality, Calibration] | None, str]:
    """How a mixed pool is ranked, and the sentence that says so."""
    if retrieval_set.group != "mixed":
        return None, ""
    documents = {each.modality for each in retrieval_set.documents.values()}
    if missing := sorted(documents - encoder.calibration.keys()):
        return None, f"ranked by plain cosines: no calibration for {', '.join(missing)}"
    if any(query.content.modality != "text" for query in retrieval_set.queries):
        return None, "ranked by plain cosines: calibration is for queries of text alone"
    return encoder.calibration, "ranked by calibrated scores, for cosines differ between modalities"


def _counted_warnings(kind: str, encoded: EncodedContents) -> list[str]:
    counts = Counter(text for texts in encoded.warnings.values() for text in texts)
    return [f"{count} {kind}: {text}" for text, count in counts.most_common()]


def _joined(queries: Mapping[str, str], documents: Mapping[str, str]) -> dict[str, str]:
    """Reasons by id; where a query and a document share one, both are told."""
    both = {
        name: f"as a query: {queries[name]}; as a document: {documents[name]}"
        for name in queries.keys() & documents.keys()
    }
    return {**queries, **documents, **both}


def _sum(one: Cost, other: Cost) -> Cost:
    known = one.tokens is not None and other.tokens is not None
    return Cost(
        items=one.items + other.items,
        cached=one.cached + other.cached,
        seconds=one.seconds + other.seconds,
        tokens=(one.tokens or 0) + (other.tokens or 0) if known else None,
        peak_bytes=max(one.peak_bytes, other.peak_bytes),
    )
