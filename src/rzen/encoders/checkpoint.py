"""Models of sentence-transformers and plain checkpoints of transformers, by one door.

Only safetensors are read and no code of the model's is run. A checkpoint that brings its own
modules is taken as it is. A plain one gets a pooling here: sentence-transformers would average the
tokens of a vision-language model, whose last token is the only one that has seen everything.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rzen.config import cache_folder
from rzen.encoders.hashes import combined, file_hashes
from rzen.encoders.model_source import ModelSource
from rzen.errors import EncoderError, MissingExtraError

_DECODERS = ("ForConditionalGeneration", "ForCausalLM")
# What decides the vectors; a read-me does not.
_PARTS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_LIBRARIES = ("torch", "transformers", "sentence-transformers")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A loaded model and what is known of it.

    Attributes:
        model: a SentenceTransformer.
        plain: whether pooling and template were chosen here.
        weights: hash of its files, or its commit on the hub.
        pooling: how token states become one vector.
        positions: "1d" or "m-rope".
        environment: dtype, device and versions of the libraries.
    """

    model: Any
    plain: bool
    weights: str
    pooling: str
    positions: str
    environment: Mapping[str, str]


def load(source: ModelSource, device: str) -> Checkpoint:
    """Loads a model.

    Args:
        source: where it is.
        device: "auto", or one of torch.

    Raises:
        EncoderError: if it cannot be loaded or the device is not there.
        MissingExtraError: if sentence-transformers is not installed.
    """
    try:
        import torch  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer.modules import Pooling  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "transformers") from error
    place = _device(torch, device)
    try:
        model = SentenceTransformer(
            str(source.folder or source.name),
            device=place,
            trust_remote_code=False,
            local_files_only=source.folder is not None,
            model_kwargs={
                "use_safetensors": True,
                "dtype": "float32" if place == "cpu" else "auto",
            },
        )
    # Loaders raise whatever their libraries do; the user gets the reason and the way out.
    except Exception as error:
        raise EncoderError(_explain(source, error)) from error
    folder = source.folder or _hub_folder(source.name)
    plain = folder is not None and not (folder / "modules.json").is_file()
    architecture = str(next(iter(getattr(_config(model), "architectures", None) or ()), ""))
    if plain and architecture.endswith(_DECODERS):
        model[1] = Pooling(model.get_embedding_dimension(), pooling_mode="lasttoken")
    model.eval()
    return Checkpoint(
        model=model,
        plain=plain,
        weights=_weights(source, folder),
        pooling=_pooling(model),
        positions="m-rope" if "mrope_section" in str(_config(model)) else "1d",
        environment={
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": place,
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
    )


def _device(torch: Any, device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EncoderError(f"device {device!r}: there is no CUDA device here: use auto or cpu")
    try:
        torch.device(device)
    except RuntimeError:
        raise EncoderError(f"there is no device {device!r}: use auto, cpu or cuda") from None
    return device


def _explain(source: ModelSource, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if source.folder is not None:
        return (
            f"{source.folder}: the model cannot be loaded: {reason}: it must be a model of "
            "sentence-transformers or transformers with weights in safetensors"
        )
    return (
        f"{source.name}: not a local path, and the hub cannot be reached or does not have it: "
        f"{reason}: check the name and the network, or download the model elsewhere and give its "
        "folder"
    )


def _hub_folder(name: str) -> Path | None:
    """Where the hub's cache has a model that was just loaded."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    for file in ("modules.json", "config.json"):
        path = try_to_load_from_cache(name, file)
        if isinstance(path, str):
            return Path(path).parent
    return None


def _weights(source: ModelSource, folder: Path | None) -> str:
    if source.folder is None:
        # A snapshot's folder is named by its commit.
        return f"hub:{folder.name}" if folder is not None else "hub:unknown"
    files = sorted({path for part in _PARTS for path in source.folder.rglob(part)})
    try:
        hashes = file_hashes(files, cache_folder() / "hashes.json")
    except OSError as error:
        raise EncoderError(
            f"cannot hash the model {source.folder}: {error}: check that it can be read, and set "
            "RZEN_CACHE to a folder that can be written"
        ) from error
    return combined({str(path.relative_to(source.folder)): hash_ for path, hash_ in hashes.items()})


def _config(model: Any) -> Any:
    return getattr(model[0], "config", None)


def _pooling(model: Any) -> str:
    modes = [getattr(module, "pooling_mode", None) for module in model]
    return next((str(mode) for mode in modes if mode), "-")
