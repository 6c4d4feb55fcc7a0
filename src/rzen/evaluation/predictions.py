"""The result files of a set: ``NAME_pred.jsonl`` and ``NAME_score.json``.

Both are the reference evaluator's (VLM2Vec). A line of the first is one query::

    {"prediction": ["best", "second", ...], "label": ["second"], "rel_scores": null}

where ``label`` may be a bare text, and ``rel_scores``, the grades of the labels, may be left out.
Blank lines at the end and a byte order mark at the start, which editors leave, are passed over.
The second is one object: the keys of :mod:`rzen.evaluation.metrics`, ``num_pred``, ``num_data``,
and whatever else is worth keeping beside them.
"""

import codecs
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rzen.errors import DataError
from rzen.evaluation.metrics import KEYS, Ranking
from rzen.index.schema import sync_folder

_COUNTS = ("num_pred", "num_data")
_AGAIN = "mend the line, or run the evaluation again"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a predictions file holds.

    Attributes:
        rankings: one for each line, in their order.
        repeated_candidates: line -> a candidate that it lists twice; the first place is kept.
        repeated_labels: line -> a label that it gives twice; it is kept once.
    """

    rankings: tuple[Ranking, ...]
    repeated_candidates: Mapping[int, str] = field(default_factory=dict)
    repeated_labels: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SetScores:
    """The scores of one set.

    Attributes:
        values: key -> score; the keys are ``KEYS``.
        num_pred: queries that were ranked.
        num_data: queries of the set.
        extra: what else is kept in the file; JSON.
    """

    values: Mapping[str, float]
    num_pred: int
    num_data: int
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The object that a score file holds."""
        counts = {"num_pred": self.num_pred, "num_data": self.num_data}
        return {**{key: self.values[key] for key in KEYS}, **counts, **self.extra}


def read_predictions(file: Path) -> Predictions:
    """Reads a predictions file; see :func:`findings` for what to tell about it.

    Raises:
        DataError: if it cannot be read, holds no line, or a line is no such object; the message
            names the line.
    """
    rankings: list[Ranking] = []
    twice: dict[str, dict[int, str]] = {"prediction": {}, "label": {}}
    # A global corpus stands in every line: equal ids share their memory.
    known: dict[str, str] = {}
    for number, line in _lines(file):
        try:
            document = _object(line)
            ids = {"prediction": _ids(document, "prediction"), "label": _ids(document, "label")}
            grades = _grades(document, len(ids["label"]))
            for name, values in ids.items():
                ids[name] = list(dict.fromkeys(known.setdefault(each, each) for each in values))
                if len(ids[name]) < len(values):
                    twice[name][number] = _first_twice(values)
            if grades is not None and number in twice["label"]:
                raise DataError(f"the label {twice['label'][number]!r} is given and graded twice")
            rankings.append(
                Ranking(
                    prediction=tuple(ids["prediction"]), labels=tuple(ids["label"]), grades=grades
                )
            )
        except DataError as error:
            raise DataError(f"{file}, line {number}: {error}: {_AGAIN}") from None
    if not rankings:
        raise DataError(f"{file} is empty: it should hold one line for each query; {_AGAIN}")
    return Predictions(
        rankings=tuple(rankings),
        repeated_candidates=twice["prediction"],
        repeated_labels=twice["label"],
    )


def findings(predictions: Predictions) -> tuple[str, ...]:
    """What a user should know of predictions that can be scored all the same; sentences."""
    missed = {
        number: next(label for label in one.labels if label not in one.prediction)
        for number, one in enumerate(predictions.rankings, start=1)
        if not set(one.labels) <= set(one.prediction)
    }
    told = (
        (missed, "have a label that is not among their candidates", "it counts as a miss"),
        (
            predictions.repeated_candidates,
            "list a candidate twice",
            "its first place counts; the reference evaluator would count it twice",
        ),
        (predictions.repeated_labels, "give a label twice", "it counts once"),
    )
    total = len(predictions.rankings)
    return tuple(
        f"{len(lines)} of {total} lines {what} (first: line {min(lines)}, {lines[min(lines)]!r}): "
        f"{meaning}"
        for lines, what, meaning in told
        if lines
    )


def write_predictions(file: Path, rankings: Iterable[Ranking]) -> None:
    """Writes a predictions file, whole or not at all.

    Raises:
        DataError: if it cannot be written.
    """
    write_whole(file, _written(rankings))


def predictions_hash(rankings: Iterable[Ranking]) -> str:
    """SHA-256 of the file that :func:`write_predictions` makes of them."""
    whole = hashlib.sha256()
    for line in _written(rankings):
        whole.update(line)
    return whole.hexdigest()


