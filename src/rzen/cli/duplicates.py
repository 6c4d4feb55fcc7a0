"""rzen duplicates: files with equal or nearly equal content."""

from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import IndexOption, JsonOption, SetOption, open_index


def run(
    index: IndexOption = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0.0, max=1.0, help="Cosine from which two are alike."),
    ] = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """List groups of files with equal or nearly equal content."""
    with open_index(index, settings) as opened:
        groups = opened.duplicates(threshold=threshold)
    if json:
        output.emit(
            {
                "groups": [
                    {
                        "similarity": group.similarity,
                        "hits": [output.hit_document(hit) for hit in group.hits],
                    }
                    for group in groups
                ]
            }
        )
        return
    for group in groups:
        output.say(f"similarity {group.similarity:.3f}")
        for hit in group.hits:
            for path in hit.paths:
                output.say(f"  {path}")
    if not groups:
        output.say("No duplicates.")
