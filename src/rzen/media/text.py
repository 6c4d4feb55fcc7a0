"""Text files: encodings, visible text of HTML, and passages."""

import codecs
import re
from collections import deque
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media.source import label, opened

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\v\b\x1b")
_CONTROL_SHARE = 0.001
_ALIKE = 0.15  # of charset-normalizer's measure of disorder, in [0, 1]
_DETECT_BYTES = 256 * 1024
_HTML_NAMES = frozenset({".html", ".htm", ".xhtml"})
# Possessive and atomic throughout: comments that were found are not taken apart again.
_HTML_START = re.compile(
    r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?>(?><!--.*?-->)\s*+)*+<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_MARKDOWN_NAMES = frozenset({".md", ".markdown"})
_MARKDOWN_TITLE = re.compile(r"^# ++(.+)$", re.MULTILINE)
_TITLE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    r"""A text file, decoded.

    Attributes:
        text: with newlines as ``\n``; of HTML the visible text only.
        title: of HTML and Markdown; empty where there is none.
        remark: what was lost in decoding; empty when nothing was.
    """

    text: str
    title: str = ""
    remark: str = ""


def looks_like_text(head: bytes) -> bool:
    """Whether the beginning of a file reads as text in some encoding.

    >>> looks_like_text("naïve".encode("latin-1")), looks_like_text(bytes(range(32)))
    (True, False)
    """
    if any(head.startswith(mark) for mark, _ in _BOMS):
        return True
    controls = sum(head.count(code) for code in _CONTROLS)
    if controls > _CONTROL_SHARE * len(head) or not head.strip():
        return False
    return _is_utf8(head) or _detect(head) is not None


