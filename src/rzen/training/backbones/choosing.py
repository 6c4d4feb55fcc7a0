"""From a base to the backbone that trains it."""

from pathlib import Path

from rzen.config import Limits
from rzen.encoders.families import MINI
from rzen.encoders.registry import resolve
from rzen.training.backbone import Backbone
from rzen.training.settings import NetworkSettings


def open_backbone(
    settings: NetworkSettings, *, device: str, limits: Limits, is_outline: bool = False
) -> Backbone:
    """Loads what is to be trained.

    Args:
        settings: base, adapters, precision.
        device: "auto", or one of torch.
        limits: of decoders.
        is_outline: whether large weights are left out: contents can be prepared with it, and its
            parameters counted, from a few small files.

    Raises:
        EncoderError: if it cannot be found or loaded.
        UsageError: if a setting does not go with it.
        MissingExtraError: if an optional library is not installed.
    """
    if settings.base == MINI.name:
        return _mini(settings, None, limits)
    found = resolve(settings.base)
    if found.family is MINI:
        return _mini(settings, found.source.folder, limits)
    if found.is_ours:
        from rzen.training.backbones.vision_language import (  # noqa: PLC0415
            VisionLanguageBackbone,
        )

        return VisionLanguageBackbone(
            found, settings, device=device, limits=limits, is_outline=is_outline
        )
    from rzen.training.backbones.sentence_transformer import (  # noqa: PLC0415
        SentenceTransformerBackbone,
    )

    return SentenceTransformerBackbone(
        found, settings, device=device, limits=limits, is_outline=is_outline
    )


def _mini(settings: NetworkSettings, folder: Path | None, limits: Limits) -> Backbone:
    from rzen.training.backbones.mini import MiniBackbone  # noqa: PLC0415

    return MiniBackbone(settings, folder, limits)
