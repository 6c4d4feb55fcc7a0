"""From a name to an encoder; nothing heavy is imported before it is asked for."""

from collections.abc import Callable

from rzen.config import Limits
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


def create(name: str, *, device: str = "auto", limits: Limits | None = None) -> Encoder:
    """Loads an encoder.

    Args:
        name: ``"mini"``, ``"dummy"``, else a model of sentence-transformers or transformers: a
            local folder, or a name on the model hub (``"qihoo360/RzenEmbed"``).
        device: where transformers run: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.

    Raises:
        EncoderError: if there is no such encoder, or it cannot be loaded.
        MissingExtraError: if an optional library is not installed.
    """
    limits = limits or Limits()
    if name in _BUILT_IN:
        return _BUILT_IN[name](device, limits)
    from rzen.encoders.model_source import find  # noqa: PLC0415

    source = find(name, built_in=names())
    from rzen.encoders.transformer import TransformerEncoder  # noqa: PLC0415

    return TransformerEncoder(source, device=device, limits=limits)
