"""A family that was trained to look otherwise than its authors' models do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rzen.encoders.families import Family, Look, Steps
from rzen.encoders.sizes import Bounds
from rzen.errors import EncoderError
from rzen.types import MediaBudget

_PAIRS = ("picture_tokens", "frame_tokens")
_NUMBERS = ("frames", "fps", "prompt_tokens")


def adjusted(family: Family, changes: Mapping[str, Any]) -> Family:
    """The family with other sizes of pictures and clips, which are then resized once.

    >>> from rzen.encoders.families import family_named
    >>> small = adjusted(family_named("RzenEmbed"), {"picture_tokens": [4, 64], "frames": 2})
    >>> small.look.picture, small.budget.frames
    ((Bounds(low=3136, high=50176, side=28),), 2)

    Args:
        family: one that rzen runs itself; any, if nothing changes.
        changes: ``picture_tokens`` and ``frame_tokens`` (least and most), ``frames``, ``fps``,
            ``prompt_tokens``; those that are missing stay.

    Raises:
        EncoderError: if a change is none of these, or no positive number.
    """
    _check(family, changes)
    look = family.look
    if not changes or look is None:
        return family
    side = look.picture[-1].side

    def steps(name: str, own: Steps) -> Steps:
        """One step: what authors do before it belongs to their own bounds."""
        return (
            (Bounds.tokens(changes[name][0], changes[name][1], side),) if name in changes else own
        )

    return replace(
        family,
        look=Look(
            picture=steps("picture_tokens", look.picture),
            frames=lambda count: steps("frame_tokens", look.frames(count)),
            tokens=int(changes.get("prompt_tokens", look.tokens)),
            template=look.template,
        ),
        budget=_budget(family.budget, changes, side),
    )


def _budget(budget: MediaBudget, changes: Mapping[str, Any], side: int) -> MediaBudget:
    """What decoders deliver: no less than the model is shown."""
    picture, frame = (changes.get(name, (0, 0))[1] * side * side for name in _PAIRS)
    return replace(
        budget,
        image_pixels=max(budget.image_pixels, picture),
        page_pixels=max(budget.page_pixels, picture),
        frame_pixels=max(budget.frame_pixels, frame),
        frames=int(changes.get("frames", budget.frames)),
        fps=float(changes.get("fps", budget.fps)),
    )


def _check(family: Family, changes: Mapping[str, Any]) -> None:
    if not isinstance(changes, Mapping):
        raise EncoderError(f"look: it is {changes!r}, not a table")
    known = (*_PAIRS, *_NUMBERS)
    for name, value in changes.items():
        if name not in known:
            raise EncoderError(f"look: there is no {name!r}: take one of {', '.join(known)}")
        numbers = value if name in _PAIRS else [value]
        is_list = isinstance(numbers, list | tuple) and len(numbers) == (2 if name in _PAIRS else 1)
        if not is_list or not all(_is_positive(each) for each in numbers):
            wanted = "two positive numbers" if name in _PAIRS else "a positive number"
            raise EncoderError(f"look: {name} is {value!r}, not {wanted}")
        if name in _PAIRS and numbers[0] > numbers[1]:
            raise EncoderError(f"look: {name} is {value!r}: the least is more than the most")
    if changes and family.look is None:
        raise EncoderError(
            f"{family.name}: sentence-transformers runs it, and its processor decides how large "
            "pictures are: leave look out"
        )


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
