"""A picture in words: the classes that the image network of mini names, with no training."""

from functools import cache
from pathlib import Path

from rzen.encoders.mini.encoder import MiniEncoder
from rzen.media.formats import sniff
from rzen.rag.context import seems
from rzen.types import Content, Image, Video


@cache
def caption(path: Path) -> str:
    """What a picture, or a clip, seems to show, as `rzen ask` tells a model that cannot see."""
    content = Content(Video(path) if sniff(path) == "video" else Image(path))
    seen = _mini().encode([content], role="document").seen
    return seems(", ".join(map(str, seen.get(0, ()))), content.modality)


@cache
def _mini() -> MiniEncoder:
    return MiniEncoder()
