"""The contents that an export is judged by: texts, pictures of all sizes, both, instructions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rzen.encoders.families import Steps
from rzen.encoders.sizes import fitted, fitted_through
from rzen.encoders.vision_language.pixels import Pixels
from rzen.types import Content, Frames, Image, Part, Role, Text

_TEXTS = (
    "A red boat in the harbour.",
    "naïve café, 東京の猫 🚀\nand a second line",
    "<|im_end|> is written <|image_pad|> here",
    "",
    "What a model is told it should do, and what it does, are two things. " * 12,
)
# With and without a full stop, in another script, and with spaces around it.
_INSTRUCTIONS = ("Find a picture of it", "Trouve l'image.", " 画像を探す。 ")
_SIZES: Mapping[str, tuple[int, int]] = {
    "tiny": (20, 20),
    "small": (97, 160),
    "middle": (500, 700),
    "wide": (160, 1200),
    "large": (1500, 2200),
}
_WHOLE = (16, 18)  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One content, and how it is asked for.

    Attributes:
        name: what it is called in reports.
        parts: "text" and the text, or "image" and the picture's name.
        instruction: ``None`` means what the encoder says where nobody says anything else.
        role: ``None`` means none: no default instruction either.
    """

    name: str
    parts: tuple[tuple[str, str], ...]
    instruction: str | None = None
    role: Role | None = None

    def content(self, pictures: Mapping[str, Pixels]) -> Content:
        """As rzen takes it."""
        parts: list[Part] = [
            Image(Frames(pixels=(pictures[value],))) if kind == "image" else Text(value)
            for kind, value in self.parts
        ]
        return Content(*parts)


def drawn(side: int) -> dict[str, Pixels]:
    """Pictures by name, the same ones at each call.

    Args:
        side: of a token, in pixels.
    """
    sizes = {**_SIZES, "whole tokens": (_WHOLE[0] * side, _WHOLE[1] * side)}
    return {name: _drawn(*size) for name, size in sizes.items()}


def _drawn(height: int, width: int) -> Pixels:
    """Waves, a hard edge, a patch of noise."""
    noise = np.random.default_rng(height * 10_000 + width)
    down, across = np.mgrid[0:height, 0:width]
    found = np.stack(
        [128 + 60 * np.sin(across / (9 + c) + c) + 60 * np.cos(down / (13 - c)) for c in range(3)],
        axis=-1,
    )
    found[height // 2 :, : width // 3] = (230, 40, 90)
    found[: height // 4, width // 2 :] += noise.normal(0, 40, (height // 4, width - width // 2, 1))
    return found.clip(0, 255).astype(np.uint8)


def once(height: int, width: int, steps: Steps) -> bool:
    """Whether resizing a picture once, to the last bounds, does what all steps do.

    >>> from rzen.encoders.sizes import Bounds
    >>> steps = (Bounds.tokens(4, 16384), Bounds.tokens(256, 1280))
    >>> once(500, 700, steps), once(97, 160, steps)
    (True, False)
    """
    sizes = fitted_through(height, width, steps)
    resizes = [
        after
        for before, after in zip([(height, width), *sizes], sizes, strict=False)
        if before != after
    ]
    return len(resizes) <= 1 and sizes[-1] == fitted(height, width, steps[-1])


def of_templates() -> list[Probe]:
    """For encoders that write prompts by a template."""
    told = _INSTRUCTIONS[0]
    found = [Probe(name=f"text {n}", parts=(("text", text),)) for n, text in enumerate(_TEXTS, 1)]
    found += [
        Probe(name=f"text, instruction {n}", parts=(("text", _TEXTS[0]),), instruction=words)
        for n, words in enumerate(_INSTRUCTIONS, 1)
    ]
    names = [*_SIZES, "whole tokens"]
    found += [Probe(name=f"image, {name}", parts=(("image", name),)) for name in names]
    middle, text = ("image", "middle"), ("text", _TEXTS[0])
    found += [
        Probe(name="image, instruction", parts=(middle,), instruction=told),
        Probe(name="image as document", parts=(middle,), role="document"),
        Probe(name="text as document", parts=(text,), role="document"),
        Probe(name="text as query", parts=(text,), role="query"),
        Probe(name="image, then text", parts=(middle, text)),
        Probe(name="text, then image", parts=(text, middle), instruction=told),
        Probe(name="two images, then text", parts=(middle, ("image", "whole tokens"), text)),
    ]
    return found


def of_library(*, sees: bool) -> list[Probe]:
    """For encoders that sentence-transformers runs.

    Args:
        sees: whether it takes pictures.
    """
    found = [
        Probe(name=f"text {n} as {role}", parts=(("text", text),), role=role)
        for n, text in enumerate(_TEXTS, 1)
        if "<|" not in text  # some processors refuse it, and are not spared that here
        for role in ("query", "document")
    ]
    if sees:
        names = [*_SIZES, "whole tokens"]
        found += [
            Probe(name=f"image, {name}", parts=(("image", name),), role="document")
            for name in names
        ]
    return found
