"""rzen list: what is in an index."""

from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import IndexOption, JsonOption, SetOption, open_index


def run(
    index: IndexOption = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only files that failed.")] = False,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """List the files of an index, and how many records there are."""
    with open_index(index, settings) as opened:
        rows = [row for row in opened.files().values() if row.reason or not failed]
        counts = opened.counts()
        encoder = opened.catalog.fingerprint.encoder
    if json:
        output.emit(
            {
                "encoder": encoder,
                "records": dict(counts.records),
                "files": [
                    {"uri": row.path, "size": row.size, "reason": row.reason} for row in rows
                ],
            }
        )
        return
    for row in rows:
        output.say(row.path + (f"  failed: {row.reason}" if row.reason else ""))
    made = ", ".join(f"{count} {name}" for name, count in sorted(counts.records.items()))
    output.say(f"{len(rows)} files; records: {made or 'none'}; encoder: {encoder}")
