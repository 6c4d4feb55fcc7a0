"""Networks without their weights, where a library knows of no other way than to load them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_weights() -> Iterator[None]:
    """Has transformers build networks on torch's meta device instead of loading them.

    sentence-transformers calls ``from_pretrained`` with the configuration at hand; in here that
    reads no weights. For one thread at a time.
    """
    import torch  # noqa: PLC0415
    from transformers import PreTrainedModel  # noqa: PLC0415
    from transformers.models.auto import auto_factory  # noqa: PLC0415

    def build(cls: Any, name: str, /, *, config: Any, dtype: Any = "auto", **options: Any) -> Any:
        del name, options
        if dtype == "auto":
            dtype = getattr(config, "dtype", None) or torch.float32
        kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        make = cls.from_config if issubclass(cls, automatic) else cls._from_config
        with torch.device("meta"):
            return make(config, dtype=kind)

    automatic: Any = auto_factory._BaseAutoModelClass
    plain: Any = PreTrainedModel
    held = {each: each.__dict__["from_pretrained"] for each in (automatic, plain)}
    for each in held:
        each.from_pretrained = classmethod(build)
    try:
        yield
    finally:
        for each, own in held.items():
            each.from_pretrained = own
