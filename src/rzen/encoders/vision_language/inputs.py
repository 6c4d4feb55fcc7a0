"""From prompts to the tensors that a network of the Qwen kind takes, on its device.

Pixels stay bytes until here, so that what waits for its turn is an eighth of what the network sees.
Training and encoding both come through here: what was trained is what is searched.

Shape suffixes: B contents of a batch, S tokens.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rzen.encoders.templates import Positions
from rzen.encoders.vision_language.model import VisionLanguageModel
from rzen.encoders.vision_language.pixels import grid, patches
from rzen.encoders.vision_language.positions import multimodal, one_dimensional
from rzen.encoders.vision_language.prompting import Prompt, Shown


def network_inputs(
    prompts: Sequence[Prompt], model: VisionLanguageModel, positions: Positions
) -> dict[str, Tensor]:
    """What the network is called with for a batch, padded on the right.

    Args:
        prompts: of the contents.
        model: whose network it is.
        positions: of the template.
    """
    longest = max(len(prompt.ids_S) for prompt in prompts)
    # The token behind the last one is never looked at; any will do.
    ids_BS = np.zeros((len(prompts), longest), np.int64)
    mask_BS = np.zeros_like(ids_BS)
    positions_3BS = np.zeros((3, *ids_BS.shape), np.int64)
    for row, prompt in enumerate(prompts):
        length = len(prompt.ids_S)
        ids_BS[row, :length] = prompt.ids_S
        mask_BS[row, :length] = 1
        positions_3BS[:, row, :length] = _positions(prompt, model, positions)
    shown = [each for prompt in prompts for each in prompt.shown]
    return {
        "input_ids": torch.from_numpy(ids_BS).to(model.device),
        "attention_mask": torch.from_numpy(mask_BS).to(model.device),
        "position_ids": torch.from_numpy(positions_3BS).to(model.device),
        **_pixels([each for each in shown if not each.is_pairs], "image", model),
        **_pixels([each for each in shown if each.is_pairs], "video", model),
    }


def last_tokens(prompts: Sequence[Prompt]) -> Tensor:
    """(B,): where each prompt's last token is."""
    return torch.tensor([len(prompt.ids_S) - 1 for prompt in prompts])


def _pixels(shown: Sequence[Shown], kind: str, model: VisionLanguageModel) -> dict[str, Tensor]:
    if not shown:
        return {}
    patching = model.patching
    values = [patches(each.frames, patching, model.device) for each in shown]
    # The network counts patches where prompts count tokens.
    grids = [grid(each.frames, patching) for each in shown]
    per_token = np.array([1, patching.merge, patching.merge])
    name = "pixel_values" if kind == "image" else "pixel_values_videos"
    return {
        name: torch.cat(values).to(model.network.dtype),
        f"{kind}_grid_thw": torch.from_numpy(np.array(grids, np.int64) * per_token).to(
            model.device
        ),
    }


def _positions(
    prompt: Prompt, model: VisionLanguageModel, positions: Positions
) -> NDArray[np.int64]:
    if positions == "1d":
        return one_dimensional(len(prompt.ids_S))
    grids = []
    for each, (pairs, down, across) in zip(prompt.shown, prompt.grids, strict=True):
        # Words with the time stand between the pairs of frames: each is a grid of its own.
        grids += [(1, down, across)] * pairs if each.is_pairs else [(pairs, down, across)]
    return multimodal(prompt.ids_S, [model.image_pad, model.video_pad], grids)
