"""Which of the questions that can be asked are asked: each answer as often as the others.

A template's answers are uneven by nature (most arguments of R are ``FALSE`` by default). Of all
that can be asked, as many questions are taken as possible under one rule: no answer occurs more
often than another by more than one. Answers that occur too seldom for that are left out; of two
ways to choose, one with more answers is preferred, as a question counts by how often a guess fails.

A few answers are all candidates of every question. Many are dealt into groups of eight or a few
more, kin beside kin, within which the same rule holds: who guesses among the candidates is right
as often as one over their number. Candidates that a question names itself are left out of it, for
they are never right there; others are added where the question's picture shows them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rzen.data.bench.language.concepts import stable_number
from rzen.data.questions.question_set import Question, says

CLOSED = 12
"""Up to so many answers, all are candidates of every question."""

GROUP = 8
"""Of more answers, so many are candidates together, or up to twice as many less one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question that may be asked; see :class:`rzen.data.questions.question_set.Question`.

    Attributes:
        kin: where there are many answers, those with one kin are candidates together, so that
            grammar or the kind of thing does not tell which is right.
        beside: candidates besides those of its kin, such as what else is in its picture.
    """

    template: str
    text: str
    answer: str
    gold: tuple[str, ...]
    accepted: tuple[str, ...] = ()
    picture: Path | None = None
    kin: str = ""
    beside: tuple[str, ...] = ()


def asked(family: str, drafts: Iterable[Draft], most: Mapping[str, int] | int) -> list[Question]:
    """The questions of a family, balanced template by template, in an order left to chance.

    Args:
        family: their family.
        drafts: all that could be asked. Those that say their answer are left out, and so are all
            that ask the same of the same picture.
        most: how many of each template, or of one template by name, are wanted at most.
    """
    by_template: dict[str, list[Draft]] = defaultdict(list)
    for draft in _clear([*drafts]):
        by_template[draft.template].append(draft)
    questions: list[Question] = []
    for template, found in sorted(by_template.items()):
        limit = most if isinstance(most, int) else most[template]
        chosen = evened(found, limit)
        groups = _groups(template, chosen)
        questions += (_question(family, draft, groups[draft.answer]) for draft in chosen)
    return sorted(questions, key=lambda each: stable_number(f"order {each.id}"))


def evened(drafts: Sequence[Draft], most: int) -> list[Draft]:
    """As many drafts as can be without an answer more often than another by more than one.

    Args:
        drafts: of one template; which of them are taken is left to chance.
        most: how many may be taken.
    """
    by_answer: dict[str, list[Draft]] = defaultdict(list)
    for draft in sorted(drafts, key=_chance):
        by_answer[draft.answer].append(draft)
    best, most_worth = list[Draft](), 0.0
    levels = {len(found) for found in by_answer.values()}
    levels |= {most // count for count in range(1, min(len(by_answer), most) + 1)}
    for least in sorted(levels):
        answers = sorted(
            (found for found in by_answer.values() if len(found) >= least),
            key=lambda found: _chance(found[0]),
        )[: most // least]
        room = most - least * len(answers)
        chosen = [draft for found in answers for draft in found[:least]]
        chosen += [found[least] for found in answers if len(found) > least][:room]
        if (worth := len(chosen) * (1 - 1 / max(1, len(answers)))) > most_worth:
            best, most_worth = chosen, worth
    return best


def _clear(drafts: Sequence[Draft]) -> Iterable[Draft]:
    """Those that do not say their answer, and that nothing else is asked like."""
    alike: dict[tuple[str, Path | None], int] = defaultdict(int)
    for draft in drafts:
        alike[draft.text, draft.picture] += 1
    for draft in drafts:
        told = any(says(draft.text, answer) for answer in (draft.answer, *draft.accepted))
        if not told and alike[draft.text, draft.picture] == 1:
            yield draft


def _groups(template: str, drafts: Sequence[Draft]) -> Mapping[str, tuple[str, ...]]:
    """For each answer those that are candidates together with it."""
    answers = sorted({draft.answer for draft in drafts})
    if len(answers) <= CLOSED:
        return dict.fromkeys(answers, tuple(answers))
    kin = {draft.answer: draft.kin for draft in drafts}
    answers.sort(key=lambda answer: (kin[answer], stable_number(f"candidates {template} {answer}")))
    starts = range(0, len(answers) - GROUP + 1, GROUP)
    groups: dict[str, tuple[str, ...]] = {}
    for start in starts:
        end = len(answers) if start == starts[-1] else start + GROUP
        groups |= dict.fromkeys(answers[start:end], tuple(sorted(answers[start:end])))
    return groups


def _question(family: str, draft: Draft, group: Sequence[str]) -> Question:
    key = f"{draft.text} {draft.picture.name if draft.picture else ''}"
    return Question(
        id=f"{re.sub(' ', '-', draft.template)}-{stable_number(key):016x}",
        family=family,
        template=draft.template,
        text=draft.text,
        picture=draft.picture,
        answer=draft.answer,
        accepted=draft.accepted,
        candidates=tuple(
            each for each in sorted({*group, *draft.beside}) if not says(draft.text, each)
        ),
        gold=draft.gold,
    )


def _chance(draft: Draft) -> tuple[int, str]:
    picture = draft.picture.name if draft.picture else ""
    return stable_number(f"draft {draft.text} {picture}"), draft.text
