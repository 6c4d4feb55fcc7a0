"""What the forms of an API have in common: pieces of contents go in, a request's body comes out."""

import base64
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.opening import OpenPart
from rzen.errors import EncoderError
from rzen.types import Modality, Role

_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a content as it is sent.

    Attributes:
        kind: what it is to the server.
        value: a text, or a data URL.
    """

    kind: Literal["text", "image", "video"]
    value: str


Pieces: TypeAlias = Sequence[Piece]
"""One content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is the same for all contents of a call.

    Attributes:
        model: its name at the endpoint.
        role: of the contents.
        instruction: the task; empty means none.
        dim: of the vectors; ``None`` means the model's own.
    """

    model: str
    role: Role
    instruction: str
    dim: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of request and response.

    Attributes:
        path: behind the base URL.
        template: name and version of how contents are put, for the fingerprint.
        texts: contents of text alone in one request, at most; others go one by one.
        body: contents to what is sent.
        vectors: a response and the number of contents to (N, D), in their order; it raises
            ``ValueError`` with what is wrong, to stand behind the endpoint's name.
    """

    path: str
    template: str
    texts: int
    body: Callable[[Sequence[Pieces], Asked], Mapping[str, Any]]
    vectors: Callable[[object, int], NDArray[np.float64]]


def piece(part: OpenPart, sees: Collection[Modality]) -> Piece:
    """A part as it is sent to a server whose model sees these modalities.

    A picture is a PNG: nothing is lost, and a million pixels have three megabytes at most. A page
    is a picture to models that see pictures, and its text to others.

    A video is its frames, sampled here, as ``data:video/jpeg;base64,`` with a comma between two:
    vLLM's form for frames (VideoMediaIO.load_base64 in vllm/multimodal/media/video.py). The file is
    never sent: a segment is a stretch of it that a data URL cannot name, a video may be pixels
    already, and a server's own sampling would not be that of the index.

    Raises:
        EncoderError: if there is nothing in the part that the model takes.
    """
    if part.pixels and part.modality == "video":
        return Piece("video", _data_url("video/jpeg", part.pixels, "JPEG", quality=_JPEG_QUALITY))
    if part.pixels and "image" in sees:
        # The least effort of compression: the network is fast, and what counts is the bound.
        return Piece("image", _data_url("image/png", part.pixels[:1], "PNG", compress_level=1))
    if part.modality == "page" and not part.text.strip():
        raise EncoderError(
            "the page has no text, and the model at this address is not said to see: name "
            "another encoder, add ?modalities=text,image to the address, or turn on OCR"
        )
    return Piece("text", part.text.encode("utf-8", "replace").decode())


def joined(pieces: Pieces) -> str:
    r"""The texts of a content, a line each.

    An empty one becomes a space: OpenAI's form refuses empty strings.

    >>> joined([Piece("text", "at night"), Piece("text", "a boat")]), joined([Piece("text", "")])
    ('at night\na boat', ' ')
    """
    return "\n".join(each.value for each in pieces if each.kind == "text") or " "


def matrix(rows: object, count: int) -> NDArray[np.float64]:
    """(N, D) of lists of numbers; what is no number comes out as NaN.

    Raises:
        ValueError: if they are not as many lists as contents, all of one length.
    """
    if not isinstance(rows, list) or len(rows) != count:
        given = len(rows) if isinstance(rows, list) else "no"
        raise ValueError(f"sent {given} vectors for {count} contents")
    try:
        found_ND = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("sent vectors that are no lists of numbers of one length") from None
    if found_ND.ndim != 2 or not found_ND.size:
        raise ValueError("sent vectors that are no lists of numbers of one length")
    return found_ND


def _data_url(kind: str, pixels: Sequence[NDArray[np.uint8]], encoding: str, **options: int) -> str:
    from PIL import Image  # noqa: PLC0415

    encoded = []
    for each in pixels:
        buffer = io.BytesIO()
        Image.fromarray(each).save(buffer, encoding, **options)
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    return f"data:{kind};base64,{','.join(encoded)}"
