"""rzen eval score: the metrics of a predictions file."""

from pathlib import Path
from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption, given_path


def run(
    predictions: Annotated[
        Path,
        typer.Argument(
            parser=given_path, metavar="PRED.jsonl", help="One ranking a line, as MMEB has them."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Score a predictions file, as the reference evaluator of MMEB does.

    Each line is an object with prediction (ids, best first), label (the right ids) and rel_scores
    (their grades, or null).
    """
    from rzen.evaluation.metrics import mean_scores
    from rzen.evaluation.predictions import SetScores, findings, read_predictions

    read = read_predictions(predictions)
    for finding in findings(read):
        output.complain(f"{predictions}: {finding}")
    count = len(read.rankings)
    scores = SetScores(values=mean_scores(read.rankings), num_pred=count, num_data=count)
    if json:
        output.emit(scores.document())
        return
    output.say(f"{count} queries")
    for name in dict.fromkeys(key.partition("@")[0] for key in scores.values):
        figures = "   ".join(
            f"@{key.partition('@')[2]:<2} {value:.4f}"
            for key, value in scores.values.items()
            if key.partition("@")[0] == name
        )
        output.say(f"{name:17} {figures}")
