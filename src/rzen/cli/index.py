"""rzen index: bring an index up to date with folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rzen.cli import output
from rzen.cli.options import (
    EncoderOption,
    IndexOption,
    JsonOption,
    SetOption,
    given_path,
    open_index,
)

if TYPE_CHECKING:
    from rzen.ingest.report import Report

SHOWN_FAILURES = 20


def run(  # noqa: PLR0913 (one parameter an option)
    paths: Annotated[
        list[Path], typer.Argument(parser=given_path, metavar="PATH...", help="Folders and files.")
    ],
    index: IndexOption = None,
    encoder: EncoderOption = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also names with a dot.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also what symbolic links point to.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Read files again that failed before.")
    ] = False,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Index folders and files: new and changed files are read, unchanged ones are not.

    May be stopped at any time; the same command goes on where it stopped.
    """
    from rzen.cli.progress import ingest_progress
    from rzen.ingest.pipeline import IngestOptions

    with open_index(index, settings, encoder) as opened:
        with ingest_progress() as on_progress:
            options = IngestOptions(
                hidden=hidden,
                follow_links=follow_links,
                retry_failed=retry_failed,
                on_progress=on_progress,
            )
            report = opened.add(paths, options)
        if json:
            output.emit(_document(report))
        else:
            _say(report, opened.folder)
    if report.interrupted:
        raise typer.Exit(output.INTERRUPTED)
    raise typer.Exit(output.PARTLY if report.failed else output.OK)


def _document(report: "Report") -> dict[str, object]:
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": [{"uri": each.uri, "reason": each.reason} for each in report.failed],
        "skipped": [{"uri": uri, "reason": why} for uri, why in report.skipped.items()],
        "records": report.records,
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
    }


def _say(report: "Report", folder: Path) -> None:
    made = ", ".join(f"{count} {name}" for name, count in sorted(report.records.items()))
    output.say(
        f"{report.indexed} files indexed{f' ({made})' if made else ''}, "
        f"{report.unchanged} unchanged, {report.removed} removed, {len(report.failed)} failed, "
        f"in {report.seconds:.1f} s"
    )
    if report.skipped:
        output.say(f"{len(report.skipped)} skipped on purpose; --json names them")
    for failure in report.failed[:SHOWN_FAILURES]:
        output.say(f"  failed: {failure.uri}: {failure.reason}")
    if len(report.failed) > SHOWN_FAILURES:
        output.say(f"  and {len(report.failed) - SHOWN_FAILURES} more: `rzen list --failed`")
    if report.interrupted:
        output.say("Stopped. What was indexed is kept; the same command goes on from here.")
    else:
        output.say(f"Index: {folder}")
