"""What a score file of MMEB-V2 says.

A score file is ``{"metadata": {...}, "metrics": {"image": {SET: {KEY: score}}, "video": ...,
"visdoc": ...}}``. A modality's score is the plain mean over its sets, the overall score that over
all 78. Public files differ in what they hold; the rules for that are:

- A set without a score is missing. Means are over the sets that are there; the overall score is
  given only when all are.
- ``MomentSeeker_1k8`` is another revision of MomentSeeker (1,800 queries instead of 1,602). It is
  listed, never averaged, and never stands in for MomentSeeker.
- ``ViDoSeek-page`` and ``MMLongBench-page`` had wrong page labels until 2025-11. A name that ends
  in ``-fixed`` says that the labels are the mended ones, and counts as the set if it has a score; a
  plain name may stand for either, which is told.
- Sets that MMEB-V2 does not have are listed, never averaged.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeGuard

from rzen.errors import DataError
from rzen.evaluation.mmeb.sets import METRICS, MODALITIES, SETS, MmebModality, MmebSet, find_set

ABSENT = "FILE_N/A"
"""Stands for the scores of a set that was not run."""

_FIXED = "-fixed"
_RELABELLED = ("ViDoSeek-page", "MMLongBench-page")
_OTHER_REVISIONS = {
    "MomentSeeker_1k8": "another revision of MomentSeeker (1,800 queries instead of 1,602)"
}
_OTHER_QUERIES = 1800
_EXPECTED = (
    'expected {"metadata": {...}, "metrics": {"image": {SET: {"hit@1": ...}}, "video": ..., '
    '"visdoc": ...}}'
)


def summarize(document: object, file_name: str) -> dict[str, Any]:
    """Averages a score file by the rules above.

    Args:
        document: what the file holds, as JSON.
        file_name: for messages.

    Returns:
        ``overall`` (None unless all 78 sets are there), ``modalities`` and ``families``, each
        name -> ``mean`` (None without a set), ``sets`` (how many have a score), ``missing``, and
        for modalities ``extra``; ``scores`` (set -> the score that counts), ``notes`` (sentences)
        and ``metadata`` (the file's own). Scores are fractions.

    Raises:
        DataError: if it is no score file, or its scores are percentages.
    """
    metrics, metadata = _checked(document, file_name)
    scores: dict[str, float] = {}
    counted: list[str] = []
    extra: dict[str, list[str]] = {}
    notes: list[str] = []
    for modality in MODALITIES:
        entries = metrics.get(modality, {})
        places = _places(modality, entries)
        for place, each in places.items():
            value = _value(entries, place, each, notes)
            if value is not None:
                scores[each.name] = value
                counted.append(place)
        extra[modality] = [place for place in entries if place not in places]
        notes += _notes_on_extra(modality, extra[modality])
    notes += [f"{each}: no modality of MMEB-V2, left out" for each in metrics if each not in extra]
    notes += _notes_on_page_labels(counted)
    families: dict[str, list[MmebSet]] = {}
    for each in SETS:
        families.setdefault(f"{each.modality} {each.family}", []).append(each)
    return {
        "overall": _mean(SETS, scores)["mean"] if len(scores) == len(SETS) else None,
        "modalities": {
            modality: {
                **_mean([each for each in SETS if each.modality == modality], scores),
                "extra": extra[modality],
            }
            for modality in MODALITIES
        },
        "families": {name: _mean(members, scores) for name, members in families.items()},
        "scores": {each.name: scores[each.name] for each in SETS if each.name in scores},
        "notes": notes,
        "metadata": metadata,
    }


def submission(
    metadata: Mapping[str, Any], scores_by_set: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A score file in the public form.

    Args:
        metadata: such as ``model_name``, ``model_size``, ``url``.
        scores_by_set: name -> what the set's score file holds. Names may also be those of other
            revisions: ``ViDoSeek-page-fixed``, ``MMLongBench-page-fixed``, ``MomentSeeker_1k8``.

    Returns:
        the object to write; a set without scores is marked as not run.

    Raises:
        DataError: if MMEB-V2 has no such set.
    """
    names = {each.name for each in SETS}
    metrics: dict[str, dict[str, Any]] = {modality: {} for modality in MODALITIES}
    for each in SETS:
        if each.name in scores_by_set or f"{each.name}{_FIXED}" not in scores_by_set:
            metrics[each.modality][each.name] = dict(scores_by_set.get(each.name, {})) or ABSENT
    for name, values in scores_by_set.items():
        if name not in names:
            plain = "MomentSeeker" if name in _OTHER_REVISIONS else _plain(name)
            metrics[find_set(plain).modality][name] = dict(values)
    return {"metadata": dict(metadata), "metrics": metrics}


def _checked(
    document: object, file_name: str
) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Any]]:
    """Metrics and metadata of what is a score file in fractions."""
    if not isinstance(document, Mapping) or not isinstance(document.get("metrics"), Mapping):
        single = isinstance(document, Mapping) and "hit@1" in document
        what = "the scores of a single set, not of a suite" if single else "not a score file"
        raise DataError(f"{file_name} holds {what}: {_EXPECTED}")
    metrics = document["metrics"]
    if not any(modality in metrics for modality in MODALITIES):
        raise DataError(f"{file_name} has no modality of MMEB-V2 among its metrics: {_EXPECTED}")
    for name, entries in metrics.items():
        if not isinstance(entries, Mapping):
            raise DataError(f"{file_name}: {name!r} holds no sets: {_EXPECTED}")
    metadata = document.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise DataError(f"{file_name}: its metadata is no object: {_EXPECTED}")
    values = [
        float(value)
        for modality in MODALITIES
        for entry in metrics.get(modality, {}).values()
        if isinstance(entry, Mapping) and _is_number(value := entry.get(METRICS[modality]))
    ]
    above = [value for value in values if 1 < value <= 100]
    if len(above) > len(values) / 2:
        raise DataError(
            f"{file_name} holds percentages (such as {above[0]:g}): fractions between 0 and 1 are "
            "expected; divide the scores by 100"
        )
    return metrics, metadata


