"""The questions with known answers: how many, how even, and what is known without the evidence.

python -m benchmarks.rag_questions                  the table of all families, with examples
python -m benchmarks.rag_questions pictures moments  of some

`commonest` is the share of the commonest answer, `chance` that of a guess among the candidates.
`blind` is what naive Bayes gets that has learnt from the train split which answers go with which
words, and sees neither evidence nor picture. `bm25@10` is how often one of the ten best items by
BM25 is gold, where words alone ask for items with text.
"""

import argparse
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.results import Section
from rzen.data.bench.language.concepts import SPLITS, Split
from rzen.data.questions.build import FAMILIES, question_set
from rzen.data.questions.question_set import Question, QuestionSet
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.evaluation.baselines import words
from rzen.evaluation.pools import Pools

_COLUMNS = (
    *("family", "template", "split", "questions", "answers", "commonest", "candidates", "chance"),
    *("blind", "bm25@10", "corpus"),
)
_EXAMPLES = 3


class Blind:
    """Naive Bayes over the words of questions, one vocabulary for each template."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._said: dict[str, Counter[str]] = defaultdict(Counter)
        self._times: Counter[str] = Counter()
        for question in questions:
            self._times[question.answer] += 1
            self._said[question.answer].update(_words(question))

    def share_right(self, questions: Sequence[Question]) -> float:
        """How often it is right; among equally likely candidates it guesses."""
        shares = []
        for question in questions:
            scores = {each: self._score(question, each) for each in question.candidates}
            best = max(scores.values())
            top = [each for each, score in scores.items() if score > best - 1e-9]
            shares.append((question.answer in top) / len(top))
        return sum(shares) / len(shares)

    def _score(self, question: Question, answer: str) -> float:
        times, said = self._times[answer], self._said[answer]
        likely = (math.log((said[word] + 0.1) / (times + 0.2)) for word in _words(question))
        return math.log(times + 1) + sum(likely)


def run(families: Sequence[str]) -> Section:
    """Builds what is not built yet and fills the table."""
    sets = {(family, split): question_set(family, split) for family in families for split in SPLITS}
    rows: list[list[object]] = []
    for family in families:
        learnt = _by_template(sets[family, "train"])
        for template, train in learnt.items():
            blind = Blind(train)
            for split in SPLITS:
                made = sets[family, split]
                if asked := _by_template(made).get(template):
                    measured = None if split == "train" else blind
                    rows.append(_row(made, split, asked, measured))
        for split in SPLITS:
            made = sets[family, split]
            total = [family, "all", split, len(made.questions)]
            rows.append([*total, *[""] * 6, _kinds(made)])
    return Section(
        title="Questions with known answers",
        claim="No answer of a template is right oftener than another by more than one; how far the "
        "words of a question tell its answer all the same, `blind` says beside `chance`.",
        columns=_COLUMNS,
        rows=rows,
    )


def examples(families: Sequence[str], split: Split = "test") -> Iterable[str]:
    """The first questions of each template."""
    for family in families:
        for template, asked in _by_template(question_set(family, split)).items():
            yield f"{family}, {template}:"
            for question in asked[:_EXAMPLES]:
                shown = f" [{question.picture.name}]" if question.picture else ""
                others = ", ".join(each for each in question.candidates if each != question.answer)
                yield f"  {question.text}{shown}"
                yield f"    {question.answer}  (not: {others})  in {', '.join(question.gold)}"


def _row(
    made: QuestionSet, split: Split, asked: Sequence[Question], blind: Blind | None
) -> list[object]:
    answers = Counter(question.answer for question in asked)
    candidates = [len(question.candidates) for question in asked]
    return [
        asked[0].family,
        asked[0].template,
        split,
        len(asked),
        len(answers),
        max(answers.values()) / len(asked),
        sum(candidates) / len(asked),
        sum(1 / count for count in candidates) / len(asked),
        "" if blind is None else blind.share_right(asked),
        "" if blind is None else _found_by_words(made, asked),
        len(made.corpus),
    ]


def _found_by_words(made: QuestionSet, asked: Sequence[Question]) -> object:
    if asked[0].picture is not None or not made.corpus[0].text:
        return ""
    queries = [Query(id=each.id, content=each.content, labels=each.gold) for each in asked]
    found = words(
        Pools(
            RetrievalSet(
                name=made.name,
                group="mixed",
                family="questions",
                metric="hit@10",
                scope="global",
                queries=tuple(queries),
                documents={item.id: item.content for item in made.corpus},
            )
        )
    )
    return "" if found is None else found


def _by_template(made: QuestionSet) -> Mapping[str, list[Question]]:
    found: dict[str, list[Question]] = defaultdict(list)
    for question in made.questions:
        found[question.template].append(question)
    return dict(sorted(found.items()))


def _kinds(made: QuestionSet) -> str:
    counts = Counter(item.modality for item in made.corpus)
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _words(question: Question) -> set[str]:
    return set(re.findall(r"\w+", question.text.lower()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=[], help="of the questions; default all")
    chosen = parser.parse_args().families or list(FAMILIES)
    print(run(chosen).markdown())
    print("\n".join(examples(chosen)))
