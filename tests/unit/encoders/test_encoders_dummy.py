import subprocess
import sys

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rzen.encoders.dummy import DummyEncoder
from rzen.types import Content, Frames, Image, Page, Part, Text, Video

ENCODER = DummyEncoder()


def plain(colour: tuple[int, int, int]) -> Frames:
    return Frames(pixels=(np.full((40, 60, 3), colour, np.uint8),))


def similar(query: str, *parts: Part) -> list[float]:
    found = ENCODER.encode([Content(part) for part in parts], role="document").vectors
    query_D = ENCODER.encode([Content(Text(query))], role="query").vectors[0]
    return [float(score) for score in found @ query_D]


def test_shared_words_mean_similarity() -> None:
    """Tests of search that rely on the dummy prove nothing, since its vectors are noise."""
    near, far = similar("red boat", Text("the boat is red"), Text("invoice of last month"))
    assert near > far + 0.3


def test_a_colour_finds_pictures_of_it() -> None:
    """Texts and pictures lie in subspaces that never meet."""
    red, blue = (200, 30, 30), (40, 60, 200)
    for part in (Image, Video, Page):
        near, far = similar("something red", part(plain(red)), part(plain(blue)))
        assert near > far + 0.3


def test_layout_tells_pictures_of_the_same_colours_apart() -> None:
    """A picture and its mirror image count as duplicates."""
    left = np.zeros((40, 40, 3), np.uint8)
    left[:, :20] = 255
    given = [Content(Image(Frames(pixels=(pixels,)))) for pixels in (left, left[:, ::-1])]
    first, second = ENCODER.encode(given, role="document").vectors
    assert first @ second < 0.95


def test_is_the_same_in_another_process() -> None:
    """Python's own hash is salted per process: an index would not be found again."""
    code = (
        "from rzen.encoders.dummy import DummyEncoder; from rzen.types import *;"
        "print(DummyEncoder().encode([Content(Text('red boat'))], role='query').vectors.tolist())"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    mine = ENCODER.encode([Content(Text("red boat"))], role="query").vectors.tolist()
    assert out.stdout.strip() == str(mine)


@settings(deadline=None)
@given(st.text(), st.integers(1, 64))
@example("30P:ª", 8)  # two signed words whose first eight numbers cancel each other out
def test_every_text_has_a_vector_or_fails_by_name(text: str, dim: int) -> None:
    """Signed hashes cancel each other out, or a cut leaves nothing: zeros must not pass for it."""
    assert ENCODER.encode([Content(Text(text))], role="query").failed == {}
    encoded = ENCODER.encode([Content(Text(text))], role="query", dim=dim)
    assert (0 in encoded.failed) == (not encoded.vectors.any())
    assert dim < 64 or not encoded.failed


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_every_size_of_picture_has_a_vector(height: int, width: int) -> None:
    """A picture of a few pixels leaves cells of the grid empty: NaN."""
    frames = Frames(pixels=(np.full((height, width, 3), 99, np.uint8),))
    assert not ENCODER.encode([Content(Image(frames))], role="document").failed
