"""Maps of vision-language models: every token's cosine lands on the place that the token shows."""

from pathlib import Path

import numpy as np
import pytest

from media_files import smooth
from rzen.encoders import create
from rzen.encoders.rows import unit
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.errors import EncoderError
from rzen.protocols import Explainer
from rzen.types import Content, Frames, Image, Page, Text, Video

GOLDEN = Path(__file__).parents[3] / "golden"


def made(name: str) -> VisionLanguageEncoder:
    encoder = create(str(GOLDEN / name / "model"), device="cpu")
    assert isinstance(encoder, VisionLanguageEncoder)
    return encoder


@pytest.fixture(scope="module")
def release() -> VisionLanguageEncoder:
    """A video is shown as pictures."""
    return made("rzenembed-tiny")


@pytest.fixture(scope="module")
def qwen3() -> VisionLanguageEncoder:
    """A video is shown as pairs of frames, and before all stills."""
    return made("qwen3vl-embedding-tiny")


@pytest.fixture(scope="module", params=["release", "qwen3"])
def encoder(request: pytest.FixtureRequest) -> VisionLanguageEncoder:
    found: VisionLanguageEncoder = request.getfixturevalue(request.param)
    return found


def still(width: int, height: int, seed: int = 0) -> Image:
    return Image(Frames(pixels=(smooth(width, height, seed=seed),)))


def token_states(encoder: VisionLanguageEncoder, content: Content) -> np.ndarray:
    """Unit states of the content's tokens that show something, in the order of the prompt."""
    own = encoder.family.instructions.get(("document", content.modality), "")
    prompt = encoder._prompter.prompt(encoder._open(content), own)
    states_SD = encoder._states([prompt])[0].numpy()
    pads = [encoder._model.image_pad, encoder._model.video_pad]
    return unit(states_SD[np.isin(prompt.ids_S, pads)])


def test_a_token_s_own_state_is_hottest_at_its_place(encoder: VisionLanguageEncoder) -> None:
    """The map is turned, or shifted by the tokens around a picture."""
    content = Content(still(200, 120, 3), Text("a boat"))
    states_XD = token_states(encoder, content)
    for at in (0, 1, len(states_XD) // 2, len(states_XD) - 1):
        (one,) = encoder.explain(states_XD[at], content).maps
        height, width = one.heat_HW.shape
        assert height < width, "the picture is wider than high"
        assert divmod(int(one.heat_HW.argmax()), width) == divmod(at, width)
        assert one.heat_HW.max() == pytest.approx(1.0, abs=1e-5)
        assert one.heat_HW.size == len(states_XD)


def test_the_similarity_is_that_of_the_vectors(encoder: VisionLanguageEncoder) -> None:
    """Content and query are prompted in the wrong roles, or not as they are encoded."""
    assert isinstance(encoder, Explainer)
    query = Content(Text("a boat at night"))
    pixels = tuple(smooth(90, 60, seed=seed) for seed in range(3))
    for content in (
        Content(still(90, 60)),
        Content(Page(Frames(pixels=pixels[:1]), text="x")),
        Content(Video(Frames(pixels=pixels)), Text("x")),
    ):
        for instruction in (None, "Find it."):
            (query_D,) = np.asarray(encoder.encode([query], role="query", instruction=instruction))
            (document_D,) = np.asarray(encoder.encode([content], role="document"))
            told = encoder.explain(query, content, instruction=instruction)
            assert told.similarity == pytest.approx(float(query_D @ document_D), abs=1e-5)
            given = encoder.explain(query_D, content)
            assert given.similarity == pytest.approx(told.similarity, abs=1e-6)


def test_every_picture_gets_its_own_map(encoder: VisionLanguageEncoder) -> None:
    """A picture with another one's tokens, or its grid turned."""
    content = Content(still(200, 100, 1), Text("and"), still(80, 240, 2), still(90, 90, 3))
    states_XD = token_states(encoder, content)
    prompt = encoder._prompter.prompt(encoder._open(content), "")
    start = 0
    for number, (part, grid) in enumerate(zip((0, 2, 3), prompt.grids, strict=True)):
        maps = encoder.explain(states_XD[start], content).maps
        assert [one.part for one in maps] == [0, 2, 3]
        assert maps[number].part == part
        assert maps[number].heat_HW.shape == grid[1:]
        assert maps[number].heat_HW[0, 0] == pytest.approx(1.0, abs=1e-5)
        assert all(one.heat_HW.max() < 1 - 1e-6 for one in maps if one is not maps[number])
        start += int(np.prod(grid))


def test_frames_as_pictures_keep_order_and_times(release: VisionLanguageEncoder) -> None:
    """A video's bars belong to other seconds."""
    pixels = tuple(smooth(90, 60, seed=seed) for seed in range(3))
    video = Video(Frames(pixels=pixels, times=(2.0, 2.5, 7.0)))
    content = Content(still(60, 60, 9), video)
    states_XD = token_states(release, content)
    maps = release.explain(states_XD[-1], content).maps
    assert [(one.part, one.time) for one in maps] == [(0, None), (1, 2.0), (1, 2.5), (1, 7.0)]
    assert [one.heat_HW.max() > 1 - 1e-5 for one in maps] == [False, False, False, True]
    assert [one.score for one in maps] == [pytest.approx(float(m.heat_HW.mean())) for m in maps]


def test_pairs_of_frames_keep_order_and_times(qwen3: VisionLanguageEncoder) -> None:
    """The words between pairs shift what follows, or a video is taken for the still before it."""
    pixels = tuple(smooth(90, 60, seed=seed) for seed in range(5))
    video = Video(Frames(pixels=pixels, times=(2.0, 3.0, 4.0, 8.0, 9.0)))
    content = Content(still(60, 60, 9), video)
    states_XD = token_states(qwen3, content)
    # The clip's tokens come first in this prompt.
    maps = qwen3.explain(states_XD[0], content).maps
    assert [(one.part, one.time) for one in maps] == [(0, None), (1, 2.5), (1, 6.0), (1, 9.0)]
    assert maps[1].heat_HW[0, 0] == pytest.approx(1.0, abs=1e-5)
    cells = maps[1].heat_HW.size
    again = qwen3.explain(states_XD[cells], content).maps
    assert again[2].heat_HW[0, 0] == pytest.approx(1.0, abs=1e-5)
    bare = qwen3.explain(states_XD[0], Content(Video(Frames(pixels=pixels)))).maps
    assert [one.time for one in bare] == [None] * 3


def test_later_pictures_do_not_change_earlier_maps(encoder: VisionLanguageEncoder) -> None:
    """What the docstring says of causal attention no longer holds."""
    query = unit(np.random.default_rng(0).normal(size=encoder.dim))
    alone, other = (
        encoder.explain(query, Content(still(90, 60, 1), still(80, 80, seed))).maps
        for seed in (2, 3)
    )
    np.testing.assert_allclose(alone[0].heat_HW, other[0].heat_HW, atol=1e-5)
    assert np.abs(alone[1].heat_HW - other[1].heat_HW).max() > 1e-4


def test_what_was_shrunk_is_told(release: VisionLanguageEncoder) -> None:
    """A coarse map looks like one of the whole picture."""
    content = Content(still(1400, 1000, 1), still(900, 900, 2))
    (told,) = release.explain(Content(Text("x")), content).warnings
    assert "its pictures were shrunk from" in told


def test_a_text_has_no_map(release: VisionLanguageEncoder) -> None:
    with pytest.raises(EncoderError, match="a text has no map"):
        release.explain(Content(Text("x")), Content(Text("y")))
