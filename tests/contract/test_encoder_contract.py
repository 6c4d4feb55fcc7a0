"""What every encoder must keep, whatever it is made of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embedding_server import running
from media_files import quadrants, smooth
from mini_contents import saved
from rzen.encoders import create
from rzen.errors import EncoderError
from rzen.protocols import Encoder
from rzen.types import MODALITIES, Content, Frames, Image, Page, Text, Video

TINY = Path(__file__).parents[1] / "golden" / "rzenembed-tiny" / "model"


@pytest.fixture(
    scope="module",
    params=[
        "dummy",
        "mini",
        "trained-mini",
        "transformer",
        pytest.param("remote", marks=pytest.mark.enable_socket),
    ],
)
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encoder]:
    if request.param == "remote":
        with running(tmp_path_factory.mktemp("server") / "log.jsonl") as server:
            yield create(f"{server.host}/v1?modalities=text,image,video#hash")
        return
    if request.param == "trained-mini":
        yield create(str(saved(tmp_path_factory.mktemp("trained"))))
        return
    yield create(str(TINY) if request.param == "transformer" else request.param, device="cpu")


def frames(*seeds: int, size: tuple[int, int] = (120, 90)) -> Frames:
    pixels = tuple(smooth(*size, seed=seed) for seed in seeds)
    return Frames(pixels=pixels, times=tuple(float(i) for i in range(len(pixels))))


def contents() -> list[Content]:
    """One of each kind, long and short, in an order that no sort would leave as it is."""
    return [
        Content(Text("a red boat")),
        Content(Image(Frames(pixels=(quadrants(90, 60),)))),
        Content(Text("the quick brown fox jumps over the lazy dog " * 9)),
        Content(Page(frames(7), text="Invoice 17: forty two apples are due on Monday.")),
        Content(Video(frames(1, 2, 3))),
        Content(Text("x")),
        Content(Image(frames(5, size=(64, 200)))),
    ]


def test_is_an_encoder(encoder: Encoder) -> None:
    """A method is missing or misnamed, and only a caller far above notices."""
    assert isinstance(encoder, Encoder)
    assert encoder.modalities == frozenset(MODALITIES)
    assert encoder.fingerprint.dim == encoder.dim
    assert encoder.fingerprint == encoder.fingerprint
    assert set(encoder.calibration) <= encoder.modalities


def test_rows_are_unit_and_in_order_for_any_batch(encoder: Encoder) -> None:
    """Sorting by length hands rows back in sorted order; padding leaks into a neighbour."""
    given = contents()
    together = encoder.encode(given, role="document")
    assert together.vectors.shape == (len(given), encoder.dim)
    assert together.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together.vectors, axis=1), 1.0, atol=1e-5)

    alone = [encoder.encode([content], role="document").vectors[0] for content in given]
    np.testing.assert_allclose(np.stack(alone), together.vectors, atol=1e-5)
    backwards = encoder.encode(given[::-1], role="document").vectors[::-1]
    np.testing.assert_allclose(backwards, together.vectors, atol=1e-5)

    distinct = together.vectors @ together.vectors.T - np.eye(len(given))
    assert distinct.max() < 0.9999, "two different contents have one vector"


def test_is_deterministic(encoder: Encoder) -> None:
    """Dropout is left on, or a hash is salted per process."""
    first, second = (encoder.encode(contents(), role="query").vectors for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_bad_content_fails_alone(encoder: Encoder, tmp_path: Path) -> None:
    """One missing or damaged file takes its batch down, or shifts the rows behind it."""
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    given = [
        Content(Text("before")),
        Content(Image(tmp_path / "missing.png")),
        Content(Text("between"), Image(damaged)),
        Content(Text("behind")),
    ]
    encoded = encoder.encode(given, role="document")
    assert set(encoded.failed) == {1, 2}
    assert "missing.png" in encoded.failed[1]
    assert "damaged.png" in encoded.failed[2]
    assert not encoded.vectors[[1, 2]].any()
    kept = encoder.encode([given[0], given[3]], role="document").vectors
    np.testing.assert_allclose(encoded.vectors[[0, 3]], kept, atol=1e-5)
    with pytest.raises(EncoderError, match=r"2 of 4 .*row 1: .*missing\.png"):
        np.asarray(encoded)


def test_cut_dimensions_are_the_first_ones_normalised_again(encoder: Encoder) -> None:
    """Cutting happens after normalising, and a later dot product is no cosine any more."""
    full = encoder.encode(contents(), role="query").vectors[:, :16]
    cut = np.asarray(encoder.encode(contents(), role="query", dim=16))
    np.testing.assert_allclose(cut, full / np.linalg.norm(full, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("dim", [0, -1, 100_000])
def test_refuses_dimensions_it_does_not_have(encoder: Encoder, dim: int) -> None:
    """A slice beyond the end quietly gives the full vector, below zero an odd one."""
    with pytest.raises(EncoderError, match="ask for 1 to"):
        encoder.encode([Content(Text("x"))], role="query", dim=dim)


def test_nothing_gives_an_empty_matrix(encoder: Encoder) -> None:
    """An empty folder makes np.stack raise."""
    assert np.asarray(encoder.encode([], role="query")).shape == (0, encoder.dim)


@pytest.mark.parametrize("text", ["", " \n", "\ud800 broken", "http://a.example/b.png", "🚀東京"])
def test_takes_every_text(encoder: Encoder, text: str) -> None:
    """An empty query, a lone surrogate from a file name, or an address crashes or is fetched."""
    assert np.asarray(encoder.encode([Content(Text(text))], role="query")).any()


def test_several_parts_differ_from_each_of_them(encoder: Encoder) -> None:
    """Only the first part of a content is looked at."""
    text, image = Text("a red boat"), Image(Frames(pixels=(quadrants(80, 60),)))
    vectors = encoder.encode([Content(text), Content(image), Content(text, image)], role="query")
    similar = vectors.vectors @ vectors.vectors.T
    assert max(similar[2, 0], similar[2, 1]) < 0.9999


def test_media_without_a_frame_fails(encoder: Encoder) -> None:
    """A stretch of video without frames becomes the vector of an empty text, or NaN."""
    nothing = Frames(pixels=())
    given = [Content(Video(nothing)), Content(Page(nothing, text="")), Content(Text("x"))]
    assert set(encoder.encode(given, role="document").failed) == {0, 1}
