"""Questions with what was retrieved for them, by one encoder, in the corpus of their family."""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language.concepts import Split
from rzen.data.questions.build import question_set
from rzen.data.questions.question_set import Item, Question
from rzen.index.words import match_expression
from rzen.protocols import Encoder
from rzen.search.rank_fusion import add_log_odds
from rzen.types import Content, Evidence, Hit, Modality, Vectors

DEPTH = 10
_TOGETHER = 64
_WORDS = 2.0  # log-odds of the best match, as search.words_weight has it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cases:
    """A family's questions and its corpus.

    Attributes:
        family: its name.
        questions: Q of them, a fair sample.
        items: N of the corpus.
        item_ND: their vectors.
        question_QD: vectors of the questions.
        ranked_QK: rows of the best items of each question.
        score_QK: their scores: probabilities, where the encoder is calibrated, else cosines.
    """

    family: str
    questions: Sequence[Question]
    items: Sequence[Item]
    item_ND: Vectors
    question_QD: Vectors
    ranked_QK: NDArray[np.int64]
    score_QK: NDArray[np.float64]

    def gold(self, question: int) -> int:
        """Row of the (first) item that holds the answer."""
        return next(
            row
            for row, item in enumerate(self.items)
            if item.id == self.questions[question].gold[0]
        )

    def retrieved(self, question: int, k: int) -> list[Hit]:
        """The k best items as hits."""
        rows = self.ranked_QK[question, :k].tolist()
        scores = self.score_QK[question, :k].tolist()
        return [self.hit(row, score) for row, score in zip(rows, scores, strict=True)]

    def others(self, question: int, k: int) -> list[Hit]:
        """What was retrieved for another question of the same template, with its scores."""
        own = self.questions[question].template
        alike = [at for at, each in enumerate(self.questions) if each.template == own]
        other = alike[(alike.index(question) + len(alike) // 2) % len(alike)]
        return self.retrieved(other, k)

    def hit(self, row: int, score: float) -> Hit:
        """An item as a hit; its name says nothing of it."""
        item = self.items[row]
        return Hit(
            id=item.id, modality=item.modality, uri=f"/item-{row}", score=score, text=item.text
        )

    def with_vectors(self, evidence: Sequence[Evidence], *, zeroed: bool) -> list[Evidence]:
        """Evidence with the items' vectors, for a projector."""
        rows = {item.id: row for row, item in enumerate(self.items)}
        scale = np.float32(0.0 if zeroed else 1.0)
        return [
            Evidence(
                number=one.number,
                hit=one.hit,
                text=one.text,
                vector=self.item_ND[rows[one.hit.id]] * scale,
            )
            for one in evidence
        ]


def cases(family: str, split: Split, encoder: Encoder, *, limit: int, store: Path) -> Cases:
    """Encodes a family's corpus and questions, once, and retrieves.

    Args:
        family: such as ``"pictures"``.
        split: of the questions.
        encoder: of both.
        limit: questions, at most.
        store: folder that keeps the vectors.
    """
    made = question_set(family, split)
    questions = made.questions[:limit]
    item_ND = _kept(
        store / f"{family}-{split}-items",
        [item.content for item in made.corpus],
        encoder,
        "document",
    )
    question_QD = _kept(
        store / f"{family}-{split}-questions",
        [each.content for each in questions],
        encoder,
        "query",
    )
    cosine_QN = question_QD @ item_ND.T
    modality: Modality = made.corpus[0].modality
    fitted = encoder.calibration.get(modality)
    score_QN = (
        fitted.score(cosine_QN) if fitted is not None else np.maximum(cosine_QN, 1e-6)
    ).astype(np.float64)
    score_QN = _with_words(score_QN, questions, made.corpus)
    ranked_QK = np.argsort(-score_QN, axis=1, kind="stable")[:, :DEPTH]
    return Cases(
        family=family,
        questions=questions,
        items=made.corpus,
        item_ND=item_ND,
        question_QD=question_QD,
        ranked_QK=ranked_QK,
        score_QK=np.take_along_axis(score_QN, ranked_QK, 1),
    )


def _with_words(
    score_QN: NDArray[np.float64], questions: Sequence[Question], items: Sequence[Item]
) -> NDArray[np.float64]:
    """Scores with what the match by words adds, as the hybrid search has it."""
    if not any(item.text for item in items):
        return score_QN
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'porter unicode61')"
    )
    rows = ((row, item.text) for row, item in enumerate(items))
    connection.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", rows)
    out = score_QN.copy()
    for row, question in enumerate(questions):
        found = connection.execute(
            "SELECT rowid, -bm25(texts) FROM texts WHERE texts MATCH ?",
            (match_expression(question.text),),
        ).fetchall()
        best = max((score for _, score in found), default=0.0)
        matches = {at: score / best for at, score in found if best > 0 and score > 0}
        probabilities = dict(enumerate(np.clip(score_QN[row], 1e-6, 1 - 1e-6).tolist()))
        for at, fused in add_log_odds(probabilities, matches, _WORDS):
            out[row, at] = fused
    return out


def _kept(file: Path, contents: Sequence[Content], encoder: Encoder, role: str) -> Vectors:
    name = hashlib.sha256(f"{encoder.fingerprint}{len(contents)}".encode()).hexdigest()[:12]
    place = file.with_name(f"{file.name}-{name}.npy")
    if place.is_file():
        found: Vectors = np.load(place, allow_pickle=False)
        return found
    parts = []
    for start in range(0, len(contents), _TOGETHER):
        chunk = contents[start : start + _TOGETHER]
        parts.append(np.asarray(encoder.encode(chunk, role=role)))  # type: ignore[arg-type]
    made = np.concatenate(parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    np.save(place, made)
    return made
