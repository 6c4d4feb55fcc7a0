"""rzen eval: run an encoder over a suite."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rzen.cli import output
from rzen.cli.evaluation.table import say_run
from rzen.cli.options import (
    DataOption,
    EncoderOption,
    JsonOption,
    OpenOption,
    SetOption,
    given_path,
)

if TYPE_CHECKING:
    from rzen.evaluation.suites import Suite
    from rzen.protocols import Encoder

PAGE = "report.html"


def run(  # noqa: PLR0913 (one parameter an option)
    context: typer.Context,
    suite: Annotated[
        str, typer.Option("--suite", help="rzen-bench, or mmeb-v2 with --data.")
    ] = "rzen-bench",
    encoder: EncoderOption = None,
    split: Annotated[
        Literal["test", "validation"],
        typer.Option("--split", help="validation is for choosing, test for reporting."),
    ] = "test",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SET", help="This set. Repeatable.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Only so many queries a set: a trial, not a score."),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option("--dim", min=1, help="Rank by the first N dimensions. Default: all."),
    ] = None,
    data: DataOption = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=given_path,
            metavar="FOLDER",
            help="Where results go. Default: rzen-eval/, by suite, split and encoder.",
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--beside", parser=given_path, metavar="FOLDER", help="Another run, for the page."
        ),
    ] = None,
    open_page: OpenOption = False,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Measure an encoder with a suite; score, report and compare results.

    May be stopped at any time; the same command goes on where it stopped. Vectors are kept, so a
    second run takes seconds.
    """
    if context.invoked_subcommand is not None:
        return
    from rzen.cli.evaluation.progress import evaluation_progress
    from rzen.cli.pages import write_page
    from rzen.config import load_settings, parse_override
    from rzen.encoders import create
    from rzen.encoders.cut import CutEncoder
    from rzen.evaluation.report.overview import summarise_run
    from rzen.evaluation.report.run_page import render_run
    from rzen.evaluation.run_folder import read_run
    from rzen.evaluation.runner import run as evaluate
    from rzen.evaluation.suites import open_suite

    opened = open_suite(suite, split=split, data=data)
    if only:
        opened = opened.only(only)
    others = [read_run(folder) for folder in beside or ()]
    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))
    model = create(
        encoder or merged.encoder, device=merged.device, limits=merged.limits, model=merged.model
    )
    model = model if dim is None else CutEncoder(model, dim)
    target = results or _folder(opened, model, limit, bool(only))
    with evaluation_progress() as on_progress:
        done = evaluate(opened, model, target, limit=limit, progress=on_progress)
    page = render_run(done, opened.load, others=others)
    write_page(target / PAGE, open_page, page)
    summary = summarise_run(done, others)
    if json:
        output.emit({**summary, "output": str(target)})
        return
    say_run(summary)


def _folder(suite: "Suite", encoder: "Encoder", limit: int | None, is_part: bool) -> Path:
    """A folder that no other run shares by default."""
    model = Path(encoder.fingerprint.encoder).name
    weights = encoder.fingerprint.weights[:6]
    name = f"{model}-{weights}"
    name += f"-limit{limit}" if limit is not None else ""
    name += "-part" if is_part else ""
    return Path("rzen-eval") / f"{suite.name}-{suite.split}-{suite.version}" / name
