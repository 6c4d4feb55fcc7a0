"""Public score files of MMEB-V2 beside one another, as a page.

They hold means alone: there are no intervals to show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rzen.evaluation.mmeb.sets import MODALITIES, SETS
from rzen.evaluation.report.charts import Mark, run_shapes, score_axis, score_bar
from rzen.evaluation.report.page import Card, as_percent, html, legend, mean_card
from rzen.render.report import Head, count
from rzen.render.svg import Svg

_LABELS = {"image": "Pictures", "video": "Videos", "visdoc": "Document pages"}
_METADATA = 8
_METADATA_CHARS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One mean or set in all files.

    Attributes:
        label: what it is.
        bar: of the first file, the others as marks; ``None`` where the first has no score.
        values: of each file, in percent.
        coverage: of each file, such as "22 of 24"; empty for a single set.
    """

    label: str
    bar: Svg | None
    values: Sequence[str]
    coverage: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    label: str
    lines: Sequence[_Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coverage:
    """What a file lacks, has besides, and what is said about it."""

    name: str
    missing: Sequence[str]
    extra: Sequence[str]
    notes: Sequence[str]


def render_mmeb(summary: Mapping[str, Any], public: Sequence[Mapping[str, Any]]) -> str:
    """A score file as one HTML page that needs nothing else, beside other such files.

    Args:
        summary: as :func:`rzen.evaluation.mmeb.score_files.summarize` gives it.
        public: summaries of the others.
    """
    files = _named([summary, *public])
    return html(
        "mmeb.html.j2",
        _head(files),
        names=list(files),
        cards=_cards(files),
        marks=legend(
            [
                Mark(name=name, value=0.0, shape=shape, kind="run")
                for name, shape in _shapes(files).items()
            ]
        ),
        axis=score_axis(),
        means=_means(files),
        groups=_groups(files),
        coverage=[_coverage(name, each) for name, each in files.items()],
    )


def _named(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """By the model's name, numbered where it is taken."""
    files: dict[str, Mapping[str, Any]] = {}
    for number, each in enumerate(summaries, 1):
        told = each["metadata"].get("model_name")
        name = told if isinstance(told, str) and told.strip() else f"score file {number}"
        files[name if name not in files else f"{name} ({number})"] = each
    return files


def _head(files: Mapping[str, Mapping[str, Any]]) -> Head:
    name, summary = next(iter(files.items()))
    scored = len(summary["scores"])
    facts = {"suite": "MMEB-V2", "scored": f"{scored} of {len(SETS)} sets"}
    simple = {
        str(key): str(value)[:_METADATA_CHARS]
        for key, value in summary["metadata"].items()
        if isinstance(value, str | int | float) and key != "model_name"
    }
    facts |= {key.replace("_", " "): value for key, value in list(simple.items())[:_METADATA]}
    warnings = []
    if scored < len(SETS):
        warnings.append(
            f"{count(len(SETS) - scored, 'set')} of MMEB-V2 without a score, so there is no "
            "overall figure. The means below are over the sets that are there."
        )
    return Head(kind="Score file", title=name, facts=facts, warnings=warnings)


def _cards(files: Mapping[str, Mapping[str, Any]]) -> list[Card]:
    summary = next(iter(files.values()))
    overall = {name: each["overall"] for name, each in files.items()}
    cards = [
        mean_card(
            "Overall",
            summary["overall"],
            note=f"{len(summary['scores'])} of {len(SETS)} sets",
            marks=_marks(files, overall),
        )
    ]
    for modality in MODALITIES:
        means = {name: each["modalities"][modality]["mean"] for name, each in files.items()}
        cards.append(
            mean_card(
                _LABELS[modality],
                summary["modalities"][modality]["mean"],
                note=_sets(summary["modalities"][modality]),
                marks=_marks(files, means),
            )
        )
    return cards


def _means(files: Mapping[str, Mapping[str, Any]]) -> list[_Group]:
    """Modalities with their families, and the means over the sets that all files have."""
    groups = []
    for modality in MODALITIES:
        entries = {name: each["modalities"][modality] for name, each in files.items()}
        lines = [_mean_line(files, f"all of {_LABELS[modality].lower()}", entries)]
        if len({tuple(entry["missing"]) for entry in entries.values()}) > 1:
            lines.append(_shared_line(files, modality))
        families = dict.fromkeys(each.family for each in SETS if each.modality == modality)
        for family in families:
            key = f"{modality} {family}"
            lines.append(
                _mean_line(
                    files, family, {name: each["families"][key] for name, each in files.items()}
                )
            )
        groups.append(_Group(label=_LABELS[modality], lines=lines))
    return groups


def _mean_line(
    files: Mapping[str, Mapping[str, Any]], label: str, entries: Mapping[str, Mapping[str, Any]]
) -> _Line:
    means = {name: entry["mean"] for name, entry in entries.items()}
    return _drawn(files, label, means, [_sets(entry) for entry in entries.values()])


def _shared_line(files: Mapping[str, Mapping[str, Any]], modality: str) -> _Line:
    """Means over other sets do not compare; these do."""
    shared = [
        each.name
        for each in SETS
        if each.modality == modality and all(each.name in file["scores"] for file in files.values())
    ]
    means = {
        name: math.fsum(each["scores"][one] for one in shared) / len(shared) if shared else None
        for name, each in files.items()
    }
    return _drawn(files, f"the {count(len(shared), 'set')} that all files have", means)


def _groups(files: Mapping[str, Mapping[str, Any]]) -> list[_Group]:
    """Every set of MMEB-V2, by family."""
    keys = dict.fromkeys((each.modality, each.family) for each in SETS)
    return [
        _Group(
            label=f"{_LABELS[modality]}: {family}",
            lines=[
                _drawn(
                    files,
                    each.name,
                    {name: file["scores"].get(each.name) for name, file in files.items()},
                )
                for each in SETS
                if (each.modality, each.family) == (modality, family)
            ],
        )
        for modality, family in keys
    ]


def _drawn(
    files: Mapping[str, Mapping[str, Any]],
    label: str,
    values: Mapping[str, float | None],
    coverage: Sequence[str] = (),
) -> _Line:
    first = next(iter(values.values()))
    return _Line(
        label=label,
        bar=None if first is None else score_bar(first, label, marks=_marks(files, values)),
        values=[as_percent(value) for value in values.values()],
        coverage=coverage,
    )


def _marks(
    files: Mapping[str, Mapping[str, Any]], values: Mapping[str, float | None]
) -> list[Mark]:
    return [
        Mark(name=name, value=value, shape=shape, kind="run")
        for name, shape in _shapes(files).items()
        if (value := values[name]) is not None
    ]


def _shapes(files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Of all files but the first, which has the bar."""
    return run_shapes(list(files)[1:])


def _sets(entry: Mapping[str, Any]) -> str:
    return f"{entry['sets']} of {entry['sets'] + len(entry['missing'])} sets"


def _coverage(name: str, summary: Mapping[str, Any]) -> _Coverage:
    modalities = summary["modalities"].values()
    return _Coverage(
        name=name,
        missing=[each for entry in modalities for each in entry["missing"]],
        extra=[each for entry in modalities for each in entry["extra"]],
        notes=summary["notes"],
    )
