"""What the builders of tasks share: unpacked packages, a folder of media, dice and tallies."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language.concepts import stable_number
from rzen.types import Image, Page, Video

_CLIP_FPS = 8
_Pixels = NDArray[np.uint8]


class Workshop:
    """One building of the suite.

    Args:
        root: the folder of the suite that is being built.
        fetch: package name -> folder of the unpacked package.

    Attributes:
        tallies: what was left out and why, for the datasheet ("near-duplicates: ...": count).
    """

    def __init__(self, root: Path, fetch: Callable[[str], Path]) -> None:
        self.root = root
        self.fetch = fetch
        self.tallies: Counter[str] = Counter()
        (root / "media").mkdir(parents=True, exist_ok=True)

    def picture(self, pixels_HWC: _Pixels) -> Image:
        """Stores a picture, once, under the hash of its pixels."""
        return Image(self._png(pixels_HWC))

    def page(self, pixels_HWC: _Pixels, text: str | None) -> Page:
        """Stores a page's picture; ``text=None`` leaves the reading to whoever opens it."""
        return Page(self._png(pixels_HWC), 1, text)

    def clip(self, frames: Sequence[_Pixels], *, fps: int = _CLIP_FPS) -> Video:
        """Stores frames of one even size as an H.264 file, once, under the hash of the pixels.

        The name does not depend on the version of the codec, so neither does that of the suite.
        """
        digest = hashlib.sha256(f"{fps} {frames[0].shape}".encode())
        for frame in frames:
            digest.update(frame.tobytes())
        file = self.root / "media" / f"{digest.hexdigest()[:24]}.mp4"
        if not file.exists():
            _write_clip(file, frames, fps)
        return Video(file)

    def dice(self, *key: object) -> np.random.Generator:
        """Random numbers that depend on the key alone, never on what was drawn before."""
        return np.random.default_rng(stable_number(" ".join(map(str, key))))

    def _png(self, pixels_HWC: _Pixels) -> Path:
        from PIL import Image as Pillow

        shape = "x".join(map(str, pixels_HWC.shape))
        digest = hashlib.sha256(shape.encode() + pixels_HWC.tobytes()).hexdigest()[:24]
        file = self.root / "media" / f"{digest}.png"
        if not file.exists():
            Pillow.fromarray(pixels_HWC).save(file, compress_level=4)
        return file


def _write_clip(file: Path, frames: Sequence[_Pixels], fps: int) -> None:
    import av

    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20", "threads": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
