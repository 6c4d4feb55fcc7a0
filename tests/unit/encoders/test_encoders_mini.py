import importlib.util
from pathlib import Path

import numpy as np
import pytest

from media_files import quadrants, smooth
from rzen.encoders.mini import assets
from rzen.encoders.mini.conse import INPUT_SIZE, _weights, square
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.types import MODALITIES, Content, Frames, Image, Page, Text, Video


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return MiniEncoder(threads=2)


def texts(*given: str) -> list[Content]:
    return [Content(Text(text)) for text in given]


def test_the_image_network_agrees_with_torch(mini: MiniEncoder) -> None:
    """A padding, a folded batch norm or the scaling of pixels differs from the trained network."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    files = assets._source_files()
    eager = EfficientNet.from_name("efficientnet-lite0")
    eager.load_state_dict(torch.load(files["efficientnet-lite0-57934424.pth"], weights_only=True))
    eager.eval()
    pictures = [smooth(300, 200, seed=seed) for seed in range(5)] + [quadrants(90, 160)]
    pixels = np.stack([square(picture) for picture in pictures])
    with torch.inference_mode():
        scaled = (torch.tensor(pixels).permute(0, 3, 1, 2).float() - 127) / 128
        theirs = eager(scaled).softmax(-1).numpy()
    ours = torch.tensor(mini._images.logits(pictures)).softmax(-1).numpy()
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_photograph_is_found_by_what_it_shows(mini: MiniEncoder) -> None:
    """The classes' names are in another order than the network's outputs."""
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    photographs = Path(spec.origin).parent / "datasets" / "images"
    given = [Content(Image(photographs / name)) for name in ("flower.jpg", "china.jpg")]
    flower, temple = np.asarray(mini.encode(given, role="document"))
    query = np.asarray(mini.encode(texts("a blossom", "an asian temple"), role="query"))
    assert query[0] @ flower > query[0] @ temple + 0.1
    assert query[1] @ temple > query[1] @ flower + 0.1


@pytest.mark.parametrize("dim", [384, 128])
def test_a_vector_tells_what_it_was_mixed_of(mini: MiniEncoder, dim: int) -> None:
    """Guards against names that the network did not give: the classes and their weights come back
    from the vector alone, from its beginning and from frames together, too."""
    pictures = [smooth(300, 200, seed=seed) for seed in range(3)]
    weights = _weights(mini._images.logits(pictures))
    for picture, weight_C in zip(pictures, weights, strict=True):
        vector_D = mini._images.encode([picture])[0]
        np.testing.assert_allclose(mini._images.mixture(vector_D[:dim]), weight_C, atol=2e-4)
        name = mini._class_names[int(weight_C.argmax())]
        assert [each.name for each in mini.names(vector_D)][:1] in ([name], [])
    clip = Content(Video(Frames(pixels=tuple(pictures))))
    (together_D,) = np.asarray(mini.encode([clip], role="document"))
    found = np.flatnonzero(mini._images.mixture(together_D) > 1e-3)
    assert set(found) <= set(np.flatnonzero(weights.sum(0)))


def test_names_are_what_a_picture_shows(mini: MiniEncoder) -> None:
    """Guards against names in the order of another table, and names of everything."""
    (vector_D,) = np.asarray(mini.encode(texts("the weather of tomorrow"), role="document"))
    assert len(mini.names(vector_D)) <= 3
    (class_D,) = np.asarray(mini.encode(texts("x"), role="document")) * 0
    assert mini.names(class_D) == []
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    temple = Path(spec.origin).parent / "datasets" / "images" / "china.jpg"
    (seen_D,) = np.asarray(mini.encode([Content(Image(temple))], role="document"))
    named = mini.names(seen_D)
    assert {each.name for each in named} & {"bell tower", "palace", "boathouse", "stupa"}
    assert [each.share for each in named] == sorted((each.share for each in named), reverse=True)


def test_the_end_of_a_long_text_counts(mini: MiniEncoder) -> None:
    """Everything behind 256 tokens is lost in silence."""
    filler = "The committee met again and adjourned without a decision. " * 60
    with_end, without = mini.encode(
        texts(filler + "Volcanoes erupt with lava. " * 12, filler), role="document"
    ).vectors
    query = mini.encode(texts("eruption of a volcano"), role="query").vectors[0]
    assert query @ with_end > query @ without + 0.05


def test_only_what_is_lost_is_warned_of(mini: MiniEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning for every long passage; or none for a book of which most is left out."""
    monkeypatch.setattr("rzen.encoders.mini.text._PIECES", 2)
    encoded = mini.encode(texts("word " * 400, "word " * 600), role="document")
    assert set(encoded.warnings) == {1}


def test_a_video_is_the_mean_of_its_frames(mini: MiniEncoder) -> None:
    """Frames of neighbouring contents are mixed up when they share a batch."""
    stills = [smooth(96, 64, seed=seed) for seed in range(5)]
    first, second = Frames(pixels=tuple(stills[:2])), Frames(pixels=tuple(stills[2:]))
    given = [Content(Image(Frames(pixels=(still,)))) for still in stills]
    videos = [Content(Video(first)), Content(Text("x")), Content(Video(second))]
    vectors = np.asarray(mini.encode([*given, *videos], role="document"))
    for row, part in ((5, vectors[:2]), (7, vectors[2:5])):
        mean = part.mean(0) / np.linalg.norm(part.mean(0))
        np.testing.assert_allclose(vectors[row], mean, atol=1e-5)


def test_a_page_is_its_text_first(mini: MiniEncoder) -> None:
    """Every scanned page is a 'menu' or a 'crossword puzzle' to a network that knows objects."""
    still = Frames(pixels=(smooth(120, 160),))
    given = [
        Content(Text("apples are due")),
        Content(Page(still, text="apples are due")),
        Content(Image(still)),
        Content(Page(still, text="")),
    ]
    text, page, picture, blank = np.asarray(mini.encode(given, role="document"))
    assert page @ text > 0.9
    assert page @ text < 0.99999
    np.testing.assert_allclose(blank, picture, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 900), (900, 1), (30, 40), (500, 333)])
def test_every_shape_becomes_the_networks_square(height: int, width: int) -> None:
    """A picture one pixel wide is resized to nothing."""
    assert square(np.full((height, width, 3), 9, np.uint8)).shape == (INPUT_SIZE, INPUT_SIZE, 3)


def test_padding_takes_the_colour_of_the_border() -> None:
    """Black bars around a white picture are seen as objects."""
    assert (square(np.full((20, 200, 3), 250, np.uint8)) == 250).all()


def test_calibration_covers_every_modality(mini: MiniEncoder) -> None:
    """A modality without constants is ranked by another scale than the others."""
    assert set(mini.calibration) == set(MODALITIES)
    for constants in mini.calibration.values():
        assert constants.slope > 0, "a closer document would get a lower score"
