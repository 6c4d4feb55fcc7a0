"""rzen eval: run an encoder over a suite."""

import hashlib
import json as json_library
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
    check_no_options,
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
            help="Where results go. Default: rzen-eval/, by suite, split, encoder and sets.",
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
        check_no_options(context)
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
    target = results or _folder(opened, model, limit, is_part=bool(only))
    with evaluation_progress() as on_progress:
        done = evaluate(opened, model, target, limit=limit, progress=on_progress)
    page = render_run(done, opened.load, others=others)
    write_page(target / PAGE, open_page, page)
    summary = summarise_run(done, others)
    if json:
        output.emit({**summary, "output": str(target)})
        return
    say_run(summary)


def _folder(suite: "Suite", encoder: "Encoder", limit: int | None, *, is_part: bool) -> Path:
    """The folder of a run by default: that of the same run's earlier start, and of no other's."""
    from rzen.evaluation.vector_cache import encoder_document

    name = f"{Path(encoder.fingerprint.encoder).name}-{_short_hash(encoder_document(encoder))}"
    name += f"-limit{limit}" if limit is not None else ""
    name += f"-part-{_short_hash(suite.sets)}" if is_part else ""
    return Path("rzen-eval") / suite.filed_under / name


def _short_hash(document: object) -> str:
    return hashlib.sha256(json_library.dumps(document, sort_keys=True).encode()).hexdigest()[:8]
