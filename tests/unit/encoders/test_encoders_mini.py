import importlib.util
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from media_files import quadrants, smooth
from rzen.encoders.mini import assets
from rzen.encoders.mini.conse import INPUT_SIZE, square
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


def test_what_is_seen_is_named(mini: MiniEncoder) -> None:
    """Guards against names in the order of another table, of everything, and of another row."""
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    photographs = Path(spec.origin).parent / "datasets" / "images"
    flower, temple = (
        np.asarray(PIL.Image.open(photographs / name)) for name in ("flower.jpg", "china.jpg")
    )
    clip = Video(Frames(pixels=(temple, flower), times=(61.0, 63.0)))
    contents = [
        Content(Image(photographs / "china.jpg")),
        *texts("the palace"),
        Content(clip),
        Content(Page(photographs / "china.jpg", 1, "A page of words.")),
    ]
    seen = mini.encode(contents, role="document").seen
    assert set(seen) == {0, 2}
    assert {each.name for each in seen[0]} & {"bell tower", "palace", "boathouse", "stupa"}
    told = [each.probability for each in seen[0]]
    assert told == sorted(told, reverse=True)
    assert len(told) <= 3
    assert min(told) >= 0.1
    assert all(each.time is None for each in seen[0])
    assert all(each.time in (61.0, 63.0) for each in seen[2])
    assert all(each.probability >= 0.25 for each in seen[2])
    assert seen[2]


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
