"""One file to its segments: passages, a picture, clips of a video, pages.

This runs inside decoder processes. Segments leave them as messages (:func:`pack`) and become
segments again on the other side (:func:`unpack`).
"""

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rzen.config import IngestSettings, Limits
from rzen.errors import MediaError
from rzen.media import image, pdf, preview, text, video
from rzen.media.formats import sniff
from rzen.media.message import Message
from rzen.media.source import label
from rzen.types import (
    Content,
    Frames,
    Image,
    MediaBudget,
    Metadata,
    Modality,
    Page,
    Span,
    Text,
    Video,
)

TASK = "rzen.ingest.segment:messages"
"""What a :class:`rzen.media.worker.DecoderPool` is given to run :func:`segments`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """What becomes one record.

    Attributes:
        modality: what it is.
        span: where in the file.
        content: what to encode; media are decoded already.
        text: of a passage or a page; else empty.
        metadata: what filters can ask for.
        preview: a JPEG whose longer side has 320 pixels at most; ``None`` for passages.
    """

    modality: Modality
    span: Span
    content: Content
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    preview: bytes | None = None


def segments(
    path: Path, *, budget: MediaBudget, limits: Limits, settings: IngestSettings
) -> Generator[Segment, None, str]:
    """The segments of a file, in the order of the file.

    Args:
        path: the file; what it is, is told by its content.
        budget: what the encoder wants to see, at most.
        limits: what the file may ask for.
        settings: lengths of passages and clips, and whether pages are read with OCR.

    Returns:
        What of the file could not be read, as a sentence; empty when all of it was. (The value of
        ``yield from``, or of ``StopIteration``.)

    Raises:
        MediaError: if nothing of it can be read, or a limit is exceeded.
    """
    kind = sniff(path)
    if kind == "text":
        return (yield from _passages(path, limits, settings))
    if kind == "image":
        return (yield from _picture(path, budget, limits))
    if kind == "video":
        return (yield from _clips(path, budget, limits, settings))
    return (yield from _pages(path, budget, limits, settings))


def _passages(
    path: Path, limits: Limits, settings: IngestSettings
) -> Generator[Segment, None, str]:
    document = text.read(path, limits=limits)
    spans = text.passages(
        document.text, chars=settings.passage_chars, overlap=settings.passage_overlap
    )
    if not spans:
        raise MediaError(f"{label(path)}: there is no text in it")
    metadata = {"title": document.title} if document.title else {}
    for start, end in spans:
        passage = document.text[start:end]
        yield Segment(
            modality="text",
            span=Span(char_start=start, char_end=end),
            content=Content(Text(passage)),
            text=passage,
            metadata=metadata,
        )
    return document.remark


def _picture(path: Path, budget: MediaBudget, limits: Limits) -> Generator[Segment, None, str]:
    picture = image.read(path, pixels=budget.image_pixels, limits=limits)
    yield Segment(
        modality="image",
        span=Span(),
        content=Content(Image(Frames(pixels=(picture.pixels,)))),
        metadata=picture.metadata,
        preview=preview.jpeg(picture.pixels),
    )
    return ""


def _clips(
    path: Path, budget: MediaBudget, limits: Limits, settings: IngestSettings
) -> Generator[Segment, None, str]:
    clips = video.scan(
        path,
        budget=budget,
        limits=limits,
        shortest=settings.segment_min_seconds,
        longest=settings.segment_max_seconds,
    )
    while True:
        try:
            clip = next(clips)
        except StopIteration as end:
            return str(end.value)
        middle = clip.frames.pixels[len(clip.frames.pixels) // 2]
        yield Segment(
            modality="video",
            span=Span(t_start=clip.t_start, t_end=clip.t_end),
            content=Content(Video(clip.frames, clip.t_start, clip.t_end)),
            metadata=clip.metadata,
            preview=preview.jpeg(middle),
        )


def _pages(
    path: Path, budget: MediaBudget, limits: Limits, settings: IngestSettings
) -> Generator[Segment, None, str]:
    lost: list[tuple[int, str]] = []
    with pdf.Pdf(path, limits) as document:
        for number in range(1, document.pages + 1):
            try:
                sheet = document.sheet(number, pixels=budget.page_pixels, read_pixels=settings.ocr)
            except MediaError as error:
                lost.append((number, str(error)))
                continue
            yield Segment(
                modality="page",
                span=Span(page=number),
                content=Content(Page(Frames(pixels=(sheet.pixels,)), number, sheet.text)),
                text=sheet.text,
                metadata=document.metadata(number),
                preview=preview.jpeg(sheet.pixels),
            )
        if len(lost) == document.pages:
            raise MediaError(lost[0][1])
        remarks = [document.remark] if document.remark else []
    if lost:
        numbers = ", ".join(str(number) for number, _ in lost[:10])
        more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
        remarks.append(f"{len(lost)} pages could not be read ({numbers}{more}; {lost[0][1]})")
    return "; ".join(remarks)


def arguments(*, budget: MediaBudget, limits: Limits, settings: IngestSettings) -> dict[str, Any]:
    """The arguments of :data:`TASK` as JSON can carry them."""
    return {
        "budget": asdict(budget),
        "limits": limits.model_dump(),
        "settings": settings.model_dump(),
    }


def messages(
    path: Path, *, budget: dict[str, Any], limits: dict[str, Any], settings: dict[str, Any]
) -> Generator[Message, None, str]:
    """:func:`segments` for a decoder process: see :func:`arguments` and :func:`unpack`."""
    found = segments(
        path,
        budget=MediaBudget(**budget),
        limits=Limits(**limits),
        settings=IngestSettings(**settings),
    )
    while True:
        try:
            segment = next(found)
        except StopIteration as end:
            return str(end.value)
        yield pack(segment)


def pack(segment: Segment) -> Message:
    """A segment as a message; its content must be decoded already."""
    (part,) = segment.content.parts
    frames = None if isinstance(part, Text) else part.source
    assert frames is None or isinstance(frames, Frames), frames
    span = {name: value for name, value in asdict(segment.span).items() if value is not None}
    picture = segment.preview
    arrays = frames.pixels if frames else ()
    return Message(
        data={
            "modality": segment.modality,
            "span": span,
            "times": frames.times if frames else (),
            "text": segment.text,
            "metadata": dict(segment.metadata),
            "preview": picture is not None,
        },
        arrays=(*arrays, np.frombuffer(picture, np.uint8)) if picture is not None else arrays,
    )


def unpack(message: Message) -> Segment:
    """The segment that was packed."""
    data: Mapping[str, Any] = message.data
    arrays = message.arrays
    picture = arrays[-1].tobytes() if data["preview"] else None
    pixels = arrays[:-1] if data["preview"] else arrays
    span = data["span"]
    if "box" in span:
        span = span | {"box": tuple(span["box"])}
    place = Span(**span)
    return Segment(
        modality=data["modality"],
        span=place,
        content=_content(data, place, Frames(pixels=pixels, times=tuple(data["times"]))),
        text=data["text"],
        metadata=data["metadata"],
        preview=picture,
    )


def _content(data: Mapping[str, Any], span: Span, frames: Frames) -> Content:
    if data["modality"] == "text":
        return Content(Text(data["text"]))
    if data["modality"] == "image":
        return Content(Image(frames))
    if data["modality"] == "video":
        return Content(Video(frames, span.t_start, span.t_end))
    return Content(Page(frames, span.page or 1, data["text"]))
