"""Pages that look as if they came from a scanner."""

import numpy as np
from numpy.typing import NDArray

_MOST_TURN = 1.5  # degrees
_GREY_STEP = 17  # 16 levels of grey; noise of more levels cannot be compressed


def scanned(grey_HW: NDArray[np.uint8], dice: np.random.Generator) -> NDArray[np.uint8]:
    """A page as a scanner would deliver it: askew, soft, on greyish paper, with noise.

    Args:
        grey_HW: (H, W) a page, black on white.
        dice: where chance comes from.

    Returns:
        (H, W) grey, of the same size; small print stays legible.
    """
    from PIL import Image, ImageFilter

    angle = float(dice.uniform(-_MOST_TURN, _MOST_TURN))
    page = Image.fromarray(grey_HW).rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    page = page.filter(ImageFilter.GaussianBlur(float(dice.uniform(0.3, 0.6))))
    height, width = grey_HW.shape
    paper, ink = dice.uniform(225, 250), dice.uniform(20, 70)
    light_HW = np.asarray(page, np.float32) / 255 * (paper - ink) + ink
    # One side lies farther from the lamp.
    slope_H, slope_W = (
        np.linspace(-0.5, 0.5, size) * dice.uniform(-12, 12) for size in (height, width)
    )
    noise_HW = dice.normal(0.0, dice.uniform(3, 6), (height, width))
    final_HW = light_HW + slope_H[:, None] + slope_W[None, :] + noise_HW
    stepped_HW = np.round(final_HW / _GREY_STEP) * _GREY_STEP
    return np.clip(stepped_HW, 0, 255).astype(np.uint8)
