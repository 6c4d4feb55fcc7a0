"""What files are told to be, by content."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_files import clip, pdf, picture, smooth, sound
from rzen import media
from rzen.errors import MediaError


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_every_picture_format_is_told_by_its_bytes(kind: str) -> None:
    assert media.sniff(picture(smooth(16, 16), kind)) == "image"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mpeg4"),
        ("a.mov", "mpeg4"),
        ("a.mkv", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
    ],
)
def test_every_video_container_is_told_by_its_bytes(tmp_path: Path, name: str, codec: str) -> None:
    path = clip(tmp_path / name, [0.5], codec=codec)
    assert media.sniff(path) == "video"
    assert media.sniff(path.read_bytes()) == "video"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("photo.txt", picture(smooth(8, 8), "JPEG"), "image"),
        ("scan.png", pdf(["x"]), "pdf"),
        ("notes.pdf", b"only words", "text"),
        ("clip.mp4", picture(smooth(8, 8), "PNG"), "image"),
        ("no_suffix", "schöne Grüße".encode(), "text"),
    ],
)
def test_a_wrong_name_does_not_matter(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert media.sniff(path) == kind


@pytest.mark.parametrize(
    "text",
    [
        "BMW builds cars",  # begins like a bitmap
        "MM* and II* are how TIFF files begin",
        "Sugar-free cakes",  # "free" in the place of a QuickTime atom... nearly
        "The header of a PDF is %PDF-1.7, at its very beginning",
        "RIFF is a container format of 1991, AVI and WEBP use it",
        "<html><body><svg></svg>a page with a drawing in it</body></html>",
        "GIF is pronounced in two ways",
        "Göteborg — Ελλάδα — 日本語 — 🙂",
    ],
)
def test_texts_about_formats_are_texts(text: str) -> None:
    """Guards against magic so short that ordinary words have it."""
    assert media.sniff(text.encode()) == "text"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04" + b"\0" * 26 + b"word/document.xml", "office document (Word)"),
        (b"PK\x03\x04" + b"\0" * 26 + b"plain.txt", "archive (ZIP)"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "archive (gzip)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6\x20\0\0\0", "EPS"),
        (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="x"></svg>', "SVG"),
        (b"<!-- a --><!---->\n<!DOCTYPE svg [<!ENTITY a 'b'>]>\n<svg></svg>", "SVG"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "playlist (M3U)"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "playlist (ffconcat)"),
        (b'<?xml version="1.0"?><playlist version="1">', "playlist (XSPF)"),
        (b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "program (ELF)"),
        (bytes(range(256)) * 4, "unknown format"),
        (b"\0" * 512, "unknown format"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        media.sniff(path)
    assert said in str(caught.value)
    assert "some.file" in str(caught.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="sound without pictures"):
        media.sniff(sound(tmp_path / "song.m4a"))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nothing.jpg"
    path.touch()
    with pytest.raises(MediaError, match=r"nothing\.jpg: the file is empty"):
        media.sniff(path)


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """A pipe must not block, a folder must not raise a bare OSError."""
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, said in (
        ("pipe", "not a regular file"),
        ("", "not a regular file"),
        ("none", "No such"),
    ):
        with pytest.raises(MediaError, match=said):
            media.sniff(tmp_path / name)


def test_names_with_newlines_and_emoji_stay_on_one_line(tmp_path: Path) -> None:
    """A reason is printed in one line, whatever the file is called."""
    path = tmp_path / "my\nholiday 🏖.jpg"
    path.touch()
    with pytest.raises(MediaError) as caught:
        media.sniff(path)
    assert "my\\nholiday 🏖.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_kind_or_a_reason(data: bytes) -> None:
    try:
        kind = media.sniff(data)
    except MediaError:
        return
    assert kind in ("text", "image", "video", "pdf")


def test_random_bytes_are_junk() -> None:
    """charset-normalizer finds an encoding for almost anything; control characters give it away."""
    for seed in range(20):
        data = np.random.default_rng(seed).integers(0, 256, 2000, np.uint8).tobytes()
        with pytest.raises(MediaError):
            media.sniff(data)


@pytest.mark.parametrize("head", ["<!---->", "<!-- a --> ", "<!--", "<!DOCTYPE svg>  "])
def test_hostile_heads_are_told_in_linear_time(head: str) -> None:
    """Guards against a regular expression that takes 2^n steps for n comments."""
    assert media.sniff((head * 5000 + "x").encode()) == "text"
