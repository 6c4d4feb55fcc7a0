"""Networks without their weights, where a library knows of no other way than to load them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_weights() -> Iterator[None]:
    """Has transformers build networks on torch's meta device instead of loading them.

    sentence-transformers calls ``from_pretrained`` with the configuration at hand, of an automatic
    class, which calls that of a model; in here the latter reads no weights. One thread at a time.
    """
    import torch  # noqa: PLC0415
    from transformers import PreTrainedModel  # noqa: PLC0415

    def build(cls: Any, name: str, /, *, config: Any, dtype: Any = "auto", **options: Any) -> Any:
        del name, options
        if dtype == "auto":
            dtype = getattr(config, "dtype", None) or torch.float32
        kind = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        with torch.device("meta"):
            return cls._from_config(config, dtype=kind)

    base: Any = PreTrainedModel
    own = base.__dict__["from_pretrained"]
    base.from_pretrained = classmethod(build)
    try:
        yield
    finally:
        base.from_pretrained = own
