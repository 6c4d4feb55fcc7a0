"""The types that everything in rzen speaks.

Shape suffixes in names, here and everywhere: B queries, N rows, M documents, K hits, D dimensions,
T frames, H height, W width (in pixels, or in cells of a map), C channels (RGB).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.errors import EncoderError

Modality: TypeAlias = Literal["text", "image", "video", "page"]
MODALITIES: tuple[Modality, ...] = ("text", "image", "video", "page")
Role: TypeAlias = Literal["query", "document"]
MetadataValue: TypeAlias = str | int | float | bool | None
Metadata: TypeAlias = Mapping[str, MetadataValue]

Vectors: TypeAlias = NDArray[np.float32]
"""Float32, shape (N, D), each row of unit length."""


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(75.4), clock(3725)
    ('1:15', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """Decoded pixels: one still, or the sampled frames of a stretch of video.

    Attributes:
        pixels: T uint8 arrays, each (H, W, 3), RGB.
        times: seconds from the start of the file for each frame; empty for a still.
    """

    pixels: tuple[NDArray[np.uint8], ...]
    times: tuple[float, ...] = ()


Source: TypeAlias = Path | bytes | str | Frames
"""Where media comes from: a file, its bytes, a URL, or pixels that are decoded already."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, whole."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture, opened when it is encoded."""

    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A video, or the stretch of it between two times in seconds."""

    source: Source
    t_start: float | None = None
    t_end: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page of a PDF, or a page that is a picture (a scan, page 1 of 1).

    Attributes:
        source: the document or picture, or the page's pixels when they are rendered already.
        number: counted from 1.
        text: the page's text layer or OCR where it is known already; ``None`` means "read it".
    """

    source: Source
    number: int = 1
    text: str | None = None


Part: TypeAlias = Text | Image | Video | Page


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Content:
    """What one embedding stands for: an ordered tuple of parts.

    >>> Content(Text("a red boat")).modality
    'text'
    >>> Content(Text("at night"), Image(b"...")).modality
    'image'
    """

    parts: tuple[Part, ...]

    def __init__(self, *parts: Part) -> None:
        if not parts:
            raise EncoderError("an empty content cannot be encoded: give it a text or a picture")
        object.__setattr__(self, "parts", parts)

    @property
    def modality(self) -> Modality:
        """The richest modality among the parts: page, then video, then image, then text."""
        ranks: dict[type, Modality] = {Page: "page", Video: "video", Image: "image"}
        kinds = {type(part) for part in self.parts}
        return next((name for kind, name in ranks.items() if kind in kinds), "text")

    @property
    def text(self) -> str:
        r"""What of it can be read without opening anything: its texts and known texts of pages.

        >>> Content(Text("at night"), Page(b"...", 3, "a harbour")).text
        'at night\na harbour'
        """
        texts = (part.text for part in self.parts if isinstance(part, Text | Page))
        return "\n".join(text for text in texts if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where in a file. All fields ``None`` means the whole of it.

    Attributes:
        page: counted from 1.
        box: left, top, right, bottom as fractions of the page, each in [0, 1].
        t_start: seconds, inclusive.
        t_end: seconds, exclusive.
        char_start: offset of the first character of a passage in the decoded text.
        char_end: offset behind its last character.
    """

    page: int | None = None
    box: tuple[float, float, float, float] | None = None
    t_start: float | None = None
    t_end: float | None = None
    char_start: int | None = None
    char_end: int | None = None

    @property
    def key(self) -> str:
        """A canonical short text: equal spans have equal keys.

        >>> Span(page=3).key, Span(t_start=1.5, t_end=9).key, Span().key
        ('p3', 't1.500-9.000', '')
        """
        pieces = []
        if self.page is not None:
            pieces.append(f"p{self.page}")
        if self.box is not None:
            pieces.append("b" + ",".join(f"{edge:.4f}" for edge in self.box))
        if self.t_start is not None and self.t_end is not None:
            pieces.append(f"t{self.t_start:.3f}-{self.t_end:.3f}")
        if self.char_start is not None and self.char_end is not None:
            pieces.append(f"c{self.char_start}-{self.char_end}")
        return "".join(pieces)


