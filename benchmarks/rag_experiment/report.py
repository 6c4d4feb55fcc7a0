"""The experiment's tables: python -m benchmarks.rag_experiment.report FOLDER [--encoder MODEL].

FOLDER is that of the arms. With an encoder, what the search found and what a linear probe reads
from the vectors are measured too.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.rag_experiment import probe
from benchmarks.rag_experiment.arms import FAMILIES, TEXTS
from benchmarks.rag_experiment.recipes import PICTURES
from benchmarks.rag_experiment.records import Answers, Record, read
from benchmarks.results import Section
from rzen import load
from rzen.evaluation.statistics import compare, interval

QUESTIONS: Mapping[tuple[str, ...], Sequence[tuple[str, str, str]]] = {
    TEXTS: (
        ("does retrieval help?", "context, k=1", "question only"),
        ("and three pieces?", "context, k=3", "question only"),
        ("and five?", "context, k=5", "question only"),
        ("and ten?", "context, k=10", "question only"),
        ("would the right piece help?", "context, gold", "question only"),
        ("is it misled by wrong ones?", "context, shuffled", "question only"),
        ("the right piece or another?", "context, gold", "context, shuffled"),
        ("mixed or in one prompt, k=3?", "marginal, k=3", "context, k=3"),
        ("mixed or in one prompt, k=5?", "marginal, k=5", "context, k=5"),
        ("mixed or in one prompt, k=10?", "marginal, k=10", "context, k=10"),
    ),
    PICTURES: (
        ("does retrieval help?", "projector, k=1", "question only"),
        ("beyond what training alone teaches?", "projector, k=1", "twin, k=1"),
        ("do real vectors beat others'?", "projector, gold", "projector, shuffled"),
        ("retrieved ones, too?", "projector, k=1", "projector, shuffled"),
        ("four soft tokens or one?", "projector, gold", "single, gold"),
        ("vectors or names in words?", "projector, gold", "captions, gold"),
        ("do names in words help?", "captions, gold", "question only"),
        ("and three pieces?", "projector, k=3", "projector, k=1"),
        ("mixed or in one prompt, k=3?", "projector, marginal k=3", "projector, k=3"),
    ),
}
"""What is asked of each pair of arms: the first less the second."""

MEASURES: Mapping[str, Callable[[Record], float]] = {
    "choice": lambda record: record["choice"],
    "exact": lambda record: record["exact"],
    "f1": lambda record: record["f1"],
    "said": lambda record: record["contains"],
}


def main() -> None:
    """Prints the tables of what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="", help="whose vectors are probed")
    given = parser.parse_args()
    found = read(given.folder / "arms")
    sections = list(tables(found))
    if given.encoder:
        sections += probe.sections(load(given.encoder), given.folder / "vectors", found)
    print("\n".join(section.markdown() for section in sections))


def tables(found: Mapping[tuple[str, str], Answers]) -> Iterator[Section]:
    """A table of arms and one of differences for each family."""
    families = [each for each in FAMILIES if any(own == each for _, own in found)]
    for family in families:
        own = {arm: answers for (arm, of), answers in found.items() if of == family}
        yield _arms(family, own)
        yield _differences(family, own)
        if family in PICTURES:
            yield _templates(family, own)


def _arms(family: str, own: Mapping[str, Answers]) -> Section:
    rows = [_arm(answers) for _, answers in sorted(own.items(), key=lambda each: -_choice(each[1]))]
    chance = next(iter(own.values())).values(lambda record: record["chance"]).mean()
    return Section(
        title=f"{family}: the arms",
        claim=f"Choice among candidates that are equally often right: chance is {chance:.3f}.",
        columns=[
            *("arm", "questions", "seeds", "choice (95 %)", "exact", "F1", "said"),
            *("shown the gold", "abstained", "left after the check", "right after it"),
            *("citation precision", "citation recall", "tokens", "s (median)"),
        ],
        rows=rows,
        notes=[
            "choice: the likeliest candidate is right; said: the right answer stands in the text.",
            "citation precision: share of cited pieces that hold the answer.",
            "citation recall: answers that cite a piece that holds it, of those that saw one.",
        ],
    )


