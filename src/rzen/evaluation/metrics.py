"""Metrics of ranked lists, equal to those of MMEB's reference evaluator (VLM2Vec).

pytrec_eval counts; what the reference evaluator defines in its own way is rescaled:

- precision divides by k, also where a list is shorter than k;
- average precision divides by the smaller of the number of labels and k;
- a label graded 0 counts as relevant everywhere but in nDCG, which goes by the grades;
- F1 is the mean of each query's F1, not the F1 of the means.

Where the reference evaluator errs we do not follow:

- a candidate listed twice counts twice in its average precision and nDCG: a ranking holds it once;
- a query without labels has recall 1 there: a ranking has at least one label;
- it puts the labels through a set before it pairs them with the grades, so that with several
  labels the pairs depend on the hash seed of the process: ours stay as they are given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.retrieval_set import MAX_GRADE, is_grade
from rzen.errors import DataError, MissingExtraError

CUTS = (1, 5, 10)
DEPTH = max(CUTS)
"""What stands below this rank changes no score."""

_NAMES = ("hit", "ndcg_linear", "ndcg_exponential", "precision", "recall", "f1", "map", "mrr")
KEYS: tuple[str, ...] = tuple(f"{name}@{cut}" for name in _NAMES for cut in CUTS)
"""The scores of a set, named and ordered as the reference evaluator does."""

Scores: TypeAlias = dict[str, NDArray[np.float64]]
_Judgements: TypeAlias = Mapping[str, Mapping[str, int]]
_Run: TypeAlias = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What was found for one query, and what should have been.

    Attributes:
        prediction: ids of the candidates, best first; may be cut off, or empty.
        labels: ids of the candidates that answer the query, at least one.
        grades: how well each label does, 0 to 16; ``None`` means all alike. Whole numbers, also
            when written as 1.0.

    Raises:
        DataError: if an id stands twice, there is no label, or the grades do not fit.
    """

    prediction: tuple[str, ...]
    labels: tuple[str, ...]
    grades: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.labels:
            raise DataError("a query has no label: nothing could be right; leave it out")
        for name, ids in (("label", self.labels), ("candidate", self.prediction)):
            if len(set(ids)) < len(ids):
                twice = next(each for at, each in enumerate(ids) if each in ids[:at])
                raise DataError(f"the {name} {twice!r} stands twice: keep the first")
        if self.grades is not None:
            object.__setattr__(self, "grades", _whole(self.grades, len(self.labels)))


def per_query(rankings: Sequence[Ranking]) -> Scores:
    """Scores each query.

    >>> scores = per_query([Ranking(prediction=("a", "b"), labels=("b",))])
    >>> scores["hit@1"].item(), scores["mrr@5"].item(), scores["precision@5"].item()
    (0.0, 0.5, 0.2)

    Args:
        rankings: one for each of B queries.

    Returns:
        key -> (B,) scores in [0, 1]; the keys are ``KEYS``, in their order.

    Raises:
        MissingExtraError: if pytrec_eval is not installed.
    """
    # Ids are replaced by places: they may be long texts, and the library takes them for C strings.
    places = [{each: str(at) for at, each in enumerate(one.prediction[:DEPTH])} for one in rankings]
    run = {
        str(query): {place: -float(place) for place in found.values()}
        for query, found in enumerate(places)
    }
    binary: dict[str, dict[str, int]] = {}
    linear: dict[str, dict[str, int]] = {}
    exponential: dict[str, dict[str, int]] = {}
    for query, (one, found) in enumerate(zip(rankings, places, strict=True)):
        names = [found.get(label, f"missed {at}") for at, label in enumerate(one.labels)]
        grades = one.grades or (1,) * len(names)
        binary[str(query)] = dict.fromkeys(names, 1)
        linear[str(query)] = dict(zip(names, grades, strict=True))
        exponential[str(query)] = {
            name: 2**grade - 1 for name, grade in zip(names, grades, strict=True)
        }
    plain = _evaluate(binary, run, ("P", "recall", "success", "map_cut"))
    gains = {
        "linear": _evaluate(linear, run, ("ndcg_cut",)),
        "exponential": _evaluate(exponential, run, ("ndcg_cut",)),
    }
    labels_B = np.array([len(one.labels) for one in rankings], np.float64)
    return _scores(plain, gains, labels_B)


