"""rzen eval: run an encoder over a suite; read, score and compare what came of it."""

import typer

from rzen.cli.evaluation import compare, fetch, report, run, score

app = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=True,
    help="Measure an encoder with a suite; score, report and compare results.",
)
app.callback()(run.run)
app.command("fetch")(fetch.run)
app.command("score")(score.run)
app.command("report")(report.run)
app.command("compare")(compare.run)
