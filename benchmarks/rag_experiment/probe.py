"""What a linear probe reads from the vectors: the ceiling of a projector, and what search found.

Where all answers of a template were seen in training it is a logistic regression on the item's
vector, the question's, and their product; where answers are new (the splits share no concepts), a
ridge regression from those three into the vectors of the answers, of which the nearest candidate
counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.rag_experiment.cases import Cases, cases
from benchmarks.rag_experiment.recipes import PICTURES
from benchmarks.rag_experiment.records import Answers
from benchmarks.results import Section
from rzen.data.questions.question_set import Question
from rzen.evaluation.statistics import interval
from rzen.protocols import Encoder
from rzen.types import Content, Text

Values = NDArray[np.float64]

_ALL = 1_000_000
_STRENGTHS = np.logspace(-4, 2, 7)  # of both regressions, chosen by cross-validation


def sections(
    encoder: Encoder, store: Path, found: Mapping[tuple[str, str], Answers]
) -> Iterator[Section]:
    """The probe's table of each family that was tried, and what the search found."""
    rows: list[list[object]] = []
    for family in dict.fromkeys(family for _, family in found):
        asked = next(answers.ids for (_, own), answers in found.items() if own == family)
        test = cases(family, "test", encoder, limit=_ALL, store=store)
        kept = [row for row, each in enumerate(test.questions) if each.id in set(asked)]
        rows.append([family, len(kept), len(test.items), *_found(test, kept)])
        if family in PICTURES:
            yield _probed(family, encoder, store, test, kept)
    yield Section(
        title="What the search found",
        claim="How often a piece that holds the answer is among the first k.",
        columns=["family", "questions", "corpus", "k=1", "k=3", "k=5", "k=10"],
        rows=rows,
    )


def _found(test: Cases, kept: Sequence[int]) -> list[object]:
    cells: list[object] = []
    for k in (1, 3, 5, 10):
        hits = [
            any(test.items[at].id in test.questions[row].gold for at in test.ranked_QK[row, :k])
            for row in kept
        ]
        cells.append(f"{np.mean(hits):.3f}")
    return cells


def _probed(
    family: str, encoder: Encoder, store: Path, test: Cases, kept: Sequence[int]
) -> Section:
    train = cases(family, "train", encoder, limit=_ALL, store=store)
    rows: list[list[object]] = []
    every: list[Values] = []
    for template in sorted({test.questions[row].template for row in kept}):
        learnt = [row for row, each in enumerate(train.questions) if each.template == template]
        asked = [row for row in kept if test.questions[row].template == template]
        is_right = _right(encoder, train, learnt, test, asked)
        every.append(is_right)
        chance = np.mean([1 / len(test.questions[row].candidates) for row in asked])
        rows.append([template, len(learnt), len(asked), f"{chance:.2f}", f"{is_right.mean():.2f}"])
    whole = np.concatenate(every)
    seen = interval(whole)
    return Section(
        title=f"{family}: a linear probe on the right item's vector",
        claim=f"{whole.mean():.3f} ({seen.low:.3f} to {seen.high:.3f}) of {len(whole)} questions.",
        columns=["template", "learnt from", "questions", "chance", "right"],
        rows=rows,
    )


def _right(
    encoder: Encoder, train: Cases, learnt: Sequence[int], test: Cases, asked: Sequence[int]
) -> Values:
    """(B,) whether the probe is right, of the questions asked."""
    seen_LF, new_BF = _features(train, learnt), _features(test, asked)
    answers = [train.questions[row].answer for row in learnt]
    questions = [test.questions[row] for row in asked]
    if {name for each in questions for name in each.candidates} <= set(answers):
        chosen = _classified(seen_LF, answers, new_BF, questions)
    else:
        chosen = _nearest(encoder, seen_LF, answers, new_BF, questions)
    return np.array(
        [
            name in (each.answer, *each.accepted)
            for name, each in zip(chosen, questions, strict=True)
        ],
        np.float64,
    )


def _features(of: Cases, rows: Sequence[int]) -> Values:
    """(B, 3 D): the right item's vector, the question's, and their product."""
    at = {item.id: row for row, item in enumerate(of.items)}
    item_BD = of.item_ND[[at[of.questions[row].gold[0]] for row in rows]]
    question_BD = of.question_QD[list(rows)]
    dim = item_BD.shape[1]
    product_BD = item_BD * question_BD * np.sqrt(dim)
    return np.hstack([item_BD, question_BD, product_BD]).astype(np.float64)


def _classified(
    seen_LF: Values, answers: Sequence[str], new_BF: Values, questions: Sequence[Question]
) -> list[str]:
    model = make_pipeline(
        StandardScaler(),
        LogisticRegressionCV(
            Cs=_STRENGTHS[:5], cv=3, max_iter=300, scoring="accuracy", use_legacy_attributes=False
        ),
    ).fit(seen_LF, list(answers))
    place = {name: at for at, name in enumerate(model.classes_)}
    score_BC = model.decision_function(new_BF)
    if score_BC.ndim == 1:  # two classes: one number, of the second
        score_BC = np.stack([-score_BC, score_BC], 1)
    return [
        max(each.candidates, key=lambda name, row=row: score_BC[row, place[name]])  # type: ignore[misc]
        for row, each in enumerate(questions)
    ]


def _nearest(
    encoder: Encoder,
    seen_LF: Values,
    answers: Sequence[str],
    new_BF: Values,
    questions: Sequence[Question],
) -> list[str]:
    names = sorted({*answers, *(name for each in questions for name in each.candidates)})
    made = encoder.encode([Content(Text(name)) for name in names], role="document")
    vector_of = dict(zip(names, np.asarray(made), strict=True))
    scaler = StandardScaler().fit(seen_LF)
    model = RidgeCV(alphas=_STRENGTHS * len(seen_LF)).fit(
        scaler.transform(seen_LF), np.stack([vector_of[name] for name in answers])
    )
    guess_BD = model.predict(scaler.transform(new_BF))
    return [
        max(each.candidates, key=lambda name, row=row: float(vector_of[name] @ guess_BD[row]))  # type: ignore[misc]
        for row, each in enumerate(questions)
    ]
