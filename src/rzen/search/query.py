"""What is asked: a text, pictures, videos or pages together, less what should stay away."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.errors import MediaError, UsageError
from rzen.media.formats import sniff
from rzen.types import Content, Frames, Image, Page, Part, Source, Text, Video

Medium: TypeAlias = str | Path | bytes | NDArray[np.uint8] | Frames
"""A file's name, its bytes, or pixels: (H, W, 3) of a picture, (T, H, W, 3) of a video."""

MediaInput: TypeAlias = Medium | Sequence[Medium] | None
"""One medium, several, or none."""

MinusInput: TypeAlias = str | Path | Content | Sequence[str | Path | Content]
"""One or several things to stay away from: texts, paths of media, contents."""

_PAGE_NUMBER = re.compile(r"^(?P<name>.+)#(?P<number>\d{1,9})$", re.DOTALL)
_URL = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """What is asked; its positive parts are encoded together, as one content.

    Attributes:
        text: words, which are also looked up as words.
        images: pictures.
        videos: videos.
        pages: pages of documents.
        minus: what hits should be unlike: ``q - minus_weight * mean(minus)``, normalised.
        minus_weight: 0 leaves the query alone; 1 takes the whole mean away.

    Raises:
        UsageError: if there is nothing positive in it.
    """

    text: str | None = None
    images: tuple[Image, ...] = ()
    videos: tuple[Video, ...] = ()
    pages: tuple[Page, ...] = ()
    minus: tuple[str | Content, ...] = ()
    minus_weight: float = 0.5

    def __post_init__(self) -> None:
        if not self.parts:
            only = " besides what should stay away" if self.minus else ""
            raise UsageError(f"there is nothing to search for{only}: give a text or a picture")

    @property
    def parts(self) -> tuple[Part, ...]:
        """The positive parts, the text first; a blank text is none."""
        text = (Text(self.text),) if self.text and self.words else ()
        return (*text, *self.images, *self.videos, *self.pages)

    @property
    def words(self) -> str:
        """The text without blanks around it; empty where there is none."""
        return (self.text or "").strip()

    @property
    def has_media(self) -> bool:
        """Whether it is more than a text."""
        return bool(self.images or self.videos or self.pages)

    @property
    def content(self) -> Content:
        """The positive parts as one content."""
        return Content(*self.parts)

    @property
    def away(self) -> tuple[Content, ...]:
        """The contents of ``minus``."""
        return tuple(
            Content(Text(entry)) if isinstance(entry, str) else entry for entry in self.minus
        )


def build_query(
    text: str | None = None,
    *,
    image: MediaInput = None,
    video: MediaInput = None,
    page: MediaInput = None,
    minus: MinusInput = (),
) -> Query:
    """Builds a query from what a caller or the command line gives.

    Args:
        text: words.
        image: one picture or a list of them.
        video: one video or a list of them.
        page: one page or a list of them; ``report.pdf#3`` is the third page, without a number it
            is the first. A file that is really named ``report.pdf#3`` goes before that reading.
        minus: what hits should be unlike. A text that names an existing picture, video or PDF
            (``report.pdf#3`` too) stands for it; any other text stands for itself.

    Raises:
        UsageError: if a file is missing, pixels have the wrong shape, or nothing positive is left.
    """
    entries = [minus] if isinstance(minus, str | Path | Content) else list(minus)
    return Query(
        text=text,
        images=tuple(Image(_source(one, dims=3)) for one in _listed(image)),
        videos=tuple(Video(_source(one, dims=4)) for one in _listed(video)),
        pages=tuple(_page(one) for one in _listed(page)),
        minus=tuple(one if isinstance(one, Content) else _minus(one) for one in entries),
    )


def split_page(name: str | Path) -> tuple[Path, int | None]:
    """Splits ``report.pdf#3`` into file and page; a file of that very name stays whole.

    >>> split_page("no-such.pdf#3")
    (PosixPath('no-such.pdf'), 3)
    >>> split_page("no-such.pdf")
    (PosixPath('no-such.pdf'), None)
    """
    whole = expanded(name)
    match = _PAGE_NUMBER.match(str(whole))
    if match is None or whole.is_file():
        return whole, None
    return Path(match["name"]), int(match["number"])


def expanded(name: str | Path) -> Path:
    """A path with ``~`` resolved; one of an unknown user stays as it is."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def media_content(path: Path, page: int | None = None) -> Content | None:
    """The picture, video or page in a file; ``None`` when the file is something else.

    Raises:
        UsageError: if it has pages and ``page`` is 0.
    """
    try:
        kind = sniff(path)
    except MediaError:
        return None
    if kind == "pdf":
        return Content(Page(path, _counted(page, path)))
    if page is not None:
        return None
    if kind == "image":
        return Content(Image(path))
    return Content(Video(path)) if kind == "video" else None


def _listed(given: MediaInput) -> list[Medium]:
    if given is None:
        return []
    if isinstance(given, str | Path | bytes | np.ndarray | Frames):
        return [given]
    return list(given)


def _source(given: Medium, *, dims: int) -> Source:
    if isinstance(given, bytes | Frames):
        return given
    if isinstance(given, np.ndarray):
        return _frames(given, dims)
    if isinstance(given, str) and _URL.match(given):
        return given
    return _file(expanded(given))


def _frames(pixels: NDArray[np.uint8], dims: int) -> Frames:
    if pixels.ndim != dims or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        wanted = "(H, W, 3)" if dims == 3 else "(T, H, W, 3)"
        raise UsageError(
            f"pixels must be uint8 RGB of shape {wanted}, "
            f"not {pixels.dtype} of shape {pixels.shape}"
        )
    return Frames(pixels=tuple(pixels) if dims == 4 else (pixels,))


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    problem = "is a folder, not a file" if path.is_dir() else "does not exist"
    raise UsageError(f"{path} {problem}: check its name, or give the whole path")


def _page(given: Medium) -> Page:
    if not isinstance(given, str | Path) or (isinstance(given, str) and _URL.match(given)):
        return Page(_source(given, dims=3))
    path, number = split_page(given)
    return Page(_file(path), _counted(number, path))


def _counted(number: int | None, path: Path) -> int:
    if number == 0:
        raise UsageError(f"{path} has no page 0: pages are counted from 1, as in {path.name}#1")
    return number or 1


def _minus(entry: str | Path) -> str | Content:
    try:
        path, number = split_page(entry)
        content = media_content(path, number) if path.is_file() else None
    except (OSError, ValueError):  # a text may be longer than a name, or hold a NUL
        return str(entry)
    if content is None and isinstance(entry, Path):
        _file(entry)
        raise UsageError(f"{entry} is no picture, video or PDF: give its words instead")
    return content or str(entry)
