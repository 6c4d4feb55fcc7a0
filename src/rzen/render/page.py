"""Hits and answers as one HTML file that needs nothing else: no script, no remote image.

What was retrieved is data: it is escaped, shown as text, and never followed. A strict
content-security policy backs that up.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rzen.render import explained
from rzen.render.shown import shown
from rzen.types import Answer, Explanation, Hit, clock

SNIPPET_CHARS = 320
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".webm", ".mov", ".mkv", ".avi"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryImage:
    """A picture of the query to show beside its words.

    Attributes:
        jpeg: the thumbnail's bytes.
        caption: such as the file's name.
    """

    jpeg: bytes
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One query and what came of it.

    Attributes:
        heading: what was asked.
        kind: such as "text → image".
        images: pictures of the query.
        hits: what was found, best first.
        answer: what was answered, where something was asked.
        note: a line beneath the heading.
        explanations: id of a hit -> why it matched.
    """

    heading: str
    kind: str = ""
    images: Sequence[QueryImage] = ()
    hits: Sequence[Hit] = ()
    answer: Answer | None = None
    note: str = ""
    explanations: Mapping[str, Explanation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole page.

    Attributes:
        title: on top.
        blocks: from top to bottom.
        facts: label -> value, small, beneath the title.
    """

    title: str
    blocks: Sequence[Block]
    facts: dict[str, str] = field(default_factory=dict)


def render(document: Document) -> str:
    """The page as HTML."""
    style = _resource("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return str(_template().render(document=document, style=style, style_hash=digest))


def file_url(path: str, fragment: str = "") -> str:
    """A file's address for a browser; names with any bytes survive.

    >>> file_url("/a b/ü#1.pdf", "page=3")
    'file:///a%20b/%C3%BC%231.pdf#page=3'
    """
    address = "file://" + quote(path.encode("utf-8", "surrogateescape"))
    return f"{address}#{fragment}" if fragment else address


def link(hit: Hit) -> str:
    """Where a click on a hit leads: the page, the second, or the file."""
    if hit.modality == "page" and hit.page is not None:
        return file_url(hit.uri, f"page={hit.page}")
    if hit.modality == "video" and hit.t_start is not None:
        return file_url(hit.uri, f"t={hit.t_start:.2f},{hit.t_end or hit.t_start:.2f}")
    return file_url(hit.uri)


def place(hit: Hit) -> str:
    """Where in its file a hit lies, in words; empty for a whole file."""
    if hit.page is not None:
        return f"page {hit.page}"
    if hit.t_start is not None and hit.t_end is not None:
        return f"{clock(hit.t_start)}-{clock(hit.t_end)}"
    return ""


def snippet(text: str, limit: int = SNIPPET_CHARS) -> str:
    r"""The beginning of a text on one line, cut at a word.

    >>> snippet("one  two\nthree", 9)
    'one two …'
    """
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= limit:
        return line
    return line[: limit + 1].rsplit(" ", 1)[0][:limit] + " …"


def _name(hit: Hit) -> str:
    return Path(hit.uri).name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _data_url(picture: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def _is_playable(hit: Hit) -> bool:
    return hit.modality == "video" and Path(hit.uri).suffix.lower() in VIDEO_SUFFIXES


@cache
def _resource(name: str) -> str:
    return files("rzen.render").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        link=link,
        place=place,
        snippet=snippet,
        clock=clock,
        data_url=_data_url,
        file_name=_name,
        playable=_is_playable,
        shown=shown,
        over=explained.over,
        reach=explained.reach,
        hottest=explained.hottest,
        middle=explained.middle,
        bars=explained.bars,
    )
    return environment.from_string(_resource("page.html.j2"))
