"""rzen export: an encoder as a folder that plain sentence-transformers loads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption, given_path

if TYPE_CHECKING:
    from rzen.encoders.export import Exported


def run(
    encoder: Annotated[
        str, typer.Argument(metavar="ENCODER", help="A model's folder, or its name on a hub.")
    ],
    folder: Annotated[
        Path, typer.Argument(parser=given_path, metavar="DIR", help="The new folder.")
    ],
    template: Annotated[
        str | None,
        typer.Option("--template", help="Prompt template. Default: the model's own."),
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option("--dtype", help="Of the weights. Default: as they are."),
    ] = None,
    allow_other_positions: Annotated[
        bool,
        typer.Option(
            "--allow-other-positions",
            help="Also where vectors of pictures will differ, since others cannot place their "
            "tokens as the template does.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write an encoder as a model of sentence-transformers, which loads it without rzen.

    The vectors of both are compared before the folder is put in place.
    """
    from rzen.cli.progress import step_progress
    from rzen.encoders.export import export

    with step_progress() as on_step:
        exported = export(
            encoder,
            folder.expanduser(),
            template=template,
            dtype=dtype,
            allow_other_positions=allow_other_positions,
            on_step=on_step,
        )
    if json:
        output.emit(_document(exported))
    else:
        _say(exported)


def _document(exported: "Exported") -> dict[str, object]:
    return {
        "folder": exported.folder,
        "family": exported.family,
        "template": exported.template,
        "probes": [
            {"name": each.name, "distance": each.distance, "because": each.because or None}
            for each in exported.outcomes
        ],
        "differences": exported.differences,
    }


def _say(exported: "Exported") -> None:
    output.say("Cosine distances to rzen's vectors, of plain sentence-transformers:")
    for each in exported.outcomes:
        because = f"  {each.because}" if each.because else ""
        output.say(f"  {each.distance:8.1e}  {each.name}{because}")
    for difference in exported.differences:
        output.say(f"Differs: {difference}")
    output.say(
        f'Exported: {exported.folder}; load it with SentenceTransformer("{exported.folder}")'
    )
