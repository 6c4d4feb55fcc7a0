"""Options that several commands share, each spelled once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rzen.cli.output import complain
from rzen.errors import UsageError

if TYPE_CHECKING:
    from rzen.api import Index
    from rzen.index.lock import Holder


def given_path(text: str) -> Path:
    """A path from the command line; an empty one is a slip (an unset variable), not this folder.

    Raises:
        UsageError: if it is empty.
    """
    if not text:
        raise UsageError("a path is empty: is a variable unset? `.` is the folder you are in")
    return Path(text)


IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index",
        parser=given_path,
        metavar="NAME.rzen",
        help="The index. Default: your own, in your home.",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", help="mini, a model's name on a hub, a local folder, or an address."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting; `rzen config` lists them."),
]
CountOption = Annotated[int | None, typer.Option("--k", "-k", min=1, help="How many hits.")]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Also write a page with pictures."),
]
OpenOption = Annotated[bool, typer.Option("--open", help="Open that page in the browser.")]
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Show where hits are like the query (with --open or --html)."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", parser=given_path, metavar="FOLDER", help="Where the suite lies."),
]
ModalityOption = Annotated[
    list[str] | None,
    typer.Option("--modality", "-m", help="Only text, image, video or page. May be repeated."),
]
PathOption = Annotated[
    str | None,
    typer.Option("--path", metavar="GLOB", help="Only files like this, for example '*.pdf'."),
]
AfterOption = Annotated[
    str | None,
    typer.Option(
        "--after", metavar="DATE", help="Only what was taken or changed since, e.g. 2024-05-01."
    ),
]
BeforeOption = Annotated[
    str | None,
    typer.Option("--before", metavar="DATE", help="Only what was taken or changed before."),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only this metadata, e.g. width>=1000 or 'camera=Google Pixel 8'. Repeatable.",
    ),
]


def check_no_options(context: typer.Context) -> None:
    """Sees to it that no option stands between a group of commands and the command.

    It would be the group's own, and change nothing.

    Raises:
        UsageError: if there is one; it is named.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            command = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"{parameter.opts[0]} does not belong before {context.invoked_subcommand}: put it "
                f"behind, where  {command} --help  lists it, or leave it out"
            )


def open_index(
    index: Path | None, settings: list[str] | None, encoder: str | None = None
) -> "Index":
    """The index a command works on, with the settings of file, environment and command line."""
    from rzen.api import Index
    from rzen.config import load_settings, parse_override

    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))
    return Index.open(index or merged.index, encoder, settings=merged, on_wait=_say_holder)


def _say_holder(holder: "Holder | None") -> None:
    complain(f"waiting for {holder or 'another process'}, which is writing to this index")
