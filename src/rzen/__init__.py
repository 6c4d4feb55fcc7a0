"""rzen: one embedding space for text, images, video and document pages."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rzen.version import __version__ as __version__

if TYPE_CHECKING:
    from rzen.api import Index as Index
    from rzen.api import load as load

__all__ = ["Index", "load"]


def __getattr__(name: str) -> Any:
    # Lazily, so that `import rzen` (and `rzen --help`) stays light.
    if name in __all__:
        return getattr(import_module("rzen.api"), name)
    raise AttributeError(f"module 'rzen' has no attribute {name!r}")
