"""A few contents that show whether two environments make the same vectors of them.

They are made by arithmetic alone, so that they are the same everywhere and for ever. Changing one
makes the vectors stored in older indexes useless.
"""

import numpy as np
from numpy.typing import NDArray

from rzen.types import Content, Frames, Image, Modality, Page, Text, Video

_TEXTS = (
    "a red boat on a calm lake at sunrise",
    "Invoice no. 2024-117: 3 chairs at 49.90, payable within 30 days.",
    "Das Öl der Küstenschiffe wird jährlich geprüft.",
    "小さな猫が窓辺で眠っている",
)


def contents(modalities: frozenset[Modality]) -> dict[str, Content]:
    """Contents by name, for an encoder of these modalities."""
    stills = _pictures()
    found: dict[str, Content] = {}
    if "text" in modalities:
        found |= {f"text {number}": Content(Text(text)) for number, text in enumerate(_TEXTS)}
    if "image" in modalities:
        found |= {name: Content(Image(Frames(pixels=(still,)))) for name, still in stills.items()}
    if "page" in modalities:
        source = Frames(pixels=(stills["stripes"],))
        found["page"] = Content(Page(source, text=_TEXTS[1]))
    if "video" in modalities:
        frames = tuple(np.roll(stills["discs"], 24 * step, axis=1) for step in range(4))
        found["video"] = Content(Video(Frames(pixels=frames, times=(0.0, 0.5, 1.0, 1.5))))
    return found


def _pictures() -> dict[str, NDArray[np.uint8]]:
    """Large shapes, hard edges, fine detail, and soft colours: what resizing may treat apart."""
    y_HW, x_HW = np.mgrid[0:256, 0:320]
    disc_HW = ((x_HW - 110) ** 2 + (y_HW - 130) ** 2 < 70**2) | (abs(x_HW - 250) + y_HW < 90)
    red, sky = np.array([200, 30, 40]), np.array([90, 150, 220])
    discs = np.where(disc_HW[..., None], red, sky)
    stripes = np.where(((x_HW // 3 + y_HW // 40) % 2)[..., None], 245, 20) * np.ones(3, int)
    ramp = np.stack([x_HW * 255 // 319, y_HW, 255 - x_HW * 255 // 319], axis=-1)
    # A quadratic residue looks like noise, and needs no random generator.
    grain = np.stack([(x_HW * x_HW * 7 + y_HW * y_HW * 13 + c * 29) % 251 for c in (0, 1, 2)], -1)
    pictures = {"discs": discs, "stripes": stripes, "ramp": ramp, "grain": grain}
    return {name: np.ascontiguousarray(each, np.uint8) for name, each in pictures.items()}
