"""What a trained ``mini`` is made of: the sizes that the config.json of its folder tells."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rzen.encoders.loading import read_json
from rzen.encoders.mini.text import TEXT_DIM
from rzen.errors import EncoderError

FAMILY = "mini"
"""What rzen.json says of such a folder."""

TEMPLATE = "mini-trained-1"
"""How contents become tokens; it counts up when other tokens are made of the same content."""

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CALIBRATION = "calibration.toml"
NAMES = (CONFIG, WEIGHTS)
"""Files without which there is no model."""

MODEL_TYPE = "rzen-mini"

FEATURES = 1280
"""Channels of the image network's map."""

MAP_SIDE = 7
"""Places along each side of that map: 224 pixels in steps of 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The sizes of the trained part.

    Attributes:
        layers: of the transformer, taken from MiniLM's first ones; 1 to 6.
        grid: cells along each side of a picture, each a token; 1 to 7.
        frames: pictures of one content that become tokens, at most.
        words: tokens of text that are read together with pictures, at most.
        base: hash of the frozen networks beneath; empty until there are any.
    """

    layers: int = 2
    grid: int = 2
    frames: int = 8
    words: int = 64
    base: str = ""

    @property
    def cells(self) -> int:
        """Tokens of a picture's cells."""
        return self.grid**2

    def document(self) -> dict[str, Any]:
        """As config.json holds it."""
        return {
            "model_type": MODEL_TYPE,
            "template": TEMPLATE,
            "dim": TEXT_DIM,
            **dataclasses.asdict(self),
        }


_BOUNDS: Mapping[str, tuple[int, int]] = {
    "layers": (1, 6),
    "grid": (1, MAP_SIDE),
    "frames": (1, 64),
    "words": (1, 254),
}


def read(folder: Path) -> Architecture:
    """Reads the config.json of a trained ``mini``.

    Raises:
        EncoderError: if it is missing, damaged, or of another version.
    """
    file = folder / CONFIG
    found = read_json(file)
    expected = {"model_type": MODEL_TYPE, "template": TEMPLATE, "dim": TEXT_DIM}
    for name, value in expected.items():
        if found.get(name) != value:
            raise EncoderError(
                f"{file}: {name} is {found.get(name)!r:.60}, and this version of rzen runs "
                f"{value!r}: train the model again, or use the version that it was trained with"
            )
    for name, (least, most) in _BOUNDS.items():
        value = found.get(name)
        if type(value) is not int or not least <= value <= most:
            raise EncoderError(
                f"{file}: {name} is {value!r:.60}, not a whole number from {least} to {most}: "
                "take the file from where the model was trained"
            )
    if not isinstance(found.get("base"), str):
        raise EncoderError(f"{file}: base is {found.get('base')!r:.60}, not a hash: copy it again")
    return Architecture(
        **{each.name: found[each.name] for each in dataclasses.fields(Architecture)}
    )
