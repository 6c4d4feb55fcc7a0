"""Pictures: sizes, modes, orientation, dates, and what is wrong with them."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from media_files import picture, quadrants, smooth
from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import image
from rzen.media.size import fit

LIMITS = Limits()
PIXELS = 100_000


def read(data: bytes | Path, pixels: int = PIXELS, limits: Limits = LIMITS) -> image.Picture:
    return image.read(data, pixels=pixels, limits=limits)


@given(st.integers(1, 50_000), st.integers(1, 50_000), st.integers(1, 3_000_000))
def test_fitted_sizes_stay_within_the_budget(width: int, height: int, pixels: int) -> None:
    """A size that is 1 pixel over, or 0 wide, breaks encoders and Pillow."""
    columns, rows = fit(width, height, pixels)
    assert 1 <= columns <= width
    assert 1 <= rows <= height
    assert columns * rows <= pixels
    if width * height <= pixels:
        assert (columns, rows) == (width, height)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_every_format_gives_its_colours(kind: str) -> None:
    found = read(picture(quadrants(64, 48), kind))
    assert found.pixels.shape == (48, 64, 3)
    assert found.pixels.dtype == np.uint8
    for y, x, colour in ((8, 8, (255, 0, 0)), (8, 56, (0, 255, 0)), (40, 8, (0, 0, 255))):
        assert np.abs(found.pixels[y, x].astype(int) - colour).max() < 25
    assert found.metadata["format"] == kind.lower()
    assert (found.metadata["width"], found.metadata["height"]) == (64, 48)


def test_large_photos_shrink_to_the_budget_and_look_the_same() -> None:
    """Draft decoding must not shift or alias what is seen."""
    pixels = smooth(3000, 2000)
    found = read(picture(pixels, "JPEG", quality=95), pixels=60_000)
    columns, rows = fit(3000, 2000, 60_000)
    assert found.pixels.shape == (rows, columns, 3)
    plain = Pillow.fromarray(pixels).resize((columns, rows), Pillow.Resampling.BICUBIC)
    assert np.abs(found.pixels.astype(int) - np.asarray(plain)).mean() < 2
    assert (found.metadata["width"], found.metadata["height"]) == (3000, 2000)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    """The eight cases of EXIF against Pillow's own transposition."""
    from PIL import ImageOps

    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = picture(quadrants(64, 32), "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data))))
    found = read(data)
    np.testing.assert_array_equal(found.pixels, upright)
    assert (found.metadata["height"], found.metadata["width"]) == upright.shape[:2]


@pytest.mark.parametrize(
    ("offset", "seconds"), [("", 1714564800.5), ("+02:00", 1714557600.5), ("-08:00", 1714593600.5)]
)
def test_dates_and_cameras_become_metadata(offset: str, seconds: float) -> None:
    exif = Pillow.Exif()
    exif[0x010F], exif[0x0110] = "Rzen\x00", "Mark 1"
    folder = exif.get_ifd(0x8769)
    folder[0x9003], folder[0x9291] = "2024:05:01 12:00:00", "50"
    if offset:
        folder[0x9011] = offset
    found = read(picture(smooth(32, 32), "JPEG", exif=exif))
    assert found.metadata["taken"] == seconds
    assert found.metadata["camera"] == "Rzen Mark 1"


@pytest.mark.parametrize("date", ["0000:00:00 00:00:00", "yesterday", "2024:13:01 00:00:00"])
def test_dates_that_are_none_are_left_out(date: str) -> None:
    exif = Pillow.Exif()
    exif.get_ifd(0x8769)[0x9003] = date
    assert "taken" not in read(picture(smooth(32, 32), "JPEG", exif=exif)).metadata


def test_broken_exif_does_not_cost_the_picture() -> None:
    data = picture(smooth(32, 32), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40)
    with pytest.warns(UserWarning, match="Corrupt EXIF"):  # Pillow's own; pixels come all the same
        assert read(data).pixels.shape == (32, 32, 3)


def test_transparency_is_laid_over_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = (200, 0, 0, 255)
    for kind in ("PNG", "WEBP"):
        found = read(picture(pixels, kind, lossless=True)).pixels
        assert found[4, 2].tolist() == [255, 255, 255]
        assert found[4, 12].tolist() == [200, 0, 0]


def save(made: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer, kind, **options)
    return buffer.getvalue()


def test_palettes_with_a_transparent_entry() -> None:
    made = Pillow.new("P", (8, 8), 0)
    made.putpalette([10, 20, 30, 200, 100, 50])
    made.paste(1, (4, 0, 8, 8))
    for kind in ("GIF", "PNG"):
        found = read(save(made, kind, transparency=0)).pixels
        assert found[0, 0].tolist() == [255, 255, 255]
        assert found[0, 6].tolist() == [200, 100, 50]


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "shown"),
    [
        ("1", 1, "PNG", (255, 255, 255)),
        ("L", 100, "PNG", (100, 100, 100)),
        ("LA", (100, 255), "PNG", (100, 100, 100)),
        ("P", 0, "BMP", (0, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0)),
        ("YCbCr", (255, 128, 128), "TIFF", (255, 255, 255)),
    ],
)
def test_colour_modes(mode: str, colour: Any, kind: str, shown: tuple[int, ...]) -> None:
    found = read(save(Pillow.new(mode, (16, 16), colour), kind)).pixels
    assert np.abs(found[8, 8].astype(int) - shown).max() <= 6


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    """Pillow clips 16-bit grey at 255 when converted: a scan would come out white."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (8, 1))
    for kind in ("PNG", "TIFF"):
        found = read(picture(ramp, kind)).pixels[4, :, 0].astype(int)
        assert np.abs(found - np.arange(256)).max() <= 1


def test_floating_point_samples() -> None:
    unit = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (8, 1))
    for samples in (unit, unit * 900 - 450):
        found = read(picture(samples, "TIFF")).pixels[4, :, 0].astype(int)
        assert np.abs(found - np.arange(256)).max() <= 1


def test_animations_give_their_first_frame() -> None:
    frames = [Pillow.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "AVIF"):
        data = save(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(read(data).pixels[8, 8].astype(int) - (255, 0, 0)).max() < 10


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_half_a_picture_is_no_picture(kind: str, tmp_path: Path) -> None:
    """Gray lower halves in an index are worse than an error."""
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = picture(noise, kind)
    path = tmp_path / f"half.{kind.lower()}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=rf"half\.{kind.lower()}: .*damaged or truncated"):
        read(path)


def test_half_a_picture_stays_none_when_someone_else_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training scripts set LOAD_TRUNCATED_IMAGES for the whole process."""
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = picture(noise, "JPEG")
    with pytest.raises(MediaError, match="truncated"):
        read(data[: len(data) // 2])


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_bombs_are_refused_by_their_header_without_a_warning() -> None:
    """Pillow only warns up to twice its own limit, and that warning must not escape either."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for width, height in ((10_000, 13_000), (60_000, 60_000)):
            with pytest.raises(MediaError, match=r"limits\.image_pixels"):
                read(png_header(width, height))


def test_a_gif_whose_frame_outgrows_its_screen_is_refused() -> None:
    """The header's size of a GIF is not the size that is allocated."""
    import struct

    frame = b"," + struct.pack("<HHHH", 0, 0, 60_000, 60_000) + b"\0\x08\x01\0\0;"
    with pytest.raises(MediaError, match=r"limits\.image_pixels"):
        read(b"GIF89a" + struct.pack("<HH", 1, 1) + b"\0\0\0" + frame)


def test_the_limit_is_a_setting() -> None:
    data = picture(smooth(100, 100))
    with pytest.raises(MediaError, match="100 x 100"):
        read(data, limits=Limits(image_pixels=9_999))
    assert read(data, limits=Limits(image_pixels=10_000)).pixels.shape == (100, 100, 3)


def test_thin_pictures_survive() -> None:
    """A side must not be rounded down to zero."""
    assert read(picture(smooth(20_000, 1)), pixels=50).pixels.shape == (1, 50, 3)


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Pillow.MAX_IMAGE_PIXELS
    read(picture(smooth(16, 16)))
    assert before is not None
    assert before == Pillow.MAX_IMAGE_PIXELS


@given(st.data())
def test_mutated_pictures_decode_or_say_why(data: st.DataObject) -> None:
    """Decoders raise whatever they like on damaged bytes; only MediaError may come out."""
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
    whole = bytearray(picture(smooth(24, 24), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read(bytes(whole))
        except MediaError:
            return
    assert found.pixels.shape[2] == 3
