"""The failures on a report, with what they look like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from rzen.data.retrieval_set import RetrievalSet
from rzen.errors import RzenError
from rzen.evaluation.outcome import Failure, SetOutcome
from rzen.render.depiction import Depiction, depict
from rzen.types import Content


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exhibit:
    """A failure and what its parts look like."""

    failure: Failure
    query: Depiction
    gold: Depiction
    winner: Depiction


def exhibits(
    outcome: SetOutcome, sets: Callable[[str], RetrievalSet] | None, *, limit: int
) -> list[Exhibit]:
    """The first failures of a set with their pictures.

    Args:
        outcome: whose failures are shown.
        sets: name -> the set that was run; ``None`` shows the ids alone.
        limit: failures, at most.
    """
    failures = outcome.failures[:limit]
    if not failures:
        return []
    queries: Mapping[str, Content] = {}
    documents: Mapping[str, Content] = {}
    problem = "" if sets is None else "it is not in the set any more"
    try:
        if sets is not None:
            found = sets(outcome.name)
            queries = {query.id: query.content for query in found.queries}
            documents = found.documents
    except RzenError as error:
        problem = str(error)

    def missing() -> Depiction:
        return Depiction(problems=(problem,) if problem else ())

    @cache  # one document often wins over several queries
    def document(name: str) -> Depiction:
        return depict(documents[name]) if name in documents else missing()

    return [
        Exhibit(
            failure=each,
            query=depict(queries[each.query]) if each.query in queries else missing(),
            gold=document(each.gold),
            winner=document(each.winner),
        )
        for each in failures
    ]
