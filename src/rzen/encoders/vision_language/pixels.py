"""Pictures as a vision transformer of the Qwen family takes them: resized, normalised, in patches.

Written here and not left to the models' processors, since those resize, cap and normalise otherwise
in every few versions, while the published vectors stay what they are.

Shape suffixes: T frames, H W C height, width and colours, P patches, X values of a patch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rzen.encoders.vision_language.positions import Grid

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patching:
    """How pixels become patches.

    Attributes:
        patch: side of a patch, in pixels.
        merge: patches along each side of a token.
        pair: frames that one patch reaches over; a still is repeated.
        mean: of red, green and blue, from 0 to 1.
        deviation: of the same.
    """

    patch: int
    merge: int
    pair: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @classmethod
    def of(cls, vision: Mapping[str, Any], processor: Mapping[str, Any]) -> "Patching":
        """From a checkpoint's own files.

        Args:
            vision: ``vision_config`` of its config.json.
            processor: its preprocessor_config.json; what it leaves open is CLIP's.
        """

        def either(name: str, default: int) -> int:
            return int(processor.get(name) or vision.get(name) or default)

        mean = processor.get("image_mean") or (0.48145466, 0.4578275, 0.40821073)
        deviation = processor.get("image_std") or (0.26862954, 0.26130258, 0.27577711)
        return cls(
            patch=either("patch_size", 14),
            merge=int(processor.get("merge_size") or vision.get("spatial_merge_size") or 2),
            pair=either("temporal_patch_size", 2),
            mean=(float(mean[0]), float(mean[1]), float(mean[2])),
            deviation=(float(deviation[0]), float(deviation[1]), float(deviation[2])),
        )

    @property
    def side(self) -> int:
        """Of a token, in pixels."""
        return self.patch * self.merge


def resized(pixels_HWC: Pixels, sizes: Sequence[tuple[int, int]]) -> Pixels:
    """A picture resized one time after another, bicubic, as the published scripts do with Pillow.

    Args:
        pixels_HWC: the picture.
        sizes: heights and widths.
    """
    from PIL import Image  # noqa: PLC0415

    if all(size == pixels_HWC.shape[:2] for size in sizes):
        return pixels_HWC
    picture = Image.fromarray(pixels_HWC)
    for height, width in sizes:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def grid(frames: Sequence[Pixels], patching: Patching) -> Grid:
    """Tokens of a still, or of frames of one size, in time, height and width."""
    height, width, _ = frames[0].shape
    pairs = -(-len(frames) // patching.pair)
    return pairs, height // patching.side, width // patching.side


def patches(frames: Sequence[Pixels], patching: Patching, device: str) -> Tensor:
    """(P, X) float32: the patches of a still, or of frames of one size, in the order of tokens.

    Args:
        frames: T pictures (H, W, C) of whole tokens; the last is repeated until pairs are whole.
        patching: how.
        device: where they are made; what travels there are bytes.
    """
    pairs, down, across = grid(frames, patching)
    whole = [*frames, *[frames[-1]] * (pairs * patching.pair - len(frames))]
    shape = (pairs, patching.pair, down, patching.merge, patching.patch)
    pixels = torch.from_numpy(np.stack(whole)).to(device)
    pixels = pixels.reshape(*shape, across, patching.merge, patching.patch, 3)
    # to: pairs, down, across, merge down, merge across, C, pair, patch down, patch across
    ordered = pixels.permute(0, 2, 5, 3, 6, 8, 1, 4, 7)
    values = ordered.reshape(pairs * down * across * patching.merge**2, 3, -1).float() / 255
    mean_C1 = torch.tensor(patching.mean, device=device)[:, None]
    deviation_C1 = torch.tensor(patching.deviation, device=device)[:, None]
    return ((values - mean_C1) / deviation_C1).flatten(1)
