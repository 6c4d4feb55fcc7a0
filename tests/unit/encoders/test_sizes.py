import math

from hypothesis import given
from hypothesis import strategies as st

from rzen.encoders.sizes import LONGEST_RATIO, Bounds, fitted

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES, st.sampled_from([(4, 1280, 28), (256, 1280, 28), (128, 768, 32)]))
def test_sizes_are_whole_tokens_within_bounds(
    height: int, width: int, tokens: tuple[int, int, int]
) -> None:
    """A side that is no whole token crashes the patching; one token too many, the prompt."""
    bounds = Bounds.tokens(*tokens)
    down, across = fitted(height, width, bounds)
    assert down % bounds.side == across % bounds.side == 0
    assert down >= bounds.side
    assert across >= bounds.side
    assert max(down, across) <= LONGEST_RATIO * min(down, across)
    ratio = max(height, width) / min(height, width)
    if ratio < 20:
        assert bounds.low <= down * across <= bounds.high


@given(st.integers(28, 4000), st.integers(28, 4000))
def test_equals_the_processor_of_qwen2_vl(height: int, width: int) -> None:
    """One pixel of difference in size is another picture."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    if max(height, width) > 100 * min(height, width):
        return
    bounds = Bounds.tokens(256, 1280)
    theirs = smart_resize(height, width, 28, bounds.low, bounds.high)
    assert fitted(height, width, bounds) == tuple(theirs)


def test_the_shape_is_kept_where_it_can_be() -> None:
    """Bounds that are met by squeezing one side would distort what is seen."""
    down, across = fitted(3000, 1000, Bounds.tokens(4, 1280))
    assert math.isclose(down / across, 3.0, rel_tol=0.05)
