"""Writes result pages and opens them."""

import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rzen.cli import output
from rzen.errors import EncoderError, MediaError, UsageError

if TYPE_CHECKING:
    from rzen.api import Index
    from rzen.search.query import Query
    from rzen.types import Answer, Explanation, Hit


def show_page(  # noqa: PLR0913
    target: Path | None,
    open_page: bool,
    *,
    heading: str,
    pictures: Sequence[str] = (),
    minus: Sequence[str] | None = None,
    hits: Sequence["Hit"] = (),
    answer: "Answer | None" = None,
    explanations: "Mapping[str, Explanation] | None" = None,
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
        explanations=explanations or {},
    )
    write_page(target, open_page, render(Document(title="rzen", blocks=[block])))


def explained(index: "Index", hits: Sequence["Hit"], query: "Query") -> "dict[str, Explanation]":
    """Why the first hits that can be seen matched, by id; one that cannot be explained is named."""
    from rzen.search.compose import query_vector

    seen = [hit for hit in hits if hit.modality != "text"]
    if not seen:
        return {}
    vector_D = query_vector(query, index.encoder)  # once, not for every hit
    found = {}
    for hit in seen[: index.settings.search.explained]:
        try:
            found[hit.id] = index.explain(hit, vector_D)
        except (MediaError, EncoderError) as error:
            output.complain(f"not explained: {error}")
    return found


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
    if open_page:
        with _quiet_stdout():
            opened = webbrowser.open(target.absolute().as_uri())
        if not opened:
            output.complain(f"no browser could be started: open {target} yourself")


@contextmanager
def _quiet_stdout() -> Iterator[None]:
    """What a browser prints goes to standard error: standard output belongs to our document."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