def _arm(answers: Answers) -> list[object]:
    def mean(of: Callable[[Record], float]) -> float:
        return float(answers.values(of).mean())

    chosen = answers.values(MEASURES["choice"])
    seen = interval(chosen)
    held = mean(lambda record: record["held"] > 0)
    cited = mean(lambda record: record["cited"])
    recalled = mean(lambda record: record["cited_right"] > 0)
    return [
        answers.arm,
        len(chosen),
        len(answers.by_seed),
        f"{chosen.mean():.3f} ({seen.low:.3f} to {seen.high:.3f})",
        *(f"{mean(MEASURES[name]):.3f}" for name in ("exact", "f1", "said")),
        f"{held:.2f}",
        *(f"{mean(lambda record, name=name: record[name]):.2f}" for name in ("abstained", "kept")),  # type: ignore[misc]
        f"{mean(lambda record: record['kept_right']):.3f}",
        f"{mean(lambda record: record['cited_right']) / cited:.2f}" if cited else "",
        f"{recalled / held:.2f}" if held else "",
        f"{mean(lambda record: record['tokens']):.1f}",
        f"{np.median(answers.values(lambda record: record['seconds'])):.2f}",
    ]


def _choice(answers: Answers) -> float:
    return float(answers.values(MEASURES["choice"]).mean())


def _differences(family: str, own: Mapping[str, Answers]) -> Section:
    asked = next(rows for families, rows in QUESTIONS.items() if family in families)
    rows = [
        [question, f"{first} less {second}", *_paired(own[first], own[second])]
        for question, first, second in asked
        if first in own and second in own
    ]
    return Section(
        title=f"{family}: paired differences",
        claim="Question by question, with 95 % intervals over questions; a trained arm counts with "
        "the mean of its seeds, and each seed alone stands beside it.",
        columns=["asked", "arms", "choice", "p", "by seed", "said", "p of said"],
        rows=rows,
    )


def _paired(first: Answers, second: Answers) -> list[object]:
    both = [each for each in first.ids if each in set(second.ids)]
    cells: list[object] = []
    for name in ("choice", "said"):
        of = MEASURES[name]
        found = compare(first.values(of, both), second.values(of, both))
        cells.append(f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})")
        cells.append(f"{found.p_value:.4f}")
        if name == "choice":
            cells.append(_by_seed(first.seeds(of, both), second.seeds(of, both)))
    return cells


def _by_seed(first_SB: probe.Values, second_SB: probe.Values) -> str:
    if len(first_SB) == 1 and len(second_SB) == 1:
        return ""
    if len(first_SB) != len(second_SB):
        second_SB = second_SB.mean(0, keepdims=True)
    return ", ".join(f"{each:+.3f}" for each in (first_SB - second_SB).mean(1).tolist())


def _templates(family: str, own: Mapping[str, Answers]) -> Section:
    shown = [
        arm
        for arm in (
            *("question only", "captions, gold", "twin, k=1", "projector, shuffled"),
            *("projector, k=1", "projector, gold", "single, gold"),
        )
        if arm in own
    ]
    any_arm = own[shown[0]]
    rows = []
    for template, ids in any_arm.templates().items():
        chance = any_arm.values(lambda record: record["chance"], ids).mean()
        means = [_mean_of(own[arm], ids) for arm in shown]
        rows.append([template, len(ids), f"{chance:.2f}", *means])
    return Section(
        title=f"{family}: choice by template",
        claim="What a vector tells and what it does not.",
        columns=["template", "questions", "chance", *shown],
        rows=rows,
    )


def _mean_of(answers: Answers, ids: Sequence[str]) -> str:
    there = set(answers.ids)
    both = [each for each in ids if each in there]
    return f"{answers.values(MEASURES['choice'], both).mean():.2f}" if both else ""


if __name__ == "__main__":
    main()
