"""rzen remove: take files out of an index."""

from pathlib import Path
from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import IndexOption, JsonOption, SetOption, given_path, open_index
from rzen.errors import UsageError


def run(
    paths: Annotated[
        list[Path], typer.Argument(parser=given_path, metavar="PATH...", help="Files and folders.")
    ],
    index: IndexOption = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Take files, or all files under folders, out of the index; they stay on disk."""
    with open_index(index, settings) as opened:
        removed = opened.remove(paths)
    if not removed:
        raise UsageError(
            f"none of these is in the index: {', '.join(map(str, paths))}. "
            "`rzen list` shows what is"
        )
    if json:
        output.emit({"removed": removed})
    else:
        output.say(f"{removed} files taken out of the index")
