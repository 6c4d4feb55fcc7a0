"""An open video: frames with their times.

The container is opened from a Python file object, with the demuxer that the magic bytes name:
nothing in the file can make FFmpeg follow a path or a URL.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import pulse
from rzen.media.formats import HEAD_BYTES, video_format
from rzen.media.size import fit
from rzen.media.source import decoding, label, opened
from rzen.types import MetadataValue

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_STREAMS = 64
_BUFFER_BYTES = 1 << 18
_DEFAULT_RATE = 25.0
_RESET_SECONDS = 1.0  # a jump back by more than this is a clock that started again
_SHORTFALL_SECONDS = 2.0


@contextmanager
def opened_video(source: Path | bytes, limits: Limits) -> "Iterator[Reel]":
    """Opens a video for reading.

    Raises:
        MediaError: if it is no video, damaged, or has too many streams.
    """
    import av

    with opened(source, limit=limits.file_bytes) as file:
        container_format = video_format(file.read(HEAD_BYTES))
        if container_format is None:
            raise MediaError(f"{label(source)}: not a video that rzen can read")
        file.seek(0)
        with (
            decoding(source, "video"),
            av.open(
                file,
                "r",
                format=container_format,
                buffer_size=_BUFFER_BYTES,
                metadata_errors="replace",
            ) as container,
        ):
            yield Reel(source, limits, container, _video_stream(source, container))


def _video_stream(source: Path | bytes, container: "InputContainer") -> "VideoStream":
    if len(container.streams) > _STREAMS:
        raise MediaError(
            f"{label(source)}: {len(container.streams)} streams are more than the {_STREAMS} that "
            "a video may have"
        )
    # Cover pictures of songs are video streams of one frame.
    found = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not found:
        raise MediaError(f"{label(source)}: there is no video in it, only sound or data")
    return found[0]


def _is_cover(stream: "VideoStream") -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _stream_seconds(stream: "VideoStream") -> float | None:
    """How long the pictures last, which is not how long the sound does."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska has no field for it; most programs write a tag: 00:01:05.080000000.
    found = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


