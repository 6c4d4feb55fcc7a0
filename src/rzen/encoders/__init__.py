"""Content to unit vectors in one space: the embedded baseline, transformers, and a dummy."""

from rzen.encoders.registry import create, names, resolve

__all__ = ["create", "names", "resolve"]
