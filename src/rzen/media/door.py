"""The one bounded way from a content's part to pixels and text, for queries and for indexing."""

from dataclasses import dataclass
from pathlib import Path

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import image, ocr, pdf, video
from rzen.media.formats import Kind, sniff
from rzen.media.source import label
from rzen.types import Frames, Image, MediaBudget, Page, Part, Source, Text, Video


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """What a part holds.

    Attributes:
        frames: one still for a picture or a page, the sampled frames with their times for a video;
            ``None`` for a text.
        text: of a text, or of a page (its text layer, or OCR); else empty.
    """

    frames: Frames | None
    text: str = ""


def open(part: Part, *, budget: MediaBudget, limits: Limits) -> Opened:
    """Opens a part in this process.

    The result depends on the file, the budget and the limits alone, and is what a decoder process
    delivers for the same file: a picture in a query has the very pixels it was indexed with. Pixels
    that are decoded already pass through untouched.

    Args:
        part: what to open.
        budget: pixels and frames, at most.
        limits: what a file may ask for.

    Raises:
        MediaError: if it is of another kind than the part says, over a limit, or damaged.
    """
    match part:
        case Text(text):
            return Opened(frames=None, text=text)
        case Page(Frames() as frames, _, text):
            return Opened(frames=frames, text=text or "")
        case Image(Frames() as frames) | Video(Frames() as frames):
            return Opened(frames=frames)
        case Image(source):
            picture = image.read(_local(source, "image"), pixels=budget.image_pixels, limits=limits)
            return Opened(frames=Frames(pixels=(picture.pixels,)))
        case Video(source, t_start, t_end):
            local = _local(source, "video")
            return Opened(frames=video.sample(local, t_start, t_end, budget=budget, limits=limits))
        case Page(source, number, text):
            return _open_page(source, number, text, budget, limits)


def _open_page(
    source: Source, number: int, text: str | None, budget: MediaBudget, limits: Limits
) -> Opened:
    local = _local(source, "pdf", "image")
    if sniff(local) == "pdf":
        page = pdf.sheet(
            local,
            number=number,
            pixels=budget.page_pixels,
            limits=limits,
            read_pixels=text is None,
        )
        return Opened(
            frames=Frames(pixels=(page.pixels,)), text=page.text if text is None else text
        )
    if number != 1:
        raise MediaError(f"{label(local)}: a picture is one page, there is no page {number}")
    scan = image.read(local, pixels=budget.page_pixels, limits=limits)
    if text is None:
        legible = image.read(local, pixels=limits.page_pixels, limits=limits)
        text = ocr.read(legible.pixels) if ocr.available() else ""
    return Opened(frames=Frames(pixels=(scan.pixels,)), text=text)


_WANTED: dict[Kind, str] = {
    "image": "an Image",
    "video": "a Video",
    "pdf": "a Page",
    "text": "a Text",
}


def _local(source: Source, *wanted: Kind) -> Path | bytes:
    assert not isinstance(source, Frames)
    if isinstance(source, str):
        raise MediaError(
            f"{source}: fetching URLs is not supported yet: download it and give the file's path "
            "(a Path, not a str)"
        )
    kind = sniff(source)
    if kind not in wanted:
        raise MediaError(
            f"{label(source)}: its content is {kind}, not {' or '.join(wanted)}: give it as "
            f"{_WANTED[kind]}"
        )
    return source
