"""rzen eval report: public score files by MMEB's rules, or runs of ours, as a table or a page."""

import json as json_library
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rzen.cli import output
from rzen.cli.evaluation.table import say_run
from rzen.cli.options import DataOption, HtmlOption, JsonOption, OpenOption, given_path

if TYPE_CHECKING:
    from collections.abc import Mapping


def run(
    scores: Annotated[
        list[Path],
        typer.Argument(
            parser=given_path,
            metavar="SCORES.json...",
            help="Score files in MMEB's public form, the first beside the others; or folders of "
            "rzen eval.",
        ),
    ],
    suite: Annotated[
        str, typer.Option("--suite", help="mmeb-v2 for score files; runs know their own.")
    ] = "",
    data: DataOption = None,
    html: HtmlOption = None,
    open_page: OpenOption = False,
    json: JsonOption = False,
) -> None:
    """Summarize score files: means by modality and family, what is missing, what is extra."""
    from rzen.cli.pages import write_page
    from rzen.errors import UsageError
    from rzen.evaluation.mmeb.score_files import summarize
    from rzen.evaluation.report.mmeb_page import render_mmeb
    from rzen.evaluation.suites import MMEB, check_suite_name

    if suite:
        check_suite_name(suite)
    if all(path.is_dir() for path in scores):
        _report_runs(scores, data, html, open_page, json)
        return
    if suite and suite != MMEB:
        raise UsageError(
            f"the runs of {suite} are folders: name the folder of the run; a score file is "
            f"averaged by the rules of {MMEB}"
        )
    summaries = [summarize(_read(path), str(path)) for path in scores]
    if html or open_page:
        write_page(html, open_page, render_mmeb(summaries[0], summaries[1:]))
    if json:
        output.emit(summaries[0] if len(summaries) == 1 else {"reports": summaries})
        return
    for path, summary in zip(scores, summaries, strict=True):
        _say(path, summary)


def _report_runs(
    folders: list[Path], data: Path | None, html: Path | None, open_page: bool, json: bool
) -> None:
    from rzen.cli.pages import write_page
    from rzen.evaluation.report.overview import summarise_run
    from rzen.evaluation.report.run_page import render_run
    from rzen.evaluation.run_folder import read_run
    from rzen.evaluation.suites import open_suite

    first, *others = [read_run(folder) for folder in folders]
    if html or open_page:
        suite = open_suite(first.suite, split=first.split, data=data)
        write_page(html, open_page, render_run(first, suite.load, others=others))
    summary = summarise_run(first, others)
    if json:
        output.emit(summary)
    else:
        say_run(summary)


def _read(path: Path) -> Any:
    from rzen.errors import DataError

    try:
        return json_library.loads(path.read_text(encoding="utf-8"))
    except IsADirectoryError:
        raise DataError(
            f"{path} is a folder among score files: runs and score files are not read together; "
            "give the runs alone, or the files alone"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read the score file {path}: {error}: name a file in MMEB's public form, or "
            "the folder of a run"
        ) from None


def _say(path: Path, summary: "Mapping[str, Any]") -> None:
    overall = summary["overall"]
    said = f"{overall:.4f}" if overall is not None else "not given: sets are missing"
    output.say(f"{path.name}: overall {said}")
    for name, group in summary["modalities"].items():
        mean = f"{group['mean']:.4f}" if group["mean"] is not None else "-"
        output.say(f"  {name:8} {mean:>7}   {group['sets']} sets")
        for what in ("missing", "extra"):
            if group[what]:
                output.say(f"           {what}: {', '.join(group[what])}")
    for name, family in summary["families"].items():
        mean = f"{family['mean']:.4f}" if family["mean"] is not None else "-"
        output.say(f"    {name:26} {mean:>7}   {family['sets']} sets")
    for note in summary["notes"]:
        output.say(f"  note: {note}")