def mean_scores(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Key -> mean over the queries, as the reference evaluator writes it to a score file.

    Raises:
        DataError: if there is no query.
        MissingExtraError: if pytrec_eval is not installed.
    """
    if not rankings:
        raise DataError("there is no query to score: the run or the file is empty")
    return {key: float(values_B.mean()) for key, values_B in per_query(rankings).items()}


def chance(grades: Sequence[int], pool_size: int) -> dict[str, float]:
    """What each score of one query is expected to be when its pool is put in random order.

    Closed forms; every order of the pool is equally likely and all labels are in the pool. With n
    labels among M candidates, a hit by rank k misses with the hypergeometric probability of drawing
    none of the n in k draws; the other scores follow by adding up over the ranks.

    >>> scores = chance((1,), 4)
    >>> scores["hit@1"], scores["recall@5"], round(scores["mrr@5"], 4)
    (0.25, 1.0, 0.5208)

    Args:
        grades: of each label; ones where labels are alike.
        pool_size: how many candidates are ranked.

    Returns:
        key -> expected value; the keys are ``KEYS``.
    """
    relevant = len(grades)
    assert 1 <= relevant <= pool_size, "labels are candidates"
    ranks_K = np.arange(1, min(DEPTH, pool_size) + 1)
    left_K = pool_size - ranks_K + 1
    # Probability that ranks 1 to r hold no label, for r = 0, 1, ...
    none_K = np.cumprod(np.append(1.0, np.maximum(left_K - relevant, 0) / left_K))
    share = relevant / pool_size
    others_K = (ranks_K - 1) * (relevant - 1) / max(pool_size - 1, 1)
    precision_K = share * (1 + others_K) / ranks_K  # at a rank, counted where it holds a label
    reciprocal_K = (none_K[:-1] - none_K[1:]) / ranks_K
    expected: dict[str, float] = {}
    for cut in CUTS:
        seen = min(cut, pool_size)
        found = seen * share
        expected[f"hit@{cut}"] = float(1.0 - none_K[seen])
        for form, gains in (("linear", list(grades)), ("exponential", [2**g - 1 for g in grades])):
            expected[f"ndcg_{form}@{cut}"] = _expected_ndcg(gains, pool_size, cut)
        expected[f"precision@{cut}"] = found / cut
        expected[f"recall@{cut}"] = found / relevant
        expected[f"f1@{cut}"] = 2 * found / (cut + relevant)
        expected[f"map@{cut}"] = float(precision_K[:seen].sum() / min(relevant, cut))
        expected[f"mrr@{cut}"] = float(reciprocal_K[:seen].sum())
    return {key: expected[key] for key in KEYS}


def _expected_ndcg(gains: Sequence[int], pool_size: int, cut: int) -> float:
    discounts = [1 / math.log2(rank + 1) for rank in range(1, cut + 1)]
    ideal = sum(g * d for g, d in zip(sorted(gains, reverse=True), discounts, strict=False))
    return sum(gains) / pool_size * sum(discounts[:pool_size]) / ideal if ideal else 0.0


def _scores(plain: Scores, gains: Mapping[str, Scores], labels_B: NDArray[np.float64]) -> Scores:
    """The library's figures as the reference evaluator defines them."""
    scores: Scores = {}
    reciprocal_B = plain["recip_rank"]
    for cut in CUTS:
        precision_B, recall_B = plain[f"P_{cut}"], plain[f"recall_{cut}"]
        both_B = precision_B + recall_B
        # The library divides average precision by all labels. 1.0: floats may end just above it.
        average_B = plain[f"map_cut_{cut}"] * labels_B / np.minimum(labels_B, cut)
        scores[f"hit@{cut}"] = plain[f"success_{cut}"]
        for form, figures in gains.items():
            scores[f"ndcg_{form}@{cut}"] = np.minimum(figures[f"ndcg_cut_{cut}"], 1.0)
        scores[f"precision@{cut}"] = precision_B
        scores[f"recall@{cut}"] = recall_B
        scores[f"f1@{cut}"] = 2 * precision_B * recall_B / np.where(both_B > 0, both_B, 1.0)
        scores[f"map@{cut}"] = np.minimum(average_B, 1.0)
        scores[f"mrr@{cut}"] = np.where(reciprocal_B >= 1 / cut, reciprocal_B, 0.0)
    return {key: scores[key] for key in KEYS}


def _evaluate(judgements: _Judgements, run: _Run, measures: Sequence[str]) -> Scores:
    """The library's name of each figure -> (B,) values in the order of the run."""
    try:
        from pytrec_eval import RelevanceEvaluator  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("pytrec-eval-terrier", "eval") from None
    at_cuts = [f"{measure}.{','.join(map(str, CUTS))}" for measure in measures]
    found = RelevanceEvaluator(judgements, {*at_cuts, "recip_rank"}).evaluate(run)
    names = [f"{measure}_{cut}" for measure in measures for cut in CUTS]
    return {
        name: np.array([found[query][name] for query in run], np.float64)
        for name in (*names, "recip_rank")
    }


def _whole(grades: Sequence[float], labels: int) -> tuple[int, ...]:
    if len(grades) != labels:
        raise DataError(f"{len(grades)} grades for {labels} labels: give one for each, or none")
    for grade in grades:
        if not is_grade(grade):
            raise DataError(
                f"the grade {grade!r:.40} is no whole number from 0 to {MAX_GRADE}: "
                "grade labels 1, 2, ... or leave the grades out"
            )
    return tuple(int(grade) for grade in grades)
