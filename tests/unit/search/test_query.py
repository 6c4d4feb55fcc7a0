from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.errors import UsageError
from rzen.search.query import Query, build_query, split_page
from rzen.types import Content, Frames, Image, Page, Text

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "boat.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.4\n")
    return path


def test_text_and_media_make_one_content(picture: Path, report: Path) -> None:
    """Guards against parts that are encoded one by one instead of together."""
    query = build_query("at night", image=[str(picture), PNG], page=f"{report}#3")
    kinds = [type(part) for part in query.content.parts]
    assert kinds == [Text, Image, Image, Page]
    assert query.pages[0].number == 3
    assert query.content.modality == "page"


@settings(deadline=None)
@given(st.text(), st.booleans())
def test_any_text_is_a_query_unless_blank(text: str, as_minus: bool) -> None:
    """Guards against texts that crash when they are looked at as file names (NUL, too long)."""
    if as_minus:
        assert build_query("x", minus=text).minus == (text,)
    elif text.strip():
        assert build_query(text).text == text
    else:
        with pytest.raises(UsageError, match="nothing to search for"):
            build_query(text)


def test_minus_alone_is_refused() -> None:
    """Guards against an arbitrary answer to a query without a direction."""
    with pytest.raises(UsageError, match="besides what should stay away"):
        build_query(minus="dog")


@pytest.mark.parametrize("kind", ["image", "video", "page"])
def test_missing_files_and_folders_are_named(kind: str, tmp_path: Path) -> None:
    """Guards against an error from deep inside a decoder."""
    ask: dict[str, Callable[[str | Path], Query]] = {
        "image": lambda given: build_query(image=given),
        "video": lambda given: build_query(video=given),
        "page": lambda given: build_query(page=given),
    }
    with pytest.raises(UsageError, match=r"gone\.bin does not exist"):
        ask[kind](tmp_path / "gone.bin")
    with pytest.raises(UsageError, match="is a folder"):
        ask[kind](str(tmp_path))


def test_page_numbers(report: Path, tmp_path: Path) -> None:
    """Guards against a '#' that belongs to the file's name being read as a page."""
    assert build_query(page=report).pages[0].number == 1
    odd = tmp_path / "notes#2"
    odd.write_bytes(b"%PDF-1.4\n")
    assert build_query(page=str(odd)).pages[0].source == odd
    assert build_query(page=str(odd)).pages[0].number == 1
    deep = build_query(page=f"{odd}#7").pages[0]
    assert (deep.source, deep.number) == (odd, 7)
    with pytest.raises(UsageError, match="counted from 1"):
        build_query(page=f"{report}#0")
    assert split_page("x#y")[1] is None


def test_minus_by_content(picture: Path, report: Path, tmp_path: Path) -> None:
    """Existing media stand for themselves; a text file's name and any other text are words."""
    notes = tmp_path / "notes.txt"
    notes.write_text("words")
    query = build_query("x", minus=[str(picture), f"{report}#2", str(notes), "a dog", picture])
    first, second, third, fourth, fifth = query.minus
    assert isinstance(first, Content)
    assert first.modality == "image"
    assert isinstance(second, Content)
    page = second.parts[0]
    assert isinstance(page, Page)
    assert page.number == 2
    assert (third, fourth) == (str(notes), "a dog")
    assert isinstance(fifth, Content)
    assert [content.modality for content in query.away][2:4] == ["text", "text"]


def test_minus_as_a_path_must_be_media(tmp_path: Path) -> None:
    """Guards against a mistyped path that is silently searched for as words."""
    with pytest.raises(UsageError, match="does not exist"):
        build_query("x", minus=tmp_path / "gone.jpg")


def test_pixels(picture: Path) -> None:
    """Guards against arrays of the wrong shape reaching an encoder."""
    still = np.zeros((4, 5, 3), np.uint8)
    image = build_query(image=still).images[0].source
    assert isinstance(image, Frames)
    assert len(image.pixels) == 1
    clip = build_query(video=np.zeros((7, 4, 5, 3), np.uint8)).videos[0].source
    assert isinstance(clip, Frames)
    assert len(clip.pixels) == 7
    for wrong in (np.zeros((4, 5), np.uint8), still.astype(np.float32), still[:0]):
        with pytest.raises(UsageError, match="uint8 RGB"):
            build_query(image=wrong)  # type: ignore[arg-type]


def test_urls_pass_through() -> None:
    """Guards against an address being reported as a missing file; media decides about it."""
    assert build_query(image="https://example.org/a.jpg").images[0].source == (
        "https://example.org/a.jpg"
    )


def test_a_query_by_hand_is_checked() -> None:
    """Guards against an empty Content deep in the encoder."""
    with pytest.raises(UsageError, match="nothing to search for"):
        Query(text="  ")