def _places(modality: MmebModality, entries: Mapping[str, Any]) -> dict[str, MmebSet]:
    """The name in the file -> the set it counts for; a set that is absent by its own name.

    A name ending in -fixed goes before the plain one, unless it stands there without a score.
    """
    places: dict[str, MmebSet] = {}
    for each in SETS:
        if each.modality != modality:
            continue
        fixed = f"{each.name}{_FIXED}"
        takes_fixed = each.name in _RELABELLED and (
            _score(entries.get(fixed), each) is not None
            or (fixed in entries and each.name not in entries)
        )
        places[fixed if takes_fixed else each.name] = each
    return places


def _score(entry: object, each: MmebSet) -> float | None:
    """The set's score, if an entry has one."""
    value = entry.get(each.metric) if isinstance(entry, Mapping) else None
    return float(value) if _is_number(value) and 0 <= value <= 1 else None


def _value(entries: Mapping[str, Any], place: str, each: MmebSet, notes: list[str]) -> float | None:
    """The score that counts; why there is none goes to the notes."""
    if place not in entries:
        return None
    entry = entries[place]
    where = f"{each.modality}: {place}"
    if not isinstance(entry, Mapping):
        notes.append(f"{where} has no scores but {str(entry)!r:.40}: missing")
        return None
    value = entry.get(each.metric)
    if not _is_number(value):
        notes.append(f"{where} lacks {each.metric}: missing")
        return None
    score = _score(entry, each)
    if score is None:
        notes.append(f"{where} has {each.metric} {value!r:.40}, no fraction: missing")
        return None
    ranked, queries = entry.get("num_pred"), entry.get("num_data")
    if _is_number(ranked) and _is_number(queries) and ranked != queries:
        notes.append(f"{where} ranked {ranked} of {queries} queries")
    if each.name == "MomentSeeker" and queries == _OTHER_QUERIES:
        notes.append(f"{where} has 1,800 queries, like the revision MomentSeeker_1k8; averaged")
    return score


def _notes_on_extra(modality: MmebModality, names: Iterable[str]) -> list[str]:
    notes = []
    for name in names:
        if name in _OTHER_REVISIONS:
            why = _OTHER_REVISIONS[name]
        elif name in _RELABELLED or _plain(name) in _RELABELLED:
            why = "there twice, with the old and the mended labels; the other one counts"
        else:
            why = "not a set of MMEB-V2"
        notes.append(f"{modality}: {name} is {why}: listed, not averaged")
    return notes


def _notes_on_page_labels(counted: Collection[str]) -> list[str]:
    """What is known of the page labels of those names in the file whose scores count."""
    told = {
        "": "the file does not say which ones it was scored with",
        _FIXED: "the file says that these are the mended ones",
    }
    return [
        f"visdoc: {name} had wrong page labels until 2025-11; {what}"
        for name in _RELABELLED
        for suffix, what in told.items()
        if f"{name}{suffix}" in counted
    ]


def _mean(members: Iterable[MmebSet], scores: Mapping[str, float]) -> dict[str, Any]:
    names = [each.name for each in members]
    found = [scores[name] for name in names if name in scores]
    return {
        "mean": math.fsum(found) / len(found) if found else None,
        "sets": len(found),
        "missing": [name for name in names if name not in scores],
    }


def _plain(name: str) -> str:
    plain = name.removesuffix(_FIXED)
    return plain if plain in _RELABELLED else name


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
