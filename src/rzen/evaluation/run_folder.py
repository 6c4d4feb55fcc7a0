"""The folder of a run: what makes it resumable, and what says that it is whole.

Each set leaves ``NAME_score.json``, which holds the set's whole outcome under the key ``rzen``
beside the reference evaluator's keys, and ``NAME_pred.jsonl``, whose hash stands in the outcome.
``run.json`` is written when all sets are there: a folder without it is a run that was cut off.

Nothing is overwritten or deleted but what a run of the same question left, and a kill at any time
leaves what can be told from anything else: **predictions never stand without a score file of their
run**. So scores are written before their predictions, and removed after them; a set is done when
its predictions have the hash that its score file tells.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rzen.errors import DataError, UsageError
from rzen.evaluation.metrics import Ranking
from rzen.evaluation.outcome import FORMAT, RunOutcome, SetOutcome, run_from
from rzen.evaluation.predictions import (
    SetScores,
    predictions_hash,
    read_scores,
    write_predictions,
    write_scores,
    write_whole,
)

RUN = "run.json"
_PREDICTIONS, _SCORES = "_pred.jsonl", "_score.json"
_KEY = "rzen"
# How our files begin: by this a damaged one is told from what somebody else may still want.
_BEGINS = re.compile(rb'\s*\{\s*"(suite|hit@1)":')


class RunFolder:
    """Where a run puts its results, and finds those of its own earlier start.

    Args:
        path: the folder; it is made when something is written.
        identity: all that the results of every set depend on, as JSON; results with another
            identity are stale.
        versions: set -> version of its data, on which its own results depend as well.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], versions: Mapping[str, str]
    ) -> None:
        self.path = path
        # As it reads back: tuples become lists.
        self._identity = json.loads(json.dumps({"format": FORMAT, **identity}))
        self._versions = versions
        self._total = 0

    def kept(self, name: str) -> tuple[SetOutcome, float] | None:
        """The outcome of a set that is there already, and the seconds that it took.

        ``None`` where it is missing, damaged, or the result of another run or other data.
        """
        own = _done(self.path, name)
        if own is None or own["run"] != self._identity_of(name):
            return None
        try:
            outcome = TypeAdapter(SetOutcome).validate_python(own["outcome"])
            return outcome, float(own["seconds"])
        except (ValidationError, KeyError, TypeError, ValueError):
            return None  # it is made anew, which mends it

    def finished(self) -> RunOutcome | None:
        """The whole run, if it is there; where all sets are kept, it is a run of theirs."""
        try:
            return read_run(self.path)
        except DataError:
            return None

    def begin(self, stale: Sequence[str], *, total: int) -> None:
        """Says that the run is not whole from here on, and removes its own stale results.

        Args:
            stale: names of sets that will be made anew.
            total: sets that the run scores, those that are there already among them.

        Raises:
            DataError: if the folder cannot be written.
            UsageError: if it holds results of something else, which would be lost.
        """
        self._check_own(stale)
        self._total = total
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / RUN).unlink(missing_ok=True)
            for name in stale:
                predictions_file(self.path, name).unlink(missing_ok=True)
                _scores_file(self.path, name).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"cannot write the run to {self.path}: {error.strerror or error}: choose another "
                "folder"
            ) from None

    def write(self, outcome: SetOutcome, rankings: Sequence[Ranking], seconds: float) -> SetOutcome:
        """Keeps a set's results; returns the outcome with what it is known by.

        Raises:
            DataError: if they cannot be written.
        """
        name = outcome.name
        whole = replace(
            outcome, version=self._versions[name], predictions=predictions_hash(rankings)
        )
        own = {
            "run": self._identity_of(name),
            "of": self._total,
            "seconds": seconds,
            "outcome": asdict(whole),
        }
        scores = SetScores(
            values=whole.scores,
            num_pred=whole.queries,
            num_data=whole.queries,
            extra={_KEY: own},
        )
        write_scores(_scores_file(self.path, name), scores)
        write_predictions(predictions_file(self.path, name), rankings)
        return whole

    def finish(self, outcome: RunOutcome) -> None:
        """Writes the whole: the last file of a run.

        Raises:
            DataError: if it cannot be written.
        """
        text = json.dumps(outcome.document(), indent=1, allow_nan=False)
        write_whole(self.path / RUN, [text.encode() + b"\n"])

    def _identity_of(self, name: str) -> dict[str, Any]:
        return {**self._identity, "version": self._versions[name]}

    def _check_own(self, stale: Iterable[str]) -> None:
        """Sees to it that all results in the folder are of runs of the same question."""
        damaged, owns = [], False
        for file in (*sorted(self.path.glob(f"*{_SCORES}")), self.path / RUN):
            if not file.exists():
                continue
            try:
                asked = _asked(_parsed(file), is_run=file.name == RUN)
            except (OSError, ValueError, RecursionError):
                if not _begins_like_ours(file):
                    raise self._refusal(f"{file.name}, which cannot be read") from None
                damaged.append(file.name)
                continue
            except (KeyError, TypeError):
                raise self._refusal(f"{file.name} of another evaluator") from None
            if asked != _asked_by(self._identity):
                told = "{3} over {0}, split {1}, limit {2}".format(*asked)
                raise self._refusal(f"results of {told}")
            owns = True
        if damaged and not owns:
            raise self._refusal(f"{damaged[0]}, damaged and maybe of another evaluator")
        for name in stale:
            file = predictions_file(self.path, name)
            if file.exists() and not _scores_file(self.path, name).exists():
                raise self._refusal(f"{file.name} without the scores that rzen leaves beside it")

    def _refusal(self, holds: str) -> UsageError:
        return UsageError(
            f"{self.path} holds {holds}: choose another folder with --output, or remove that"
        )


