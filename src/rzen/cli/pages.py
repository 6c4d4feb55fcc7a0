"""Writes result pages and opens them."""

import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rzen.cli import output
from rzen.errors import UsageError

if TYPE_CHECKING:
    from rzen.types import Answer, Hit


def show_page(  # noqa: PLR0913
    target: Path | None,
    open_page: bool,
    *,
    heading: str,
    pictures: Sequence[str] = (),
    minus: Sequence[str] | None = None,
    hits: Sequence["Hit"] = (),
    answer: "Answer | None" = None,
) -> None:
    """Writes the page of one query and opens it where that is asked for."""
    from rzen.render.page import Block, Document, render
    from rzen.render.pictures import query_images

    block = Block(
        heading=heading,
        note=f"without: {', '.join(minus)}" if minus else "",
        images=query_images(pictures),
        hits=hits,
        answer=answer,
    )
    write_page(target, open_page, render(Document(title="rzen", blocks=[block])))


def write_page(target: Path | None, open_page: bool, html: str) -> None:
    """Writes a page to ``target``, or to a temporary file that the browser is shown."""
    if target is None:
        with tempfile.NamedTemporaryFile(prefix="rzen-", suffix=".html", delete=False) as stream:
            target = Path(stream.name)
    try:
        target.write_text(html, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from None
    if not output.wants_json():
        output.say(f"Page: {target}")
    if open_page and not webbrowser.open(target.absolute().as_uri()):
        output.complain(f"no browser could be started: open {target} yourself")
