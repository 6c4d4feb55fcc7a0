"""From a name to an encoder; nothing heavy is imported before it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

from rzen.config import Limits, ModelSettings
from rzen.encoders.families import MINI, Family, Recognised, alike, recognise
from rzen.encoders.loading import Description, describe, part
from rzen.encoders.looks import adjusted
from rzen.encoders.lora.base_model import with_base
from rzen.encoders.model_source import ModelSource, find
from rzen.endpoint import is_address
from rzen.errors import EncoderError
from rzen.protocols import Encoder


def _mini(device: str, limits: Limits) -> Encoder:
    del device  # onnxruntime on the CPU, wherever it runs
    from rzen.encoders.mini.encoder import MiniEncoder  # noqa: PLC0415

    return MiniEncoder(limits=limits)


def _dummy(device: str, limits: Limits) -> Encoder:
    del device
    from rzen.encoders.dummy import DummyEncoder  # noqa: PLC0415

    return DummyEncoder(limits=limits)


_BUILT_IN: dict[str, Callable[[str, Limits], Encoder]] = {"mini": _mini, "dummy": _dummy}


def names() -> tuple[str, ...]:
    """The encoders that need no model folder.

    >>> names()
    ('mini', 'dummy')
    """
    return tuple(_BUILT_IN)


def create(
    name: str,
    *,
    device: str = "auto",
    limits: Limits | None = None,
    model: ModelSettings | None = None,
) -> Encoder:
    """Loads an encoder.

    Args:
        name: ``"mini"``, ``"dummy"``, an address (``"http://localhost:8000/v1#MODEL"``), else a
            model of sentence-transformers or transformers, or a trained ``mini``: a local folder,
            or a name on the model hub (``"qihoo360/RzenEmbed"``). The folder may hold a LoRA
            adapter: it is merged into its base, in float32.
        device: where transformers run: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        model: how a checkpoint is loaded and asked; ``None`` takes the defaults.

    Raises:
        EncoderError: if there is no such encoder, or it cannot be loaded.
        MissingExtraError: if an optional library is not installed.
        UsageError: if an address is wrong, or its key cannot be sent.
    """
    limits = limits or Limits()
    model = model or ModelSettings()
    if name in _BUILT_IN:
        if model.template:
            raise EncoderError(f"{name} takes no template (asked for: {model.template})")
        return _BUILT_IN[name](device, limits)
    if is_address(name):
        return _remote(name, limits, model)
    return _checkpoint(name, device, limits, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A checkpoint that was found and recognised, and not loaded yet.

    Attributes:
        source: where it is.
        described: its config.json and files.
        family: its row, with what was changed for this one.
        because: what gave it away.
        others: families that look the same, where that was not enough to tell.
        is_ours: whether rzen runs it; else sentence-transformers does.
    """

    source: ModelSource
    described: Description
    family: Family
    because: str
    others: tuple[str, ...]
    is_ours: bool


def resolve(name: str) -> Resolved:
    """Finds and recognises a checkpoint.

    Raises:
        EncoderError: if there is none, or it cannot be read.
    """
    source = with_base(find(name, built_in=names()))
    described = describe(source)
    found = _recognise(source, described)
    # A model that brings its own modules and is nobody's known one is taken as it is.
    is_ours = found.sure or "modules.json" not in described.files
    return Resolved(
        source=source,
        described=described,
        family=adjusted(found.family, described.look),
        because=found.because,
        others=() if found.sure else tuple(alike(found.family)),
        is_ours=is_ours and found.family.look is not None,
    )


def _recognise(source: ModelSource, described: Description) -> Recognised:
    """An adapter is of its base's family; its own name counts where the base's says nothing."""
    found = [
        recognise(described.config, described.files, each.name, described.family)
        for each in (source.base, source)
        if each is not None
    ]
    return next((each for each in found if each.sure), found[0])


def _remote(name: str, limits: Limits, model: ModelSettings) -> Encoder:
    from rzen.encoders.remote.encoder import RemoteEncoder  # noqa: PLC0415

    encoder = RemoteEncoder(name, limits=limits)
    if model.template:
        raise EncoderError(
            f"the server at an address puts contents to its model itself, and takes no template "
            f"(asked for: {model.template}): leave model.template empty"
        )
    return encoder


def _trained_mini(found: Resolved, limits: Limits, model: ModelSettings) -> Encoder:
    from rzen.encoders.mini.architecture import CONFIG, NAMES  # noqa: PLC0415
    from rzen.encoders.mini.trained import TrainedMiniEncoder  # noqa: PLC0415

    if model.template:
        raise EncoderError(
            f"{found.source.name} is a trained mini, which takes no template (asked for: "
            f"{model.template}): leave model.template empty"
        )
    files = {each: part(found.source, each) for each in NAMES}
    return TrainedMiniEncoder(files[CONFIG].parent, limits=limits)


def _checkpoint(name: str, device: str, limits: Limits, model: ModelSettings) -> Encoder:
    found = resolve(name)
    if found.family is MINI:
        return _trained_mini(found, limits, model)
    if found.is_ours:
        from rzen.encoders.vision_language.encoder import VisionLanguageEncoder  # noqa: PLC0415
        from rzen.encoders.vision_language.model import load  # noqa: PLC0415

        return VisionLanguageEncoder(
            found.source.name,
            load(found.source, found.described, device=device, dtype=model.dtype),
            found.family,
            template=model.template or found.described.template,
            limits=limits,
        )
    if model.template:
        raise EncoderError(
            f"{found.source.name} is run by sentence-transformers, with the prompts that it "
            f"brings: it takes no template (asked for: {model.template}); it was taken for one of "
            f"the {found.family.name} by {found.because}"
        )
    from rzen.encoders.transformer import TransformerEncoder  # noqa: PLC0415

    return TransformerEncoder(found.source, found.family, device=device, limits=limits, model=model)
