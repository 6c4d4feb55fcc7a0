"""The commands: one module a verb."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from rzen.cli import (
    ask,
    config,
    duplicates,
    index,
    listing,
    output,
    remove,
    search,
    similar,
    verify,
)
from rzen.errors import RzenError
from rzen.version import __version__

VERBS: dict[str, Callable[..., Any]] = {
    "index": index.run,
    "search": search.run,
    "ask": ask.run,
    "similar": similar.run,
    "duplicates": duplicates.run,
    "list": listing.run,
    "remove": remove.run,
    "verify": verify.run,
    "config": config.run,
}

app = typer.Typer(
    name="rzen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Search a folder of text, images, video and PDF pages, and ask it.",
)
for name, verb in VERBS.items():
    app.command(name)(verb)


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
    """Runs the command line; users' errors are one line and exit status 2."""
    try:
        app()
    except RzenError as error:
        output.complain(str(error))
        if output.wants_json():
            output.emit({"error": str(error)})
        sys.exit(output.CANNOT)
    except KeyboardInterrupt:
        output.complain("interrupted")
        sys.exit(output.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`rzen list | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(output.OK)