@dataclass(slots=True, eq=False)
class Reel:
    """An open video: frames with their times, from zero, ever growing.

    Attributes:
        duration: of the whole file, sound included, as its header tells; ``None`` if it does not.
        length: the same of the pictures alone.
        metadata: duration, fps, and, once a frame was read, width and height as shown.
        frame_seconds: how long a frame is shown, on average.
    """

    source: Path | bytes
    limits: Limits
    container: "InputContainer"
    stream: "VideoStream"
    duration: float | None = None
    length: float | None = None
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    frame_seconds: float = 1 / _DEFAULT_RATE
    _origin: float | None = None
    _last: float = -1.0
    _broken: int = 0
    _broke_off: str = ""

    def __post_init__(self) -> None:
        rate = self.stream.average_rate or self.stream.guessed_rate
        if rate:
            self.frame_seconds = min(1.0, 1 / float(rate))
        if self.container.start_time is not None:
            self._origin = self.container.start_time / 1e6
        elif self.stream.start_time is not None and self.stream.time_base is not None:
            self._origin = float(self.stream.start_time * self.stream.time_base)
        if self.container.duration is not None and self.container.duration > 0:
            self.duration = self.container.duration / 1e6
        self.length = _stream_seconds(self.stream) or self.duration
        if "matroska" in self.container.format.name and self._origin:
            # What Matroska calls a duration is the time of its end.
            self.duration = self.duration and max(0.0, self.duration - self._origin)
            self.length = self.length and max(0.0, self.length - self._origin)
        self._check(self.duration or 0.0)
        self._check_size(self.stream.codec_context.width, self.stream.codec_context.height)
        self.stream.thread_type = "NONE"  # no slower beside other workers, and errors stay in place
        self.metadata = {"fps": round(1 / self.frame_seconds, 3)}
        if self.duration is not None:
            self.metadata["duration"] = self.duration

    def frames(self, begin: float = 0.0) -> "Iterator[tuple[float, VideoFrame]]":
        """Times and frames, from the last key frame before ``begin`` on."""
        if begin > 0 and self._origin is not None:
            self.container.seek(int((begin + self._origin) * 1e6), backward=True)
        count = 0
        for frame in self._decoded():
            count += 1
            if count > self.limits.frames:
                raise MediaError(
                    f"{label(self.source)}: more than {self.limits.frames:,} frames: raise the "
                    "setting limits.frames to read it"
                )
            self._check_size(frame.width, frame.height)
            time = self._time(frame)
            if time <= self._last:
                continue
            self._check(time)
            if self._last < 0:
                self.metadata |= self._size_shown(frame)
            self._last = time
            yield time, frame

    def pixels(self, frame: "VideoFrame", budget: int) -> NDArray[np.uint8]:
        """A frame as it is shown: upright, with square pixels, scaled down to the budget."""
        width, height = self._shown(frame)
        columns, rows = fit(width, height, budget)
        small = frame.reformat(columns, rows, "rgb24", interpolation="BICUBIC")
        turned = np.rot90(small.to_ndarray(), round(frame.rotation / 90))
        return np.ascontiguousarray(turned, dtype=np.uint8)

    def remark(self, end: float) -> str:
        """What could not be read, given that the last frame ended there."""
        if self._falls_short(end):
            whole = f" of {self.duration:.1f} s" if self.duration else ""
            reason = f" ({self._broke_off})" if self._broke_off else ""
            return f"the video breaks off after {end:.1f} s{whole}{reason}: the rest is lost"
        if self._broken:
            return f"damaged pieces of the video that could not be decoded: {self._broken}"
        return ""

    def unreadable(self) -> MediaError:
        """The error for a video without a single good frame."""
        reason = self._broke_off or "no frame could be decoded"
        return MediaError(
            f"{label(self.source)}: the video is damaged or truncated ({reason}): replace the file "
            "by a whole copy"
        )

    def _decoded(self) -> "Iterator[VideoFrame]":
        from av.error import FFmpegError

        for packet in self._packets():
            pulse.beat()
            try:
                frames = packet.decode()
            except FFmpegError:
                self._broken += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._broken += 1
                else:
                    yield frame

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """The packets, less the last where the file breaks off: it is half a frame."""
        from av.error import FFmpegError

        packets = self.container.demux(self.stream)
        held: Packet[VideoStream] | None = None
        latest = -math.inf
        while True:
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as error:
                self._broke_off = str(error.strerror or error)
                packet = None
            ends = packet is None or packet.size == 0  # the empty one flushes the decoder
            if held is not None and not (ends and self._falls_short(latest)):
                yield held
            if packet is None:
                return
            held = None if ends else packet
            if ends:
                yield packet
            elif packet.pts is not None and packet.time_base is not None:
                latest = max(latest, float(packet.pts * packet.time_base) - (self._origin or 0.0))

    def _falls_short(self, end: float) -> bool:
        if self._broke_off:
            return True
        whole = self.length
        return whole is not None and whole - end > max(_SHORTFALL_SECONDS, 0.02 * whole)

    def _time(self, frame: "VideoFrame") -> float:
        """Seconds from the start; a clock that starts again is taken as going on."""
        guess = self._last + self.frame_seconds if self._last >= 0 else 0.0
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None or frame.time_base is None:
            return guess
        clock = float(stamp * frame.time_base)
        if self._origin is None:
            self._origin = clock
        time = clock - self._origin
        if time < self._last - _RESET_SECONDS:
            self._origin = clock - guess
            return guess
        return max(time, 0.0) if self._last < 0 else time

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.limits.frame_pixels:
            raise MediaError(
                f"{label(self.source)}: frames of {width} x {height} pixels are more than the "
                f"limit of {self.limits.frame_pixels:,}: raise the setting limits.frame_pixels to "
                "read it"
            )

    def _size_shown(self, frame: "VideoFrame") -> dict[str, MetadataValue]:
        width, height = self._shown(frame)
        if round(frame.rotation / 90) % 2:
            width, height = height, width
        return {"width": width, "height": height}

    def _shown(self, frame: "VideoFrame") -> tuple[int, int]:
        aspect = self.stream.sample_aspect_ratio
        stretch = float(aspect) if aspect else 1.0
        # Beyond this a header is wrong, not anamorphic.
        stretch = stretch if 0.25 <= stretch <= 4 else 1.0
        return max(1, round(frame.width * stretch)), frame.height

    def _check(self, seconds: float) -> None:
        if seconds > self.limits.video_seconds:
            raise MediaError(
                f"{label(self.source)}: {seconds:,.0f} s are more than the limit of "
                f"{self.limits.video_seconds:,.0f} s: cut it, or raise the setting "
                "limits.video_seconds"
            )