def read_scores(file: Path) -> SetScores:
    """Reads the score file of one set.

    Raises:
        DataError: if it cannot be read, lacks a key, or holds a score outside of [0, 1].
    """
    try:
        document = _object(file.read_bytes())
        for key in KEYS:
            _check_fraction(key, document.get(key))
        for key in _COUNTS:
            if type(document.get(key)) is not int:
                raise DataError(f"{key!r} is {_told(document.get(key))}, not a whole number")
    except (OSError, DataError) as error:
        raise DataError(
            f"{file} is not the score file of a set: {error}: score its predictions again"
        ) from None
    return SetScores(
        values={key: float(document[key]) for key in KEYS},
        num_pred=document["num_pred"],
        num_data=document["num_data"],
        extra={key: each for key, each in document.items() if key not in {*KEYS, *_COUNTS}},
    )


def write_scores(file: Path, scores: SetScores) -> None:
    """Writes the score file of one set, whole or not at all.

    Raises:
        DataError: if it cannot be written.
    """
    write_whole(file, [json.dumps(scores.document(), indent=4, allow_nan=False).encode() + b"\n"])


def write_whole(file: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file aside and renames it into place once it is on disk.

    Args:
        file: its folder is made.
        chunks: what it holds. If they raise, nothing is left behind.

    Raises:
        DataError: if it cannot be written.
    """
    aside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                stream.writelines(chunks)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as error:
        raise DataError(
            f"cannot write {file}: {error.strerror or error}: choose another folder, or make room"
        ) from None


def _written(rankings: Iterable[Ranking]) -> Iterator[bytes]:
    for one in rankings:
        document = {"prediction": one.prediction, "label": one.labels, "rel_scores": one.grades}
        yield json.dumps(document).encode() + b"\n"


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines by number; a blank one only if another follows."""
    blank: tuple[int, bytes] | None = None
    try:
        with file.open("rb") as stream:
            for number, read in enumerate(stream, start=1):
                line = read.removeprefix(codecs.BOM_UTF8) if number == 1 else read
                if not line.strip():
                    blank = blank or (number, line)
                    continue
                if blank is not None:
                    yield blank
                if not line.endswith(b"\n"):
                    _check_end(file, number, line)
                yield number, line
    except OSError as error:
        raise DataError(
            f"cannot read {file}: {error.strerror or error}: name a file NAME_pred.jsonl"
        ) from None


def _check_end(file: Path, number: int, line: bytes) -> None:
    """A last line that neither ends nor can be read was being written when the run stopped."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(
            f"{file}, line {number}: the last line breaks off after {len(line)} bytes: the run "
            "was cut off while it wrote it; run the evaluation again"
        ) from None


def _object(text: bytes) -> dict[str, Any]:
    if not text.strip():
        raise DataError("it is blank")
    try:
        document = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise DataError(f"it is {_told(document)}, not an object")
    return document


def _ids(document: Mapping[str, Any], name: str) -> list[str]:
    if name not in document:
        raise DataError(f"{name!r} is missing")
    values = document[name]
    if name == "label" and isinstance(values, str):
        values = [values]
    if not isinstance(values, list):
        raise DataError(f"{name!r} is {_told(values)}, not a list of texts")
    for each in values:
        if not isinstance(each, str):
            raise DataError(f"{name!r} holds {_told(each)}, not only texts")
    if name == "label" and not all(values or [""]):
        raise DataError("'label' is empty: nothing could be right")
    return values


def _grades(document: Mapping[str, Any], labels: int) -> tuple[int, ...] | None:
    values = document.get("rel_scores")
    if values is None:
        return None
    if not isinstance(values, list):
        raise DataError(f"'rel_scores' is {_told(values)}, neither a list of numbers nor null")
    for each in values:
        if isinstance(each, bool) or not isinstance(each, int | float):
            raise DataError(f"'rel_scores' holds {_told(each)}, not only numbers")
    if len(values) != labels:
        raise DataError(f"'rel_scores' holds {len(values)} grades for {labels} labels")
    return tuple(values)


def _check_fraction(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{key!r} is {_told(value)}, not a number")
    if not 0 <= value <= 1:  # so that NaN is none
        raise DataError(f"{key!r} is {_told(value)}, not a fraction between 0 and 1")


def _first_twice(values: list[str]) -> str:
    counts = Counter(values)
    return next(each for each in values if counts[each] > 1)


def _told(value: object) -> str:
    """A JSON value in a message, short."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