def record_id(content_hash: str, span: Span) -> str:
    """The id of a record: its content's hash, and where in it.

    >>> record_id("ab12", Span(page=2))
    'ab12:p2'
    """
    return f"{content_hash}:{span.key}" if span.key else content_hash


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """One row of an index.

    Attributes:
        id: content hash and span (:func:`record_id`).
        modality: what it is.
        span: where in the file.
        text: a passage, a page's text layer or OCR; empty where there is none.
        metadata: what filters can ask for (width, height, taken, duration, title ...).
        vector: (D,) float32 of unit length; ``None`` where it was not asked for.
        preview: a small JPEG, or ``None``.
        uri: absolute path of one file that holds it; empty until it is in an index.
        paths: absolute paths of all files that hold it.
    """

    id: str
    modality: Modality
    span: Span = field(default_factory=Span)
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None
    preview: bytes | None = None
    uri: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A record that was found.

    Attributes:
        id: the record's id.
        modality: what it is.
        uri: absolute path of its file.
        paths: all files with this content.
        page: counted from 1, for pages.
        t_start: seconds, for video.
        t_end: seconds, for video.
        char_start: offset of a passage in its file's text.
        char_end: offset behind the passage.
        score: what hits are ordered by (calibrated, or fused).
        similarity: the plain cosine to the query; ``None`` if only words matched.
        lists: which lists found it: "dense", "text".
        text: the passage or the page's text.
        metadata: the record's metadata.
        preview: a small JPEG, or ``None``.
        others: further hits in the same file, when hits are grouped by file.
    """

    id: str
    modality: Modality
    uri: str
    score: float
    paths: tuple[str, ...] = ()
    page: int | None = None
    t_start: float | None = None
    t_end: float | None = None
    char_start: int | None = None
    char_end: int | None = None
    similarity: float | None = None
    lists: tuple[str, ...] = ()
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    preview: bytes | None = field(default=None, repr=False)
    others: tuple["Hit", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """One numbered piece of what was retrieved, as a generator sees it.

    Attributes:
        number: counted from 1.
        hit: what was found.
        text: what may be quoted: a passage, or a page's text cut to the budget; empty for pictures.
        frames: its picture, its page or some frames of its video, for a generator that sees.
        vector: (D,) float32, the item's own in the index; ``None`` where nobody asked for it.
    """

    number: int
    hit: Hit
    text: str
    frames: Frames | None = None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question that was asked before, and its answer.

    Attributes:
        question: as asked.
        answer: its text.
    """

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A hit with the number that an answer cites it by.

    Attributes:
        number: counted from 1, as in ``[1]``.
        hit: what is cited.
        quote: the words of the evidence that bear the sentence out; empty for pictures.
    """

    number: int
    hit: Hit
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer and what it rests on.

    Attributes:
        question: as asked.
        text: the answer; its sentences carry ``[n]``.
        citations: the evidence cited, by number; every ``[n]`` in the text is among them.
        unsupported: sentences that no evidence bears out (removed from the text).
        warnings: what the reader should know, such as thin evidence.
        generator: who wrote it.
        is_found: whether there is an answer; else the text says that there is none.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    generator: str = ""
    is_found: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row of training data.

    Attributes:
        task: what has a temperature of its own, such as ``"image retrieval"``.
        query: what is asked with.
        positives: what answers it, at least one.
        negatives: hard negatives: near to the query, and no answer.
        instruction: said with the query, for encoders that follow instructions; ``None`` takes the
            encoder's default, the empty one means none.
        document_instruction: said with positives and negatives.
    """

    task: str
    query: Content
    positives: tuple[Content, ...]
    negatives: tuple[Content, ...] = ()
    instruction: str | None = None
    document_instruction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaBudget:
    """How much of a medium an encoder wants to see; decoders deliver no more than this.

    Attributes:
        image_pixels: height x width of a picture, at most.
        page_pixels: height x width of a rendered page, at most.
        frame_pixels: height x width of a video frame, at most.
        frames: frames of one stretch of video, at most.
        fps: frames per second of video, before the cap on frames.
    """

    image_pixels: int = 1280 * 28 * 28
    page_pixels: int = 1280 * 28 * 28
    frame_pixels: int = 768 * 28 * 28
    frames: int = 64
    fps: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Maps the cosine between a query and a document of one modality to a comparable score.

    The score is the logistic function of ``slope * cosine + intercept``: an estimate, fitted on
    validation data, of the probability that the document answers the query.
    """

    slope: float
    intercept: float

    def score(self, cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores in (0, 1), same shape as ``cosine``.

        >>> Calibration(slope=10.0, intercept=-5.0).score(np.array([0.5], np.float32)).tolist()
        [0.5]
        """
        logits = np.clip(self.slope * cosine + self.intercept, -60.0, 60.0)
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What makes two encoders the same: equal fingerprints give comparable vectors.

    Attributes:
        encoder: the name it was loaded by; recorded, not compared (a model may be moved).
        weights: hash of the weights.
        template: name and version of the prompt template.
        pooling: how token states become one vector.
        positions: "1d", "m-rope" or "-".
        budget: pixel and frame budgets.
        dim: dimension of the vectors.
        environment: dtype, device and library versions; recorded, not compared.
    """

    encoder: str = field(compare=False)
    weights: str
    template: str
    pooling: str
    positions: str
    budget: MediaBudget
    dim: int
    environment: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a picture, or a frame of a clip, seems to show.

    Attributes:
        name: of a thing.
        probability: that an encoder gives it.
        time: of the frame, in seconds; ``None`` for a still.
    """

    name: str
    probability: float
    time: float | None = None

    def __str__(self) -> str:
        """As people read it.

        >>> print(Named(name="race car", probability=0.5, time=63.0))
        race car (at 1:03)
        """
        return self.name if self.time is None else f"{self.name} (at {clock(self.time)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeatMap:
    """How near each place of one picture is to a query.

    Attributes:
        heat_HW: (H, W) float32, a cosine to the query for each cell of the encoder's own grid; the
            grid covers the whole picture, from its upper left.
        score: of the picture as a whole; what that is, the encoder says.
        part: number of the content's part that it belongs to.
        time: seconds from the start of the file; ``None`` for a still, and for frames whose times
            nobody gave.
    """

    heat_HW: NDArray[np.float32]
    score: float
    part: int = 0
    time: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Where in a content its likeness to a query comes from.

    Attributes:
        similarity: cosine of the content's vector and the query's.
        maps: one for each still, page or frame (or pair of frames, where the model sees pairs), in
            the order of the parts and of time.
        warnings: what the encoder left out.
    """

    similarity: float
    maps: tuple[HeatMap, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """Vectors in the order of the contents, and what went wrong.

    It converts to an array only when nothing failed, so that a content that could not be opened
    is never mistaken for a vector.

    Attributes:
        vectors: (N, D); rows in ``failed`` are zero.
        failed: row -> why.
        warnings: row -> what the caller should know.
        tokens: that were read for all rows, padding left out; ``None`` if the encoder cannot say.
        seen: row -> what it seems to show, by an encoder that knows names of things: a still's
            likeliest first, a clip's by time, a few at most.
    """

    vectors: Vectors
    failed: Mapping[int, str] = field(default_factory=dict)
    warnings: Mapping[int, Sequence[str]] = field(default_factory=dict)
    tokens: int | None = None
    seen: Mapping[int, Sequence[Named]] = field(default_factory=dict)

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Vectors:
        """The (N, D) array.

        Raises:
            EncoderError: if a row failed.
        """
        if self.failed:
            row, reason = next(iter(self.failed.items()))
            raise EncoderError(
                f"{len(self.failed)} of {len(self.vectors)} contents could not be encoded "
                f"(row {row}: {reason}): look at .failed before using .vectors"
            )
        return self.vectors if dtype is None else self.vectors.astype(dtype)  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter(self.__array__())
