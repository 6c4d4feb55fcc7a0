import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_world import DirectedEncoder, World, record

from rzen.errors import UsageError
from rzen.search.duplicates import DuplicateGroup
from rzen.search.signature import alike, correlation, signature


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "i.rzen", DirectedEncoder({})) as made:
        yield made


def jpeg(pixels: NDArray[np.uint8], quality: int = 85) -> bytes:
    import PIL.Image

    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def scene(seed: int, side: int = 96) -> NDArray[np.uint8]:
    """Smooth random colours, as different from seed to seed as photographs are."""
    import PIL.Image

    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    resized = PIL.Image.fromarray(coarse).resize((side, side), PIL.Image.Resampling.BICUBIC)
    return np.asarray(resized)


def paths(groups: list[DuplicateGroup]) -> list[tuple[str, ...]]:
    return [group.paths for group in groups]


def test_equal_files_are_a_group_of_one_hit(world: World) -> None:
    """Guards against copies that vanish, as they share records, and against a group a page."""
    content = world.file(
        "/x/a.pdf", record("words", "page", [1], page=1), record("", "page", [1], page=2)
    )
    world.catalog.link("/x/copy.pdf", 1, 1, content)
    (group,) = world.searcher().duplicates()
    assert group.paths == ("/x/a.pdf", "/x/copy.pdf")
    assert len(group.hits) == 1
    assert group.similarity == 1.0


def test_near_pictures_are_joined_through_a_third(world: World) -> None:
    """By hand: neighbours at 0.97 and 0.98, the ends at less than the threshold."""
    angles = {"a": 0.0, "b": np.arccos(0.98), "c": np.arccos(0.98) + np.arccos(0.97), "d": 1.5}
    preview = jpeg(scene(1))
    for name, angle in angles.items():
        vector = [float(np.cos(angle)), float(np.sin(angle))]
        world.file(f"/x/{name}.jpg", record("", "image", vector, preview=preview))
    (group,) = world.searcher().duplicates(0.96)
    assert group.paths == ("/x/a.jpg", "/x/b.jpg", "/x/c.jpg")
    assert group.similarity == pytest.approx(0.97, abs=1e-4)
    assert [hit.score for hit in group.hits] == pytest.approx([0.98, 0.98, 0.97], abs=1e-4)
    assert paths(world.searcher().duplicates(0.975)) == [("/x/a.jpg", "/x/b.jpg")]


def test_equal_vectors_of_different_pictures_are_no_duplicates(world: World) -> None:
    """An encoder that sees only "a cat" gives two cats one vector; their pixels tell them apart."""
    pictures = {"cat": scene(1), "same": scene(1, side=60), "other": scene(2)}
    for name, pixels in pictures.items():
        world.file(f"/x/{name}.jpg", record("", "image", [1], preview=jpeg(pixels, 60)))
    assert paths(world.searcher().duplicates()) == [("/x/cat.jpg", "/x/same.jpg")]


def test_pages_of_text_are_compared_by_their_words(world: World) -> None:
    """All text pages look alike at thumbnail size; and blank pages of one file are no finding."""
    white = jpeg(np.full((80, 60, 3), 255, np.uint8))
    words = "the annual report of the harbour office for this year"
    for name, text in {"a": words, "b": words + " 2024", "c": "an invoice for bread"}.items():
        pages = [record(text, "page", [1], page=1, preview=white)]
        pages += [record("", "page", [0, 1], page=n, preview=white) for n in (2, 3)]
        world.file(f"/x/{name}.pdf", *pages[: 1 if name != "c" else 3])
    assert paths(world.searcher().duplicates()) == [("/x/a.pdf", "/x/b.pdf")]


def test_groups_come_by_size(world: World) -> None:
    """Guards against the largest group being last, and copies being counted once."""
    for name, vector in {"a": [1, 0], "b": [1, 0], "c": [0, 1], "d": [0, 1]}.items():
        content = world.file(f"/x/{name}.jpg", record("", "image", [float(v) for v in vector]))
    world.catalog.link("/x/e.jpg", 1, 1, content)
    expected = [("/x/c.jpg", "/x/d.jpg", "/x/e.jpg"), ("/x/a.jpg", "/x/b.jpg")]
    assert paths(world.searcher().duplicates()) == expected


def test_more_copies_than_neighbours_are_one_group(world: World) -> None:
    """A hundred equal vectors: more than a record's neighbours, more than a block."""
    for number in range(100):
        world.file(f"/x/{number}.jpg", record("", "image", [1]))
    world.file("/x/else.jpg", record("", "image", [0, 1]))
    (group,) = world.searcher().duplicates()
    assert len(group.paths) == 100


def test_a_file_of_like_pages_does_not_hide_its_twin(world: World) -> None:
    """Each page is nearer to more pages of its own file than a search asks for."""
    files = {"long": (0, 0.0), "next": (0, 0.1), "else": (90, -0.1)}
    for name, (first, aside) in files.items():
        numbers = range(first, first + 70)
        pages = [record(f"page {n}", "page", [1, aside], page=n) for n in numbers]
        world.file(f"/x/{name}.pdf", *pages)
    white = jpeg(np.full((40, 40, 3), 250, np.uint8))
    for name, aside in {"scan": 0.0, "copy": 0.1}.items():
        still = [record("", "video", [0, 1, aside], t_start=n, preview=white) for n in range(100)]
        world.file(f"/x/{name}.mp4", *still)
    expected = {("/x/copy.mp4", "/x/scan.mp4"), ("/x/long.pdf", "/x/next.pdf")}
    assert set(paths(world.searcher().duplicates())) == expected


def test_a_record_that_goes_meanwhile_takes_no_other_along(world: World) -> None:
    """Guards against a whole block left out because one file of it was removed."""
    for name in "abc":
        world.file(f"/x/{name}.jpg", record("", "image", [1]))
    searcher = world.searcher()
    world.catalog.remove(["/x/b.jpg"])
    assert paths(searcher.duplicates()) == [("/x/a.jpg", "/x/c.jpg")]


@pytest.mark.parametrize("threshold", [0.0, 1.5, -1.0])
def test_threshold_is_a_cosine(world: World, threshold: float) -> None:
    """Guards against a percentage typed as threshold that finds nothing, silently."""
    with pytest.raises(UsageError, match="cosine"):
        world.searcher().duplicates(threshold)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_correlation_is_symmetric_and_bounded(one: int, other: int) -> None:
    """Guards against an order of comparison that decides."""
    a = signature(record(preview=jpeg(scene(one, 32)))).thumbnail
    b = signature(record(preview=jpeg(scene(other, 32)))).thumbnail
    assert a is not None
    assert b is not None
    assert correlation(a, b) == pytest.approx(correlation(b, a))
    assert -1.001 <= correlation(a, b) <= 1.001
    assert correlation(a, a) == pytest.approx(1.0, abs=1e-5)


def test_flat_pictures_are_compared_by_colour() -> None:
    """Correlation is undefined for them; a white and a black one must not be called equal."""
    flat = [signature(record("", "image", preview=jpeg(np.full((40, 40, 3), v, np.uint8))))
            for v in (250, 252, 5)]  # fmt: skip
    assert alike(flat[0], flat[1])
    assert not alike(flat[0], flat[2])
    assert not alike(flat[0], signature(record("", "image", preview=jpeg(scene(3)))))
