"""The folder of a run: what makes it resumable, and what says that it is whole.

Each set leaves ``NAME_pred.jsonl`` and, when it is scored, ``NAME_score.json``, which holds the
set's whole outcome under the key ``rzen`` beside the reference evaluator's keys. ``run.json`` is
written when all sets are there: a folder without it is a run that was cut off.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rzen.errors import DataError, UsageError
from rzen.evaluation.metrics import Ranking
from rzen.evaluation.outcome import FORMAT, RunOutcome, SetOutcome, run_from
from rzen.evaluation.predictions import (
    SetScores,
    read_scores,
    write_predictions,
    write_scores,
    write_whole,
)

RUN = "run.json"
_PREDICTIONS, _SCORES = "_pred.jsonl", "_score.json"
_KEY = "rzen"


class RunFolder:
    """Where a run puts its results, and finds those of its own earlier start.

    Args:
        path: the folder; it is made when something is written.
        identity: all that the results depend on, as JSON; results with another identity are stale.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        # As it reads back: tuples become lists.
        self._identity = json.loads(json.dumps({"format": FORMAT, **identity}))
        self._total = 0

    def kept(self, name: str) -> tuple[SetOutcome, float] | None:
        """The outcome of a set that is there already, and the seconds that it took.

        ``None`` where it is missing, damaged, or the result of another run.
        """
        if not predictions_file(self.path, name).is_file():
            return None
        try:
            own = read_scores(self._scores(name)).extra[_KEY]
            if own["run"] != self._identity:
                return None
            outcome = TypeAdapter(SetOutcome).validate_python(own["outcome"])
            return outcome, float(own["seconds"])
        except (DataError, ValidationError, KeyError, TypeError, ValueError):
            return None  # it is made anew, which mends it

    def finished(self) -> RunOutcome | None:
        """The whole run, if it is there; where all sets are kept, it is a run of theirs."""
        try:
            return read_run(self.path)
        except DataError:
            return None

    def begin(self, stale: Iterable[str], *, total: int) -> None:
        """Says that the run is not whole from here on, and removes its own stale results.

        Args:
            stale: names of sets that will be made anew.
            total: sets that the run scores, those that are there already among them.

        Raises:
            DataError: if the folder cannot be written.
            UsageError: if it holds results of something else, which would be lost.
        """
        self._check_own()
        self._total = total
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / RUN).unlink(missing_ok=True)
            for name in stale:
                self._scores(name).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"cannot write the run to {self.path}: {error.strerror or error}: choose another "
                "folder"
            ) from None

    def write(self, outcome: SetOutcome, rankings: Iterable[Ranking], seconds: float) -> None:
        """Keeps a set's results.

        Raises:
            DataError: if they cannot be written.
        """
        own = {
            "run": self._identity,
            "of": self._total,
            "seconds": seconds,
            "outcome": asdict(outcome),
        }
        # The scores last: they say that the set is done.
        write_predictions(predictions_file(self.path, outcome.name), rankings)
        scores = SetScores(
            values=outcome.scores,
            num_pred=outcome.queries,
            num_data=outcome.queries,
            extra={_KEY: own},
        )
        write_scores(self._scores(outcome.name), scores)

    def finish(self, outcome: RunOutcome) -> None:
        """Writes the whole: the last file of a run.

        Raises:
            DataError: if it cannot be written.
        """
        text = json.dumps(outcome.document(), indent=1, allow_nan=False)
        write_whole(self.path / RUN, [text.encode() + b"\n"])

    def _check_own(self) -> None:
        for file in sorted(self.path.glob(f"*{_SCORES}")):
            try:
                other = read_scores(file).extra[_KEY]["run"]
                if _asked(other) == _asked(self._identity):
                    continue
                holds = "{3} over {0}, split {1}, limit {2}".format(*_asked(other))
            except DataError:
                continue  # damaged: nobody's
            except (KeyError, TypeError):
                holds = f"another evaluator ({file.name})"
            raise UsageError(
                f"{self.path} holds results of {holds}: choose another folder with --output, or "
                "remove that one"
            )

    def _scores(self, name: str) -> Path:
        return self.path / f"{name}{_SCORES}"


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
        document = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(_missing(folder)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file}: {error}: run rzen eval again") from None
    return run_from(document, str(file))


def _asked(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the user asked for: data and libraries may have changed since, and are then renewed."""
    encoder = identity["encoder"]["fingerprint"]["encoder"]
    return (identity["suite"], identity["split"], identity["limit"], encoder)


def _missing(folder: Path) -> str:
    totals = []
    for file in sorted(folder.glob(f"*{_SCORES}")):
        try:
            totals.append(int(read_scores(file).extra[_KEY]["of"]))
        except (DataError, KeyError, TypeError, ValueError):
            continue  # the scores of something else
    if not totals:
        return f"there is no run in {folder}: make one with  rzen eval --output {folder}"
    return (
        f"{folder}: the run was cut off after {len(totals)} of {max(totals)} sets: run the same "
        "command again, it goes on where it stopped"
    )
