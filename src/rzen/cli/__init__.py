"""The commands: one module a verb."""

import io
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from rzen.cli import (
    ask,
    config,
    doctor,
    duplicates,
    embed,
    encoders,
    evaluation,
    export,
    generators,
    index,
    listing,
    output,
    remove,
    search,
    similar,
    soup,
    training,
    verify,
)
from rzen.errors import RzenError
from rzen.version import __version__

# What all errors of the parser descend from; typer does not export it.
_ParserError: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

VERBS: dict[str, Callable[..., Any]] = {
    "index": index.run,
    "search": search.run,
    "ask": ask.run,
    "similar": similar.run,
    "embed": embed.run,
    "encoders": encoders.run,
    "doctor": doctor.run,
    "duplicates": duplicates.run,
    "list": listing.run,
    "remove": remove.run,
    "verify": verify.run,
    "train": training.run,
    "export": export.run,
    "soup": soup.run,
    "config": config.run,
}


class _Group(typer.core.TyperGroup):
    """Lets an interrupt through to :func:`main`; typer would end with 130 and say nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="rzen",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Search a folder of text, images, video and PDF pages, and ask it.",
)
for name, verb in VERBS.items():
    app.command(name)(verb)
app.add_typer(evaluation.app, name="eval")
app.add_typer(generators.app, name="generators")


def _version(value: bool) -> None:
    if value:
        output.say(f"rzen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Search a folder of text, images, video and PDF pages, and ask it."""


def main() -> None:
    """Runs the command line; users' errors are one line (and one document) and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character of some file's name must not stop us.
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a question with a byte that is no text
    try:
        sys.exit(app(standalone_mode=False))
    except _ParserError as error:
        error.show()
        _fail(error.format_message(), output.CANNOT)
    except (typer.Abort, KeyboardInterrupt):
        output.complain("interrupted: the same command goes on where it stopped")
        _fail("interrupted", output.INTERRUPTED)
    except RzenError as error:
        output.complain(str(error))
        _fail(str(error), output.CANNOT)
    except OSError as error:
        output.complain(str(error))
        _fail(str(error), output.CANNOT)


def _fail(message: str, status: int) -> NoReturn:
    if output.wants_json():
        output.emit({"error": message})
    sys.exit(status)
