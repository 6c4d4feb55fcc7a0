from pathlib import Path

import numpy as np
import pytest

from media_files import smooth
from rzen.encoders.loading import describe
from rzen.encoders.model_source import ModelSource
from rzen.encoders.vision_language.pixels import Patching, grid, patches, resized

GOLDEN = Path(__file__).parents[3] / "golden"


def patching_of(folder: Path) -> Patching:
    import json

    described = describe(ModelSource(name="x", folder=folder))
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    return Patching.of(described.config["vision_config"], processor)


@pytest.mark.parametrize("name", ["rzenembed-tiny", "qwen3vl-embedding-tiny"])
def test_a_still_equals_the_model_s_own_processor(name: str) -> None:
    """Patches in another order, or normalised otherwise, are another picture."""
    from transformers import AutoImageProcessor

    folder = GOLDEN / name / "model"
    patching = patching_of(folder)
    pixels = smooth(3 * patching.side, 4 * patching.side, seed=3).copy()
    processor = AutoImageProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    theirs = processor(images=[pixels], do_resize=False, return_tensors="np")
    ours = patches([pixels], patching, "cpu").numpy()
    np.testing.assert_allclose(ours, theirs["pixel_values"], atol=2e-6)
    down, across = (int(each) // patching.merge for each in theirs["image_grid_thw"][0][1:])
    assert grid([pixels], patching) == (1, down, across)


def test_frames_equal_the_model_s_own_video_processor() -> None:
    """Pairs of frames that are mixed up in time, or an odd last one that is lost."""
    import torch
    from transformers import AutoVideoProcessor

    folder = GOLDEN / "qwen3vl-embedding-tiny" / "model"
    patching = patching_of(folder)
    frames = [smooth(2 * patching.side, 2 * patching.side, seed=seed) for seed in range(3)]
    video = torch.from_numpy(np.stack([*frames, frames[-1]]).transpose(0, 3, 1, 2))
    processor = AutoVideoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    theirs = processor(
        videos=[video.float()],
        do_resize=False,
        do_sample_frames=False,
        cap_pixels_per_frame=False,
        return_tensors="np",
    )
    np.testing.assert_allclose(
        patches(frames, patching, "cpu").numpy(), theirs["pixel_values_videos"], atol=2e-6
    )
    assert grid(frames, patching)[0] == 2


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    """Resizing to the same size must not soften a picture."""
    pixels = smooth(84, 56, seed=1)
    assert resized(pixels, [(56, 84), (56, 84)]) is pixels


def test_resizing_twice_is_not_resizing_once() -> None:
    """The release resizes every picture before its processor does; the first step is no detail."""
    pixels = smooth(300, 200, seed=2)
    twice = resized(pixels, [(196, 308), (84, 112)])
    assert twice.shape == (84, 112, 3)
    assert not np.array_equal(twice, resized(pixels, [(84, 112)]))
