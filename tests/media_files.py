"""Real encoded files for tests, made on the spot: pictures, clips with known cuts, small PDFs."""

import io
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def smooth(width: int, height: int, seed: int = 0) -> Pixels:
    """A picture with soft structure, as photographs have; survives JPEG nearly unchanged."""
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def quadrants(width: int, height: int) -> Pixels:
    """Red, green / blue, white: tells every orientation from every other."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = 255
    return pixels


def picture(pixels: NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    """A picture file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def clip(
    path: Path,
    scenes: Sequence[float],
    *,
    fps: int = 10,
    size: tuple[int, int] = (64, 48),
    codec: str = "mpeg4",
    motion: int = 1,
    options: Mapping[str, str] | None = None,
    times: Sequence[float] | None = None,
) -> Path:
    """A video whose scenes last so many seconds each.

    Args:
        motion: pixels that the picture moves per frame.
        times: of the frames in seconds, where they are not even.
    """
    import av
    from av.video.stream import VideoStream

    stills = [_scene(size, number) for number in range(len(scenes))]
    with av.open(str(path), "w", options=dict(options or {})) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=fps))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = fps
        stream.codec_context.time_base = Fraction(1, 1000) if times else Fraction(1, fps)
        index = 0
        for still, seconds in zip(stills, scenes, strict=True):
            for step in range(round(seconds * fps)):
                frame = av.VideoFrame.from_ndarray(np.roll(still, step * motion, axis=1))
                frame.time_base = Fraction(1, 1000) if times else Fraction(1, fps)
                frame.pts = round(times[index] * 1000) if times else index
                container.mux(stream.encode(frame))
                index += 1
        container.mux(stream.encode())
    return path


def _scene(size: tuple[int, int], number: int) -> Pixels:
    width, height = size
    blocks = np.random.default_rng(number).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


def sound(path: Path) -> Path:
    """A file with sound alone."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 16000
            frame.pts = number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def pdf(
    pages: Sequence[str | bytes],
    *,
    size: tuple[float, float] = (300, 200),
    title: str = "",
    headings: Mapping[int, str] | None = None,
    encrypt: str = "",
) -> bytes:
    """A PDF written by hand.

    Args:
        pages: the text of each page, or its content stream as bytes.
        size: of the pages, in points.
        title: in the document information.
        headings: outline entries by page, counted from 1.
        encrypt: the /Encrypt dictionary's body; the streams stay as they are.
    """
    count = len(pages)
    first_heading = 4 + 2 * count
    entries = sorted((headings or {}).items())
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(count))
    outline = f"/Outlines {first_heading} 0 R" if entries else ""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {outline} >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, page in enumerate(pages):
        stream = page if isinstance(page, bytes) else _lines(page, size[1])
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] "
            f"/Contents {5 + 2 * index} 0 R /Resources << /Font << /F 3 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    if entries:
        last = first_heading + len(entries)
        objects.append(
            f"<< /Type /Outlines /First {first_heading + 1} 0 R /Last {last} 0 R >>".encode()
        )
    for place, (number, heading) in enumerate(entries):
        at = first_heading + 1 + place
        following = f"/Next {at + 1} 0 R" if place + 1 < len(entries) else ""
        objects.append(
            f"<< /Title ({heading}) /Parent {first_heading} 0 R {following} "
            f"/Dest [{2 + 2 * number} 0 R /Fit] >>".encode()
        )
    trailer = ""
    if title:
        objects.append(f"<< /Title ({title}) >>".encode())
        trailer += f" /Info {len(objects)} 0 R"
    if encrypt:
        objects.append(f"<< {encrypt} >>".encode())
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    return _assemble(objects, trailer)


ENCRYPTED = (
    f"/Filter /Standard /V 1 /R 2 /P -4 /O <{'41' * 32}> /U <{'42' * 32}>"  # no password fits
)


def _lines(text: str, height: float) -> bytes:
    shown = "".join(f"({line}) Tj T* " for line in text.split("\n"))
    return f"BT /F 12 Tf 14 TL 20 {height - 30} Td {shown} ET".encode("latin-1")


def _assemble(objects: Sequence[bytes], trailer: str) -> bytes:
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += f"trailer << /Size {len(objects) + 1} /Root 1 0 R{trailer} >>\n".encode()
    return bytes(body + b"startxref\n%d\n%%%%EOF\n" % start)


def scanned_pdf(pixels: Pixels, size: tuple[float, float]) -> bytes:
    """A page that is a picture, as scanners make them: no text layer."""
    height, width = pixels.shape[:2]
    data = zlib.compress(pixels.tobytes())
    image = (
        f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB "
        f"/BitsPerComponent 8 /Filter /FlateDecode /Length {len(data)} >>\nstream\n"
    ).encode()
    draw = f"q {size[0]} 0 0 {size[1]} 0 0 cm /I Do Q".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Contents 4 0 R "
        "/Resources << /XObject << /I 5 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw),
        image + data + b"\nendstream",
    ]
    return _assemble(objects, "")
