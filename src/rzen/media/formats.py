"""What a file is, by its first bytes; the name only tells flavours of text apart.

Everything that rzen opens is on the lists below. What is recognised but not opened is refused by
name, with what can be done; all else that does not read as text is refused as unknown.
"""

import re
from pathlib import Path
from typing import Literal, TypeAlias

from rzen.errors import MediaError
from rzen.media.source import label, opened
from rzen.media.text import looks_like_text

Kind: TypeAlias = Literal["text", "image", "video", "pdf"]
ImageFormat: TypeAlias = Literal["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"]
VideoFormat: TypeAlias = Literal["mov", "matroska", "avi"]

HEAD_BYTES = 64 * 1024

_IMAGES: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_MOV_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

_ARCHIVE = "an archive ({}), which is not supported: unpack it first"
_OFFICE = "an office document ({}), which is not supported yet: export it as PDF"
_AUDIO = "sound without pictures ({}), which is not supported"
_PICTURE = "a picture in a format that is not supported ({}): convert it to JPEG or PNG"
_MOVIE = "a video in a container that is not supported ({}): convert it to MP4 or Matroska"
_PLAYLIST = "a playlist ({}), which is not supported: rzen never follows references to other files"
_VECTOR = "a vector drawing ({}), which is not supported: export it as PNG or PDF"
_PROGRAM = "a program ({}), which is not supported"

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", _ARCHIVE.format("gzip")),
    (b"BZh", _ARCHIVE.format("bzip2")),
    (b"\xfd7zXZ\x00", _ARCHIVE.format("xz")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("7z")),
    (b"Rar!\x1a\x07", _ARCHIVE.format("rar")),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE.format("zstd")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE.format("old Microsoft Office")),
    (b"{\\rtf", _OFFICE.format("RTF")),
    (b"%!PS", _VECTOR.format("PostScript")),
    (b"\xc5\xd0\xd3\xc6", _VECTOR.format("EPS")),
    (b"ID3", _AUDIO.format("MP3")),
    (b"fLaC", _AUDIO.format("FLAC")),
    (b"OggS", _AUDIO.format("Ogg")),
    (b"8BPS", _PICTURE.format("Photoshop")),
    (b"\x00\x00\x01\x00", _PICTURE.format("icon")),
    (b"\x00\x00\x00\x0cjP  ", _PICTURE.format("JPEG 2000")),
    (b"\x00\x00\x00\x0cJXL ", _PICTURE.format("JPEG XL")),
    (b"\xff\x0a", _PICTURE.format("JPEG XL")),
    (b"FLV\x01", _MOVIE.format("Flash")),
    (b"\x00\x00\x01\xba", _MOVIE.format("MPEG program stream")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _MOVIE.format("Windows Media")),
    (b"#EXTM3U", _PLAYLIST.format("M3U")),
    (b"[playlist]", _PLAYLIST.format("PLS")),
    (b"ffconcat version", _PLAYLIST.format("ffconcat")),
    (b"\x7fELF", _PROGRAM.format("ELF")),
    (b"MZ\x90\x00", _PROGRAM.format("Windows")),
    (b"SQLite format 3\x00", "an SQLite database, which is not supported"),
)
_SVG = re.compile(
    # Possessive and atomic: comments that were found are not taken apart again.
    rb"(?:\xef\xbb\xbf)?+\s*+(?:<\?xml[^>]*+>\s*+)?+(?>(?><!--.*?-->)\s*+)*+"
    rb"(?:<!DOCTYPE svg.*?>\s*+)?<svg[\s>]",
    re.DOTALL | re.IGNORECASE,
)
_XSPF = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<playlist[\s>]", re.IGNORECASE)
_TS_PACKET = 188
_ZIP_FLAVOURS: tuple[tuple[bytes, str], ...] = (
    (b"word/", _OFFICE.format("Word")),
    (b"xl/", _OFFICE.format("Excel")),
    (b"ppt/", _OFFICE.format("PowerPoint")),
    (b"[Content_Types].xml", _OFFICE.format("OOXML")),
    (b"application/vnd.oasis", _OFFICE.format("OpenDocument")),
    (b"application/epub+zip", "an e-book (EPUB), which is not supported yet: export it as PDF"),
)


