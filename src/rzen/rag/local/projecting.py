"""A language model with the projector that was trained for it."""

from pathlib import Path

from rzen.encoders.lora.merging import merge
from rzen.encoders.model_source import ModelSource
from rzen.errors import GeneratorError
from rzen.rag.local import projector as projectors
from rzen.rag.local.loading import Loaded
from rzen.rag.local.model import LocalModel
from rzen.types import Fingerprint

ADAPTER = "adapter"


def with_projector(
    loaded: Loaded, name: str, folder: Path, fingerprint: Fingerprint | None
) -> LocalModel:
    """Puts a projector, and the adapters that were trained with it, to a language model.

    Args:
        loaded: the language model.
        name: what users call it.
        folder: of the projector.
        fingerprint: of the encoder whose vectors it will get; ``None`` leaves it unchecked.

    Raises:
        GeneratorError: if it was trained for another model or other vectors, or cannot be read.
    """
    projector, facts = projectors.load(folder)
    if facts.generator_weights != loaded.weights:
        raise GeneratorError(
            f"{folder} was trained for the language model {facts.generator}, whose weights are "
            f"others than those of {name}: use  --generator {facts.generator}"
        )
    if fingerprint is not None:
        facts.check_encoder(fingerprint)
    adapter = folder / ADAPTER
    if adapter.is_dir():
        base = ModelSource(name=name, folder=loaded.folder)
        merge(ModelSource(name=str(adapter), folder=adapter, base=base), loaded.network)
    return LocalModel(loaded, name, project=projector.to(loaded.network.device).project)
