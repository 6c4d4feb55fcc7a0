"""rzen embed: rows of a file to vectors in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rzen.cli import output
from rzen.cli.options import EncoderOption, JsonOption, SetOption, given_path

if TYPE_CHECKING:
    from rzen.embedding.job import Report

SHOWN = 20


def run(  # noqa: PLR0913 (one parameter an option)
    source: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="INPUT.jsonl",
            help="One object a line: text, image, images, video, page, instruction, role, id.",
        ),
    ],
    target: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=given_path, metavar="OUT.npy|OUT.parquet", help="The vectors."
        ),
    ],
    encoder: EncoderOption = None,
    template: Annotated[
        str | None, typer.Option("--template", help="Another prompt template than the model's own.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"] | None,
        typer.Option("--dtype", help="Of the weights; auto is float32 on a CPU."),
    ] = None,
    dim: Annotated[
        int | None, typer.Option("--dim", min=1, help="Keep the first so many dimensions.")
    ] = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Embed the rows of a file, in their order.

    Paths in rows are relative to the file. A row that cannot be embedded is named, and is NaN in a
    .npy file, or null with its error in a .parquet file. May be stopped at any time; the same
    command goes on where it stopped.
    """
    from rzen.cli.progress import row_progress
    from rzen.config import load_settings, parse_override
    from rzen.embedding.job import checked_rows, embed
    from rzen.encoders import create

    given = {"model.template": template, "model.dtype": dtype}
    overrides = dict(parse_override(text) for text in settings or ())
    overrides |= {name: value for name, value in given.items() if value is not None}
    merged = load_settings(overrides=overrides)
    checked_rows(source, target)
    model = create(
        encoder or merged.encoder, device=merged.device, limits=merged.limits, model=merged.model
    )
    with row_progress() as on_progress:
        report = embed(
            source, model, target, dim=dim, limits=merged.limits, on_progress=on_progress
        )
    if json:
        output.emit(_document(report))
    else:
        _say(report)
    raise typer.Exit(output.PARTLY if report.failed else output.OK)


def _document(report: "Report") -> dict[str, object]:
    return {
        "output": str(report.output),
        "rows": report.rows,
        "dim": report.dim,
        "encoded": report.encoded,
        "failed": list(report.failed),
        "warnings": list(report.warnings),
        "seconds": round(report.seconds, 3),
        "fingerprint": dict(report.fingerprint),
    }


def _say(report: "Report") -> None:
    output.say(
        f"{report.rows} rows of {report.dim} dimensions in {report.output} ({report.encoded} "
        f"encoded now, {len(report.failed)} failed, {report.seconds:.1f} s)"
    )
    for kind, told in (("failed", report.failed), ("warning", report.warnings)):
        for line in told[:SHOWN]:
            output.say(f"  {kind}: {line}")
        if len(told) > SHOWN:
            output.say(f"  and {len(told) - SHOWN} more: --json names them")
