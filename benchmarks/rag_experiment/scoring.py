"""How good an answer is: exact match and F1 as SQuAD has them, and the choice among candidates.

Normalised as in SQuAD's evaluation (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1): lower
case, no articles, no punctuation around words, blanks made one. Marks of citations are taken off.
"""

import re
from collections import Counter
from collections.abc import Sequence

_CITED = re.compile(r"\[\d[\d,; ]*\]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_AROUND = ".,;:!?\"'`()[]{}\u201c\u201d\u2018\u2019"


def normalised(text: str) -> str:
    """A text as answers are compared.

    >>> normalised("The  Ferry, [2]")
    'ferry'
    """
    plain = _ARTICLES.sub(" ", _CITED.sub(" ", text.lower()))
    words = (word.strip(_AROUND) for word in plain.split())
    return " ".join(word for word in words if word)


def exact(said: str, answers: Sequence[str]) -> bool:
    """Whether an answer is one of the right ones, word for word."""
    return any(normalised(said) == normalised(answer) for answer in answers)


def contains(said: str, answers: Sequence[str]) -> bool:
    """Whether a right answer stands in what was said, as words of its own."""
    padded = f" {normalised(said)} "
    return any(f" {normalised(answer)} " in padded for answer in answers)


def f1(said: str, answers: Sequence[str]) -> float:
    """The best overlap of words with a right answer, in [0, 1].

    >>> round(f1("a red boat", ["red"]), 2)
    0.67
    """
    return max(_f1(normalised(said).split(), normalised(answer).split()) for answer in answers)


def _f1(said: Sequence[str], right: Sequence[str]) -> float:
    shared = sum((Counter(said) & Counter(right)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(right)
    return 2 * precision * recall / (precision + recall)
