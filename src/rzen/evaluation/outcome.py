"""What a run of an encoder over a suite came to; it is stored as it stands, as JSON.

Shape suffixes: B queries of a set.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from rzen.data.retrieval_set import Group, Scope
from rzen.errors import DataError

FORMAT = 2
BINS = 40
"""Bins of a histogram of cosines, of equal width from -1 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A query whose best document was a wrong one.

    Attributes:
        query: its id.
        gold: id of the label that came highest.
        winner: id of the document that came first.
        rank: of the gold document, from 1.
        gold_score: cosine of query and gold.
        winner_score: cosine of query and winner.
    """

    query: str
    gold: str
    winner: str
    rank: int
    gold_score: float
    winner_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Cosines of queries with documents of one modality, counted in ``BINS`` bins.

    Attributes:
        right: with their labels.
        wrong: with all others that were ranked.
    """

    right: tuple[int, ...]
    wrong: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What encoding took.

    Attributes:
        items: contents encoded in this run; one that stands under several ids counts once.
        cached: contents whose vectors were found in the cache; likewise.
        seconds: spent encoding, opening the media included.
        tokens: that the encoder read, padding left out; ``None`` where it does not say.
        peak_bytes: largest resident memory of the process so far.
    """

    items: int = 0
    cached: int = 0
    seconds: float = 0.0
    tokens: int | None = None
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOutcome:
    """One set.

    Attributes:
        name: of the set.
        group: what it is averaged with.
        family: kind of task.
        metric: the main figure's key.
        scope: local or global.
        about: what is asked.
        value: the main figure, a fraction.
        low: of its interval (95 %, bootstrap over queries).
        high: of its interval.
        scores: all figures by their key.
        baselines: name -> main figure ("random", "words", "thumbnail", "majority").
        queries: how many.
        documents: how many.
        ties: queries in which a wrong document scored the same as the best label.
        duplicates: documents left out because another has the same content.
        failed: id of a query or document that could not be encoded -> why.
        notes: what a reader should know.
        histograms: modality of the document -> cosines.
        failures: some queries that went wrong, the worst first.
        cost: what encoding it took.
        version: of the set's data; figures of two versions do not compare.
        predictions: SHA-256 of its predictions file, by which a damaged one is known.
    """

    name: str
    group: Group
    family: str
    metric: str
    scope: Scope
    about: str
    value: float
    low: float
    high: float
    scores: Mapping[str, float]
    queries: int
    documents: int
    baselines: Mapping[str, float] = field(default_factory=dict)
    ties: int = 0
    duplicates: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    cost: Cost = Cost()
    version: str = ""
    predictions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A whole run.

    Attributes:
        suite: its name.
        version: of the suite's data.
        split: "test" or "validation".
        limit: queries of each set, at most; ``None`` means all. Runs with different limits do not
            compare.
        encoder: the name it was loaded by.
        fingerprint: of the encoder, as a plain mapping.
        rzen: version of rzen.
        finished: when, ISO 8601, UTC.
        seconds: that the run took.
        sets: in the order of the suite.
        skipped: set -> why it was not run.
        groups: group -> mean over its sets; a group of which a set was skipped is left out.
        overall: mean over all sets; ``None`` unless every set was run.
        format: of this document.
    """

    suite: str
    version: str
    split: Literal["validation", "test"]
    limit: int | None
    encoder: str
    fingerprint: Mapping[str, Any]
    rzen: str
    finished: str
    seconds: float
    sets: tuple[SetOutcome, ...]
    skipped: Mapping[str, str]
    groups: Mapping[str, float]
    overall: float | None
    format: int = FORMAT

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        return asdict(self)


def run_from(document: Any, where: str) -> RunOutcome:
    """The run of such a document.

    Args:
        document: parsed JSON.
        where: the file, for the error.

    Raises:
        DataError: if it is none, or of another version of the format.
    """
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{where}: a run of format {FORMAT} was expected, this is {found!r}: run rzen eval "
            "again with this version of rzen"
        )
    try:
        run = TypeAdapter(RunOutcome).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {place}: {first['msg']}: run rzen eval again") from None
    if not run.sets:
        raise DataError(f"{where}: it holds no set, which no run leaves: run rzen eval again")
    return run
