"""Pictures: one still out of the formats on the list, bounded before it is decoded."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media.formats import HEAD_BYTES, ImageFormat, image_format
from rzen.media.size import fit
from rzen.media.source import decoding, label, opened
from rzen.types import Metadata, MetadataValue

if TYPE_CHECKING:
    import PIL.Image
    from PIL.Image import Exif, Image, Transpose

_ORIENTATION = 0x0112
_MAKE, _MODEL = 0x010F, 0x0110
_EXIF_FOLDER = 0x8769
_TAKEN, _TAKEN_OFFSET, _TAKEN_FRACTION = 0x9003, 0x9011, 0x9291
_PILLOW = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (H, W, 3) RGB, upright, no more of them than the budget.
        metadata: width, height and format of the file; camera and taken where EXIF has them.
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata


def read(source: Path | bytes, *, pixels: int, limits: Limits) -> Picture:
    """Decodes the first frame of a picture.

    EXIF's orientation is applied. Transparency is laid over white; 16-bit samples are scaled to 8;
    floating-point ones are taken as 0 to 1, or stretched from their least to their greatest value
    where they leave that range. Colour profiles are ignored.

    ``taken`` is EXIF's DateTimeOriginal in unix seconds. It counts from its own UTC offset where
    the camera wrote one, else it is taken as UTC, which is wrong by the camera's time zone.

    Args:
        source: a file or its bytes.
        pixels: how many the result may have; larger pictures are scaled down.
        limits: the header's pixel count is checked before anything is decoded.

    Raises:
        MediaError: if it is no picture, too large, damaged or truncated.
    """
    with opened(source, limit=limits.file_bytes) as file:
        kind = image_format(file.read(HEAD_BYTES))
        if kind is None:
            raise MediaError(f"{label(source)}: not a picture that rzen can read")
        file.seek(0)
        with decoding(source, f"{kind} picture"), _header(file, kind) as picture:
            width, height = picture.size
            if width * height > limits.image_pixels:
                raise MediaError(
                    f"{label(source)}: {width} x {height} pixels are more than the limit of "
                    f"{limits.image_pixels:,}: raise the setting limits.image_pixels to read it"
                )
            exif = _exif(picture)
            array = _upright_rgb(picture, fit(width, height, pixels), exif)
    about: dict[str, MetadataValue] = {"width": width, "height": height, "format": kind.lower()}
    if exif is not None and exif.get(_ORIENTATION) in (5, 6, 7, 8):
        about |= {"width": height, "height": width}
    return Picture(pixels=array, metadata=about | _from_exif(exif))


@contextmanager
def _header(file: BinaryIO, kind: ImageFormat) -> "Iterator[PIL.Image.Image]":
    """Opens lazily, with the one plugin that the magic bytes name.

    Pillow's own limit is lifted for the moment of opening: it warns, or refuses, at a fixed size
    where ours is a setting that is checked right after.
    """
    from PIL import Image

    with _PILLOW:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = Image.open(file, formats=(kind,))
        finally:
            Image.MAX_IMAGE_PIXELS = theirs
    with picture:
        yield picture


def _upright_rgb(picture: "Image", size: tuple[int, int], exif: "Exif | None") -> NDArray[np.uint8]:
    from PIL import Image

    # The JPEG decoder can halve, quarter or eighth while it decodes, which averages as a filter
    # does: a photograph of a megapixel takes `mini` 8 ms to its preview instead of 15.
    picture.draft(None, size)
    _load_whole(picture)
    plain = _eight_bit(picture)
    if plain.size != size:
        plain = plain.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    if plain.mode == "RGBA":
        white = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(white, plain)
    turn = _transpose(exif)
    if turn is not None:
        plain = plain.transpose(turn)
    return np.asarray(plain.convert("RGB"))


def _load_whole(picture: "Image") -> None:
    from PIL import ImageFile

    if not ImageFile.LOAD_TRUNCATED_IMAGES:
        picture.load()
        return
    # Somebody in this process likes half pictures; an index must not.
    with _PILLOW:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            picture.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = True


def _eight_bit(picture: "Image") -> "Image":
    """The picture as L, RGB or RGBA, which are what can be resized without harm."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_scale_to_bytes(np.asarray(picture)))
    if picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def _scale_to_bytes(samples: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = np.nan_to_num(samples.astype(np.float32))
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(samples.dtype, np.integer):
        low, high = min(low, 0.0), 65535.0 if high > 255 else 255.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = high - low or 1.0
    scaled: NDArray[np.uint8] = np.clip((values - low) * (255.0 / span) + 0.5, 0, 255).astype(
        np.uint8
    )
    return scaled


def _exif(picture: "Image") -> "Exif | None":
    try:
        return picture.getexif()
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse the pixels
        return None


def _transpose(exif: "Exif | None") -> "Transpose | None":
    from PIL.Image import Transpose

    if exif is None:
        return None
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    orientation = exif.get(_ORIENTATION)
    return turns.get(orientation) if isinstance(orientation, int) else None


def _from_exif(exif: "Exif | None") -> dict[str, MetadataValue]:
    if exif is None:
        return {}
    found: dict[str, MetadataValue] = {}
    camera = " ".join(text for tag in (_MAKE, _MODEL) if (text := _text(exif.get(tag))))
    if camera:
        found["camera"] = camera
    try:
        folder = exif.get_ifd(_EXIF_FOLDER)
    except Exception:  # noqa: BLE001 - as above: broken EXIF
        return found
    taken = _unix(*(_text(folder.get(tag)) for tag in (_TAKEN, _TAKEN_OFFSET, _TAKEN_FRACTION)))
    if taken is not None:
        found["taken"] = taken
    return found


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""


def _unix(date: str, offset: str, fraction: str) -> float | None:
    """EXIF's date to unix seconds.

    >>> _unix("2024:05:01 12:00:00", "+02:00", "25")
    1714557600.25
    >>> _unix("0000:00:00 00:00:00", "", "") is None
    True
    """
    try:
        moment = datetime.strptime(date, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = moment.timestamp()
    if fraction.isascii() and fraction.isdigit():
        seconds += int(fraction) / 10 ** len(fraction)
    return seconds - _offset_seconds(offset)


def _offset_seconds(offset: str) -> float:
    try:
        zone = datetime.strptime(offset, "%z").utcoffset()
    except ValueError:
        return 0.0
    seconds = zone.total_seconds() if zone else 0.0
    return seconds if math.isfinite(seconds) else 0.0
