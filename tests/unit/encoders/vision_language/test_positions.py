from typing import Any

import numpy as np
import pytest
import torch

from rzen.encoders.vision_language.positions import multimodal, one_dimensional

IMAGE, WORD = 406, 5


def theirs(ids: np.ndarray, grids: list[tuple[int, int, int]]) -> np.ndarray:
    """What transformers counts by itself."""
    from pathlib import Path

    from transformers import AutoConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel

    folder = Path(__file__).parents[3] / "golden" / "rzenembed-tiny" / "model"
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model: Any = Qwen2VLModel(config)
    patches = [(time, 2 * down, 2 * across) for time, down, across in grids]
    positions, _ = model.get_rope_index(
        input_ids=torch.tensor(ids)[None],
        mm_token_type_ids=torch.tensor(ids == IMAGE)[None].int(),
        image_grid_thw=torch.tensor(patches) if grids else None,
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
    )
    return np.asarray(positions[:, 0])


@pytest.mark.parametrize(
    ("counts", "grids"),
    [
        ([7], []),
        ([2, -6, 3], [(1, 2, 3)]),
        ([1, -4, 1, -12, 5], [(1, 2, 2), (1, 4, 3)]),
        ([-9, 2], [(1, 3, 3)]),
    ],
)
def test_counts_as_the_model_itself(counts: list[int], grids: list[tuple[int, int, int]]) -> None:
    """A picture's tokens in another grid, or words behind it that go on from the wrong number."""
    stretches = [np.full(abs(count), WORD if count > 0 else IMAGE) for count in counts]
    ids_S = np.concatenate(stretches)
    found = multimodal(ids_S, [IMAGE], grids)
    np.testing.assert_array_equal(found, theirs(ids_S, grids))


def test_media_side_by_side_are_told_apart_by_their_grids() -> None:
    """VLM2Vec writes no marks around pictures."""
    ids_S = np.array([9, 9, 9, 9, 9])
    found = multimodal(ids_S, [9], [(1, 1, 2), (1, 3, 1)])
    assert found.tolist() == [[0, 0, 2, 2, 2], [0, 0, 2, 3, 4], [0, 1, 2, 2, 2]]


@pytest.mark.parametrize("grids", [[], [(1, 1, 2)], [(1, 1, 3), (1, 1, 3)]])
def test_tokens_and_media_must_agree(grids: list[tuple[int, int, int]]) -> None:
    """A lost token of a picture must not shift all others."""
    with pytest.raises((AssertionError, StopIteration, ValueError)):
        multimodal(np.array([1, 9, 9, 9, 1]), [9], grids)


def test_plain_positions_are_alike_on_all_axes() -> None:
    assert one_dimensional(2).tolist() == [[0, 1]] * 3
