"""The one door: what it opens, what it refuses, and that a pool delivers the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_files import clip, pdf, picture, smooth
from rzen import media
from rzen.config import Limits
from rzen.errors import MediaError
from rzen.types import Frames, Image, MediaBudget, Page, Part, Text, Video

LIMITS = Limits()
BUDGET = MediaBudget(image_pixels=5000, page_pixels=20_000, frame_pixels=2000, frames=8)


def opened(part: Part) -> media.Opened:
    return media.open(part, budget=BUDGET, limits=LIMITS)


def test_a_text_is_itself() -> None:
    found = opened(Text("a red boat"))
    assert (found.frames, found.text) == (None, "a red boat")


@pytest.mark.parametrize("as_bytes", [False, True])
def test_every_medium_from_paths_and_bytes(tmp_path: Path, as_bytes: bool) -> None:
    def source(path: Path) -> Path | bytes:
        return path.read_bytes() if as_bytes else path

    (tmp_path / "a.jpg").write_bytes(picture(smooth(200, 100), "JPEG"))
    (tmp_path / "b.pdf").write_bytes(
        pdf(["page one here, with words", "page two here, with words"])
    )
    clip(tmp_path / "c.mp4", [2, 2])
    still = opened(Image(source(tmp_path / "a.jpg")))
    assert still.frames is not None
    assert still.frames.pixels[0].shape == (50, 100, 3)
    page = opened(Page(source(tmp_path / "b.pdf"), 2))
    assert page.frames is not None
    assert page.text == "page two here, with words"
    assert opened(Page(source(tmp_path / "b.pdf"), 2, "known")).text == "known"
    moving = opened(Video(source(tmp_path / "c.mp4"), 2.0, 4.0))
    assert moving.frames is not None
    assert moving.frames.times == pytest.approx((2.3, 2.8, 3.3, 3.8))
    assert opened(Video(source(tmp_path / "c.mp4"))).frames is not None


@pytest.mark.parametrize("make", [Image, Video, Page, lambda frames: Page(frames, 3, "its text")])
def test_decoded_pixels_pass_untouched(make: Callable[[Frames], Any]) -> None:
    frames = Frames(pixels=(smooth(500, 400),))
    found = opened(make(frames))
    assert found.frames is frames
    assert found.text in ("", "its text")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Image("https://example.org/a.jpg"), "fetching URLs is not supported yet"),
        (Image(b""), "the file is empty"),
        (Image(pdf(["x"])), "its content is pdf, not image: give it as a Page"),
        (Page(b"words"), "its content is text, not pdf or image: give it as a Text"),
        (Page(picture(smooth(9, 9)), 2), "a picture is one page, there is no page 2"),
        (Video(b"words"), "its content is text, not video: give it as a Text"),
        (Image(Path("/no/such/file.png")), "cannot be opened"),
    ],
)
def test_what_it_refuses(part: Part, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        opened(part)


def test_a_page_may_be_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against scans that are refused, read again though their text is known, or unread."""
    read: list[tuple[int, ...]] = []

    def reads(pixels: Any) -> str:
        read.append(pixels.shape)
        return "what it says"

    monkeypatch.setattr("rzen.media.ocr.available", lambda: True)
    monkeypatch.setattr("rzen.media.ocr.read", reads)
    scan = picture(smooth(400, 200))
    assert opened(Page(scan, 1, "known")).text == "known"
    assert not read
    found = opened(Page(scan))
    assert found.text == "what it says"
    assert read == [(200, 400, 3)]  # legible: not what the encoder's budget leaves of it
    assert found.frames is not None
    assert found.frames.pixels[0].shape == (100, 200, 3)
    monkeypatch.setattr("rzen.media.ocr.available", lambda: False)
    assert opened(Page(scan)).text == ""


def test_a_budget_of_one_pixel() -> None:
    least = MediaBudget(image_pixels=1, page_pixels=1, frame_pixels=1, frames=1, fps=0.1)
    for part in (Image(picture(smooth(90, 60))), Page(pdf(["x"]))):
        found = media.open(part, budget=least, limits=LIMITS)
        assert found.frames is not None
        assert found.frames.pixels[0].shape == (1, 1, 3)


def test_two_openings_are_alike(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", [3], codec="libx264")
    for part in (Image(picture(smooth(900, 700), "JPEG")), Video(path), Page(pdf(["x"]))):
        one, two = opened(part).frames, opened(part).frames
        assert one is not None
        assert two is not None
        assert one.times == two.times
        for before, after in zip(one.pixels, two.pixels, strict=True):
            np.testing.assert_array_equal(before, after)