def predictions_file(folder: Path, name: str) -> Path:
    """Where a run keeps the rankings of a set."""
    return folder / f"{name}{_PREDICTIONS}"


def read_run(folder: Path) -> RunOutcome:
    """Reads a run.

    Raises:
        DataError: if there is none, it was cut off, or it is of another version of the format.
    """
    file = folder / RUN
    try:
        document = _parsed(file)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(_missing(folder)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {file}: {error}: run rzen eval again") from None
    return run_from(document, str(file))


def _scores_file(folder: Path, name: str) -> Path:
    return folder / f"{name}{_SCORES}"


def _done(folder: Path, name: str) -> dict[str, Any] | None:
    """What we keep of a set, if it is whole: its scores, and the predictions that gave them."""
    file = _scores_file(folder, name)
    try:
        read_scores(file)
        own = _parsed(file)[_KEY]
        with predictions_file(folder, name).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        is_done = own["outcome"]["predictions"] == found and isinstance(own["run"], dict)
        return dict(own) if is_done else None
    except (DataError, OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _asked(document: Any, *, is_run: bool) -> tuple[Any, ...]:
    """What the user asked for whose results these are."""
    if is_run:
        return tuple(document[name] for name in ("suite", "split", "limit", "encoder"))
    return _asked_by(document[_KEY]["run"])


def _asked_by(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    """Data and libraries may have changed since: such results are renewed."""
    encoder = identity["encoder"]["fingerprint"]["encoder"]
    return (identity["suite"], identity["split"], identity["limit"], encoder)


def _parsed(file: Path) -> Any:
    """The JSON of a file; numbers that JSON does not have are errors, for we write none."""
    return json.loads(file.read_bytes(), parse_float=_number, parse_constant=_number)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def _begins_like_ours(file: Path) -> bool:
    try:
        return _BEGINS.match(file.read_bytes()[:100]) is not None
    except OSError:
        return False


def _missing(folder: Path) -> str:
    totals = []
    for file in sorted(folder.glob(f"*{_SCORES}")):
        own = _done(folder, file.name.removesuffix(_SCORES))
        if own is not None and isinstance(own.get("of"), int):
            totals.append(own["of"])
    if not totals:
        return f"there is no run in {folder}: make one with  rzen eval --output {folder}"
    return (
        f"{folder}: the run was cut off after {len(totals)} of {max(totals)} sets: run the same "
        "command again, it goes on where it stopped"
    )
