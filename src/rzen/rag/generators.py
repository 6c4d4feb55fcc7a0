"""Generators by name."""

from rzen.config import AskSettings
from rzen.endpoint import is_address
from rzen.errors import UsageError
from rzen.protocols import Encoder, Generator
from rzen.rag.chat import ChatGenerator
from rzen.rag.extractive import ExtractiveGenerator


def create(name: str, settings: AskSettings, encoder: Encoder | None = None) -> Generator:
    """Makes a generator.

    Args:
        name: "extractive", or the base URL of an OpenAI-compatible endpoint such as
            ``http://localhost:8000/v1``.
        settings: the endpoint's model.
        encoder: what the extractive one compares sentences with.

    Raises:
        UsageError: if there is no such generator, or the endpoint's model is not given.
    """
    if name == "extractive":
        return ExtractiveGenerator(encoder)
    if is_address(name):
        return ChatGenerator(name, settings.model)
    raise UsageError(
        f"there is no generator {name!r}: choose extractive, or give the http(s) address of an "
        "OpenAI-compatible endpoint"
    )
