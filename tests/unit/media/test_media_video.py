"""Videos: cuts, segments, sampled frames, times, and what is wrong with them."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media_files import clip, picture, quadrants, smooth, sound
from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import scenes, video
from rzen.types import MediaBudget

LIMITS = Limits()
BUDGET = MediaBudget(frame_pixels=3000, frames=16)


def scan(
    source: Path | bytes,
    shortest: float = 2.0,
    longest: float = 6.0,
    budget: MediaBudget = BUDGET,
    limits: Limits = LIMITS,
) -> tuple[list[video.Clip], str]:
    found = video.scan(source, budget=budget, limits=limits, shortest=shortest, longest=longest)
    clips: list[video.Clip] = []
    while True:
        try:
            clips.append(next(found))
        except StopIteration as end:
            return clips, end.value


def borders(clips: list[video.Clip]) -> list[float]:
    return [round(clip.t_start, 3) for clip in clips] + [round(clips[-1].t_end, 3)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "mpeg4"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
    ],
)
def test_clips_begin_at_the_cuts(tmp_path: Path, name: str, codec: str) -> None:
    path = clip(tmp_path / name, [3, 4, 2.5], codec=codec)
    clips, remark = scan(path)
    assert borders(clips) == pytest.approx([0, 3, 7, 9.5], abs=0.01)
    assert remark == ""
    for found in clips:
        assert found.metadata["width"] == 64
        assert found.metadata["height"] == 48
        assert found.metadata["fps"] == pytest.approx(10)
        assert found.metadata["duration"] == pytest.approx(9.5, abs=0.11)


def test_clips_are_neither_too_short_nor_too_long(tmp_path: Path) -> None:
    """Cuts too near to the last border, or to the end, are passed over; still scenes are cut."""
    path = clip(tmp_path / "a.mkv", [1, 3, 1, 15, 1], fps=5)
    clips, _ = scan(path, shortest=2, longest=6)
    lengths = np.diff(borders(clips))
    assert lengths.min() >= 2
    assert lengths.max() <= 6
    assert 4.0 in borders(clips)


def test_a_rest_just_over_the_longest_leaves_a_long_enough_end(tmp_path: Path) -> None:
    clips, _ = scan(clip(tmp_path / "a.mp4", [7]), shortest=2, longest=6)
    assert borders(clips) == pytest.approx([0, 5, 7])


def test_motion_is_no_cut(tmp_path: Path) -> None:
    """A pan changes every pixel in every frame; a fixed threshold alone would cut it to pieces."""
    path = clip(tmp_path / "a.mp4", [6], motion=16, size=(128, 96))
    clips, _ = scan(path, shortest=0.3, longest=10)
    assert len(clips) == 1


def test_the_detector_on_noise_motion_and_cuts() -> None:
    """The thresholds, away from codecs: noise is none, nor is the onset of motion, however fast."""
    rng = np.random.default_rng(0)
    shape = (3, scenes.HEIGHT, scenes.WIDTH)

    def noisy(level: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.clip(rng.normal(level, 4, shape), 0, 255).astype(np.uint8)

    still = [noisy(60) for _ in range(20)]
    other = [noisy(180) for _ in range(20)]
    moving = [rng.integers(0, 255, shape, np.uint8) for _ in range(20)]
    frames = [*still, *other, *still, *moving]
    marked = list(scenes.mark_cuts(frames, lambda frame: frame))
    assert [frame is before for (frame, _), before in zip(marked, frames, strict=True)] == [
        True
    ] * 80
    assert [at for at, (_, cut) in enumerate(marked) if cut] == [20, 40]
    for length in range(4):
        assert [cut for _, cut in scenes.mark_cuts(still[:length], lambda frame: frame)] == [
            False
        ] * length
    edges = [*still[:1], *other[:3], *still[:1]]
    assert [cut for _, cut in scenes.mark_cuts(edges, lambda frame: frame)] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_samples_are_those_of_their_times(tmp_path: Path) -> None:
    """Each sampled frame must be the one that the file shows at that time."""
    path = clip(tmp_path / "a.mp4", [1] * 6, fps=10, motion=0)
    clips, _ = scan(path, shortest=6, longest=6)
    (found,) = clips
    assert len(found.frames.times) == 12
    assert list(found.frames.times) == pytest.approx(np.arange(12) / 2)
    for time, pixels in zip(found.frames.times, found.frames.pixels, strict=True):
        only = video.sample(path, time, time + 0.05, budget=BUDGET, limits=LIMITS)
        np.testing.assert_array_equal(only.pixels[0], pixels)
    firsts, seconds = found.frames.pixels[::2], found.frames.pixels[1::2]
    for first, second in zip(firsts, seconds, strict=True):
        assert np.abs(first.astype(int) - second).mean() < 8  # the same scene
    for before, after in pairwise(firsts):
        assert np.abs(before.astype(int) - after).mean() > 25


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.webm"])
@pytest.mark.parametrize("frames", [4, 16])
def test_sampling_a_stretch_gives_what_scanning_gave(
    tmp_path: Path, name: str, frames: int
) -> None:
    """A hit's stretch that is opened again must show the very pixels that were indexed."""
    path = clip(tmp_path / name, [3, 3.3, 4], codec="libvpx" if name == "a.webm" else "mpeg4")
    budget = MediaBudget(frame_pixels=1500, frames=frames)
    clips, _ = scan(path, budget=budget)
    assert len(clips) == 3
    for found in clips:
        again = video.sample(path, found.t_start, found.t_end, budget=budget, limits=LIMITS)
        assert again.times == found.frames.times
        for one, two in zip(again.pixels, found.frames.pixels, strict=True):
            np.testing.assert_array_equal(one, two)
            assert one.shape[0] * one.shape[1] <= 1500


