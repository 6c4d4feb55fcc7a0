"""Explanations: maps that point at what was asked for, in the order of the pictures."""

import numpy as np
import pytest

from media_files import smooth
from rzen.encoders import create
from rzen.encoders.dummy import DummyEncoder
from rzen.encoders.explaining import asked, cosines
from rzen.encoders.mini.conse import square, whole_places
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.errors import EncoderError
from rzen.protocols import Encoder, Explainer
from rzen.types import Content, Frames, Image, Page, Text, Video


@pytest.fixture(scope="module")
def mini() -> MiniEncoder:
    return MiniEncoder(threads=2)


@pytest.fixture(scope="module", params=["dummy", "mini"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return create(request.param)


def still(width: int, height: int, seed: int = 0) -> Image:
    return Image(Frames(pixels=(smooth(width, height, seed=seed),)))


def explain(encoder: Encoder, query: Content, content: Content) -> list[np.ndarray]:
    assert isinstance(encoder, Explainer)
    return [one.heat_HW for one in encoder.explain(query, content).maps]


def test_the_similarity_is_that_of_the_vectors(encoder: Encoder) -> None:
    """A page that says one figure in its list and another one beside its map."""
    assert isinstance(encoder, Explainer)
    query = Content(Text("a red harbour"))
    frames = Frames(pixels=tuple(smooth(90, 60, seed=seed) for seed in range(3)), times=(1, 2, 4))
    for content in (
        Content(still(90, 60)),
        Content(Page(frames, text="the harbour is closed")),
        Content(Video(frames), Text("a harbour")),
    ):
        (query_D,) = np.asarray(encoder.encode([query], role="query"))
        (document_D,) = np.asarray(encoder.encode([content], role="document"))
        told = encoder.explain(query, content)
        assert told.similarity == pytest.approx(float(query_D @ document_D), abs=1e-5)
        assert encoder.explain(query_D, content).similarity == pytest.approx(told.similarity)


def test_frames_keep_their_order_and_times(encoder: Encoder) -> None:
    """Bars of a video that belong to other seconds."""
    assert isinstance(encoder, Explainer)
    pixels = tuple(smooth(90, 60, seed=seed) for seed in range(3))
    query = Content(Image(Frames(pixels=(pixels[1],))))
    for order in ([0, 1, 2], [2, 0, 1]):
        times = (5.0, 5.5, 9.0)
        video = Video(Frames(pixels=tuple(pixels[at] for at in order), times=times))
        maps = encoder.explain(query, Content(still(60, 60, 9), video)).maps
        assert [one.time for one in maps] == [None, *times]
        assert [one.part for one in maps] == [0, 1, 1, 1]
        scores = [one.score for one in maps]
        assert np.argmax(scores) == 1 + order.index(1)
        assert max(scores) == pytest.approx(1.0, abs=1e-5)


def test_permuted_pictures_permute_their_maps(encoder: Encoder) -> None:
    """A map that is laid over its neighbour."""
    pictures = [still(90, 60, 1), still(60, 90, 2), still(80, 80, 3)]
    query = Content(Text("green"))
    first = explain(encoder, query, Content(*pictures))
    second = explain(encoder, query, Content(pictures[2], pictures[0], pictures[1]))
    for one, other in zip(second, [first[2], first[0], first[1]], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_cannot_be_explained_is_named(encoder: Encoder) -> None:
    """A map of nothing, or of another encoder's vector, looks like any other."""
    assert isinstance(encoder, Explainer)
    picture = Content(still(20, 20))
    with pytest.raises(EncoderError, match="a text has no map"):
        encoder.explain(picture, Content(Text("x")))
    for vector in (np.zeros(encoder.dim), np.ones(encoder.dim + 1), np.ones((1, 4))):
        with pytest.raises(EncoderError, match="query"):
            encoder.explain(vector.astype(np.float32), picture)
    with pytest.raises(EncoderError, match="the query cannot be encoded: these 4 bytes"):
        asked(Content(Image(b"gone")), encoder, None)


def test_shorter_vectors_compare_with_as_many_dimensions() -> None:
    """An index of cut vectors asks with cut ones."""
    states = np.array([[3.0, 4.0, 100.0]])
    assert cosines(states, np.array([0.6, 0.8], np.float32)) == pytest.approx([1.0])


def test_dummy_points_at_the_colour() -> None:
    """The map is turned or mirrored."""
    pixels = np.full((80, 120, 3), 128, np.uint8)
    pixels[60:, :30] = (200, 30, 30)
    (heat_HW,) = explain(DummyEncoder(), Content(Text("red")), Content(_image(pixels)))
    assert divmod(int(heat_HW.argmax()), heat_HW.shape[1]) == (3, 0)


def test_dummy_explains_a_single_pixel() -> None:
    """A cell without pixels has no colour."""
    (heat_HW,) = explain(DummyEncoder(), Content(Text("red")), Content(still(1, 1)))
    assert heat_HW.shape == (1, 1)


def test_minis_places_add_up_to_what_its_network_says(mini: MiniEncoder) -> None:
    """Features of another layer, or a last layer without its shift, give a plausible map too."""
    pictures = [smooth(300, 200, seed=seed) for seed in range(3)]
    whole_NC = mini._images.logits(pictures)
    for picture, whole_C in zip(pictures, whole_NC, strict=True):
        places_HWC = mini._images.place_logits(square(picture))
        assert places_HWC.shape == (7, 7, 1000)
        np.testing.assert_allclose(places_HWC.mean((0, 1)), whole_C, atol=1e-3)


def test_minis_places_agree_with_torch(mini: MiniEncoder) -> None:
    """The grid is turned, or padded otherwise at a size the network was not trained with."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    from rzen.encoders.mini import assets

    files = assets._source_files()
    eager = EfficientNet.from_name("efficientnet-lite0")
    eager.load_state_dict(torch.load(files["efficientnet-lite0-57934424.pth"], weights_only=True))
    eager.eval()
    pixels = whole_places(smooth(300, 200, seed=4))
    # The reference pads for its own size alone, so it is compared where padding is the same.
    pixels = pixels[:224, :224]
    with torch.inference_mode():
        scaled = (torch.tensor(pixels)[None].permute(0, 3, 1, 2).float() - 127) / 128
        features = eager.extract_features(scaled)[0].permute(1, 2, 0)
        theirs = eager._fc(features).numpy()
    np.testing.assert_allclose(mini._images.place_logits(pixels), theirs, atol=2e-3)


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [(300, 300, (14, 14)), (300, 100, (6, 14)), (20, 900, (14, 1)), (1, 1, (14, 14))],
)
def test_minis_map_has_no_padding(
    mini: MiniEncoder, width: int, height: int, grid: tuple[int, int]
) -> None:
    """Cells of the border around a long picture shift its map against it."""
    (heat_HW,) = explain(mini, Content(Text("a boat")), Content(still(width, height)))
    assert heat_HW.shape == grid
    assert heat_HW.dtype == np.float32
    assert np.abs(heat_HW).max() <= 1 + 1e-6


def test_mini_points_at_the_half_with_the_thing(mini: MiniEncoder) -> None:
    """A map that is mirrored, or blind to the query, is as smooth as a right one."""
    flower, temple = (_photograph(name) for name in ("flower.jpg", "china.jpg"))
    side_by_side = np.concatenate([flower, temple], axis=1)
    for pixels, sides in ((side_by_side, (0, 1)), (side_by_side[:, ::-1].copy(), (1, 0))):
        content = Content(_image(pixels))
        for name, side in zip(("a flower", "an asian temple"), sides, strict=True):
            (heat_HW,) = explain(mini, Content(Text(name)), content)
            halves = np.split(heat_HW, 2, axis=1)
            assert np.unravel_index(heat_HW.argmax(), heat_HW.shape)[1] // 7 == side
            assert halves[side].mean() > halves[1 - side].mean()


def _image(pixels: np.ndarray) -> Image:
    return Image(Frames(pixels=(pixels,)))


def _photograph(name: str) -> np.ndarray:
    import importlib.util
    from pathlib import Path

    from PIL import Image as Pictures

    spec = importlib.util.find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "datasets" / "images" / name
    return np.asarray(Pictures.open(file).convert("RGB").resize((320, 320)))