def sniff(source: Path | bytes) -> Kind:
    r"""Tells by content what a file is.

    >>> sniff(b"%PDF-1.7\n..."), sniff("a café".encode())
    ('pdf', 'text')

    Raises:
        MediaError: if it cannot be read, is empty, or is nothing that rzen opens.
    """
    return kind_of(head_of(source), source)


def head_of(source: Path | bytes) -> bytes:
    """The first bytes of a source, enough to sniff it.

    Raises:
        MediaError: if it cannot be read or is empty.
    """
    with opened(source) as file:
        return file.read(HEAD_BYTES)


def kind_of(head: bytes, source: Path | bytes) -> Kind:
    """The kind of a source whose first bytes are known.

    Raises:
        MediaError: if it is nothing that rzen opens; ``source`` is named in the message.
    """
    if image_format(head):
        return "image"
    if video_format(head):
        return "video"
    if _is_pdf(head):
        return "pdf"
    if found := _refused(head):
        raise MediaError(f"{label(source)}: this is {found}")
    if looks_like_text(head):
        return "text"
    raise MediaError(
        f"{label(source)}: binary data of an unknown format (it begins with "
        f"{head[:8].hex(' ')}): rzen reads text, PDF, JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, "
        "MP4, MOV, Matroska, WebM and AVI"
    )


def image_format(head: bytes) -> ImageFormat | None:
    """Pillow's name of the picture format, or ``None``."""
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    # "BM" alone begins many English words: a header length that exists must follow.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return "AVIF" if _has_brand(head, _AVIF_BRANDS) else None


def video_format(head: bytes) -> VideoFormat | None:
    """FFmpeg's name of the container, or ``None``."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] == b"ftyp":
        still = _has_brand(head, _AVIF_BRANDS + _HEIF_BRANDS)
        return None if still or head[8:12] in _AUDIO_BRANDS else "mov"
    # QuickTime files older than "ftyp"; a text never holds a zero byte.
    return "mov" if head[4:8] in _MOV_ATOMS and b"\x00" in head else None


def _has_brand(head: bytes, brands: tuple[bytes, ...]) -> bool:
    """Whether an ISO file's major brand is one of these; compatible ones count for mif1/msf1."""
    if head[4:8] != b"ftyp":
        return False
    major = head[8:12]
    if major in brands:
        return True
    size = int.from_bytes(head[:4], "big")
    compatible = [head[at : at + 4] for at in range(16, min(size, 256), 4)]
    return major in (b"mif1", b"msf1") and any(brand in brands for brand in compatible)


def _is_pdf(head: bytes) -> bool:
    at = head[:1024].find(b"%PDF-")
    if at < 0:
        return False
    junk = head[:at].removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\x00")
    # Readers accept junk before the header, but a text about PDF is a text.
    return not junk or not looks_like_text(head)


def _refused(head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        flavours = (what for mark, what in _ZIP_FLAVOURS if mark in head)
        return next(flavours, _ARCHIVE.format("ZIP"))
    for magic, what in _REFUSED:
        if head.startswith(magic):
            return what
    if head[257:262] == b"ustar":
        return _ARCHIVE.format("tar")
    if head[4:8] == b"ftyp":
        audio = head[8:12] in _AUDIO_BRANDS
        return _AUDIO.format("MPEG-4") if audio else _PICTURE.format("HEIF")
    return _refused_by_pattern(head)


def _refused_by_pattern(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _AUDIO.format("WAV")
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == head[376:377] == b"G" and b"\x00" in head:
        return _MOVIE.format("MPEG transport stream")
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9"):
        return _AUDIO.format("MP3 or AAC")
    if _SVG.match(head):
        return _VECTOR.format("SVG")
    return _PLAYLIST.format("XSPF") if _XSPF.match(head) else None