def test_uneven_and_late_times(tmp_path: Path) -> None:
    """Variable frame rates, and a clock that does not begin at zero."""
    times = [5 + index / 10 + (index > 20) * 2.0 for index in range(40)]
    path = clip(tmp_path / "a.mkv", [4], times=times)
    clips, remark = scan(path, shortest=2, longest=20)
    assert remark == ""
    (found,) = clips
    assert found.t_start == pytest.approx(0, abs=0.01)
    assert found.t_end == pytest.approx(6, abs=0.2)
    gaps = np.diff(found.frames.times)
    assert gaps.max() == pytest.approx(2.0, abs=0.6)
    assert (gaps > 0).all()


class _Frame:
    """As much of a frame as its time needs."""

    def __init__(self, pts: int | None, dts: int | None = None) -> None:
        from fractions import Fraction

        self.pts, self.dts, self.time_base = pts, dts, Fraction(1, 10)
        self.width = self.height = 8
        self.rotation = 0


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 1, 2, 3], [0, 0.1, 0.2, 0.3]),
        ([-2, -1, 0, 1], [0, 0.1]),  # before the start: one frame stands for them
        ([None, None, None], [0, 0.1, 0.2]),
        ([0, 1, None, 3], [0, 0.1, 0.2, 0.3]),
        ([0, 2, 1, 3], [0, 0.2, 0.3]),  # a step back is dropped
        ([0, 1, 1, 2], [0, 0.1, 0.2]),
        ([50, 51, 52, 0, 1], [5, 5.1, 5.2, 5.3, 5.4]),  # a clock that starts again goes on
    ],
)
def test_bad_time_stamps(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stamps: list[int | None],
    expected: list[float],
) -> None:
    from rzen.media.reel import Reel, opened_video

    path = clip(tmp_path / "a.mkv", [1])

    def frames(self: Reel) -> Iterator[_Frame]:
        yield from (_Frame(stamp) for stamp in stamps)

    monkeypatch.setattr(Reel, "_decoded", frames)
    with opened_video(path, LIMITS) as reel:
        assert [time for time, _ in reel.frames()] == pytest.approx(expected)


def test_rotation_is_applied(tmp_path: Path) -> None:
    """Telephones write upright videos lying on their side, and a matrix."""
    path = tmp_path / "a.mp4"
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(quadrants(64, 32))))
        container.mux(stream.encode())
    one, minus_one = 1 << 16, -(1 << 16)
    lying = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, one, 0, minus_one, 0, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 44
    assert data[at : at + 36] == lying
    clips, _ = scan(data[:at] + clockwise + data[at + 36 :])
    pixels = clips[0].frames.pixels[0]
    upright = np.rot90(quadrants(64, 32), -1)
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() < 20
    assert (clips[0].metadata["width"], clips[0].metadata["height"]) == (32, 64)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
def test_a_file_that_breaks_off_gives_what_is_there_and_says_so(tmp_path: Path, name: str) -> None:
    """Neither may the good half be lost, nor the lack of the other go unsaid."""
    path = clip(
        tmp_path / name,
        [3, 3, 3, 3],
        options={"movflags": "faststart"} if name == "a.mp4" else None,
    )
    data = path.read_bytes()
    whole, _ = scan(data)
    half, remark = scan(data[: len(data) * 6 // 10])
    assert remark
    assert 3 <= half[-1].t_end < 9.5
    for before, after in zip(whole, half[:-1], strict=False):
        assert before.frames.times == after.frames.times


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", [2])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"a\.mp4: the video is damaged or truncated"):
        scan(path)


def test_sound_in_a_video_container_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video in it"):
        scan(sound(tmp_path / "song.mp4"))


def test_other_things_are_refused() -> None:
    with pytest.raises(MediaError, match="not a video"):
        scan(picture(smooth(8, 8)))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(video_seconds=1.0), "limits.video_seconds"),
        (Limits(frames=10), "limits.frames"),
        (Limits(frame_pixels=64 * 48 - 1), "limits.frame_pixels"),
        (Limits(file_bytes=100), "limits.file_bytes"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        scan(clip(tmp_path / "a.mp4", [2]), limits=limits)


def test_no_frame_in_a_stretch(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", [1])
    with pytest.raises(MediaError, match="no frame between 5 s and 6 s"):
        video.sample(path, 5, 6, budget=BUDGET, limits=LIMITS)


def test_references_to_other_files_are_not_followed(tmp_path: Path) -> None:
    """A QuickTime data reference can name any file of this machine."""
    secret = clip(tmp_path / "secret.mov", [1])
    data = clip(tmp_path / "a.mov", [1]).read_bytes()
    at = data.index(b"url \0\0\0\1")
    named = data[: at + 4] + b"\0\0\0\0" + data[at + 8 :]  # no longer "in this file"
    named = named[:at] + b"alis" + named[at + 4 :]
    opened: list[str] = []
    import builtins

    original = builtins.open

    def spy(file: object, *args: object, **kwargs: object) -> object:
        opened.append(str(file))
        return original(file, *args, **kwargs)  # type: ignore[call-overload]

    builtins.open = spy  # type: ignore[assignment]
    try:
        scan(named)
    except MediaError:
        pass
    finally:
        builtins.open = original
    assert str(secret) not in opened