def read(source: Path | bytes, *, limits: Limits) -> Document:
    """Decodes a text file.

    UTF-8 and byte order marks are believed; other encodings are guessed with charset-normalizer
    from the first 256 KB.

    Raises:
        MediaError: if it cannot be read, is too large, or is no text.
    """
    with opened(source, limit=limits.text_bytes) as file:
        data = file.read(limits.text_bytes + 1)
    if not looks_like_text(data[:_DETECT_BYTES]):
        raise MediaError(f"{label(source)}: binary data or an unknown encoding, not text")
    text, remark = _decode(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    if suffix in _HTML_NAMES or _HTML_START.match(text):
        text, title = visible_text(text)
    else:
        title = _markdown_title(text) if suffix in _MARKDOWN_NAMES else ""
    return Document(text=text, title=title[:_TITLE_CHARS], remark=remark)


def visible_text(html: str) -> tuple[str, str]:
    r"""The text that a browser would show, and the title.

    The standard library's parser is enough: it forgives broken markup and fetches nothing, and
    only visibility and line breaks are asked for, where extractors of "main content" drop text.

    >>> visible_text("<title>T</title><p>One<br>two</p><script>x()</script><p>three")
    ('One\ntwo\n\nthree', 'T')
    """
    parser = _VisibleText()
    parser.feed(html)
    parser.close()
    text = "\n".join(line.strip(" \t\xa0") for line in "".join(parser.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip(), " ".join("".join(parser.title).split())


def passages(text: str, *, chars: int, overlap: int) -> list[tuple[int, int]]:
    """Cuts a text into passages at borders of paragraphs, else lines, sentences, words.

    Args:
        text: the whole of it.
        chars: length of a passage, at most; a border in its second half is preferred to this
            length, the strongest kind first.
        overlap: characters that a passage may share with the one before, at most; used only where
            the cut falls inside a paragraph.

    Returns:
        start and end offsets, ascending; whitespace at the edges is left out, all else is covered.
    """
    assert chars > 0, chars
    spans: list[tuple[int, int]] = []
    start = _skip_space(text, 0)
    while start < len(text):
        end, shares = _border(text, start, chars)
        stop = start + len(text[start:end].rstrip())
        if not spans or stop > spans[-1][1]:  # all of it may be what the one before has, too
            spans.append((start, stop))
        following = _skip_space(text, end)
        if shares and following < len(text):
            following = _back_up(text, start, end, min(overlap, chars // 2))
        start = following
    return spans


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _detect(data: bytes) -> str | None:
    from charset_normalizer import from_bytes  # noqa: PLC0415

    matches = from_bytes(data[:_DETECT_BYTES])
    best = matches.best()
    if best is None:
        return None
    # Short texts fit several code pages alike; the western one is by far the commonest.
    western = any(
        "cp1252" in match.could_be_from_charset
        and match.coherence >= best.coherence
        and match.chaos <= best.chaos + _ALIKE
        for match in matches
    )
    return "cp1252" if western else best.encoding


def _decode(data: bytes) -> tuple[str, str]:
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if encoding is None:
        encoding = "utf-8" if _is_utf8(data[:_DETECT_BYTES]) else _detect(data) or "utf-8"
    try:
        return data.decode(encoding), ""
    except UnicodeDecodeError as error:
        lost = f"not all of it is {encoding} (byte {error.start:,}): what could not be read is "
        return data.decode(encoding, "replace"), lost + "marked with U+FFFD"


def _markdown_title(text: str) -> str:
    found = _MARKDOWN_TITLE.search(text)
    title = found[1].rstrip() if found else ""
    bare = title.rstrip("#")
    return bare.rstrip() if bare.endswith(" ") else title  # "# C#" keeps its mark


_BORDERS = (
    (re.compile(r"\n\s*\n"), False),
    (re.compile(r"\n"), True),
    (re.compile(r"[.!?…][\"'\u2019\u201d)\]]*\s|[\u3002\uff01\uff1f]"), True),
    (re.compile(r"\s"), True),
)


def _border(text: str, start: int, chars: int) -> tuple[int, bool]:
    """Where the passage from ``start`` ends, and whether the next may share some of it."""
    if len(text) - start <= chars:
        return len(text), False
    for pattern, shares in _BORDERS:
        found = deque(pattern.finditer(text, start + chars // 2, start + chars + 1), maxlen=1)
        if found:
            return min(found[0].end(), start + chars), shares
    return start + chars, True


def _back_up(text: str, start: int, end: int, overlap: int) -> int:
    """The first border of a sentence, else a word, in the last ``overlap`` characters."""
    low = max(start + 1, end - overlap)
    for pattern, _ in _BORDERS[1:]:
        # The border itself may lie before the overlap, where the text behind it does not.
        found = pattern.search(text, max(start, low - 1), end)
        if found and low <= found.end() < end and text[found.end() : end].strip():
            return _skip_space(text, found.end())
    return _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


class _VisibleText(HTMLParser):
    _HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math"})
    _BLOCKS = frozenset(
        re.findall(
            r"\w+",
            "address article aside blockquote center dd details dialog div dl dt fieldset "
            "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol option p pre "
            "section summary table tbody tfoot thead tr ul",
        )
    )
    _PARAGRAPHS = frozenset(
        re.findall(r"\w+", "p h1 h2 h3 h4 h5 h6 table ul ol dl blockquote pre section")
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.title: list[str] = []
        self._hidden: list[str] = []
        self._in_title = False
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._HIDDEN:
            self._hidden.append(tag)
        elif tag == "title" and not self._hidden:
            self._in_title = True
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append("\t")
        elif tag == "img" and not self._hidden:
            self.handle_data(dict(attrs).get("alt") or "")
        if tag == "pre":
            self._pre += 1
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            # An inner element that was never closed ends with the outer one.
            del self._hidden[self._hidden.index(tag) :]
        if tag == "title":
            self._in_title = False
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._in_title:
            self.title.append(data)
        elif self._pre:
            self.pieces.append(data)
        elif words := re.sub(r"\s+", " ", data):
            at_start = not self.pieces or self.pieces[-1][-1:].isspace()
            self.pieces.append(words.lstrip() if at_start else words)

    def _break(self, tag: str) -> None:
        if tag in self._PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag in self._BLOCKS:
            self.pieces.append("\n")
