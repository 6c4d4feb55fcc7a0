"""What any checkpoint is asked: where it runs, what its files are, why it does not load."""

import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rzen.config import cache_folder
from rzen.encoders.hashes import combined, file_hashes
from rzen.encoders.model_source import ModelSource
from rzen.errors import EncoderError

NOTE = "rzen.json"
"""What rzen writes beside a model that it exports or trains: its family and template."""

OUTLINE = "outline"
"""Stands for the weights of a network that has none: no vectors come of it."""

# What decides the vectors; a read-me does not.
_PARTS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
_LIBRARIES = ("torch", "transformers", "sentence-transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What can be known of a checkpoint without loading it; of an adapter, with its base.

    Attributes:
        config: its config.json; empty where there is none.
        files: names in its folder, with those one folder down.
        folder: where its files are; ``None`` while it is on the hub alone.
        template: that it was trained with, where rzen wrote it beside the model.
        family: whose it is, where rzen wrote it there.
        look: how large it was shown pictures, where that is not as its family has it; see
            :func:`rzen.encoders.families.adjusted`.
    """

    config: Mapping[str, Any]
    files: frozenset[str]
    folder: Path | None
    template: str | None = None
    family: str | None = None
    look: Mapping[str, Any] = field(default_factory=dict)


def describe(source: ModelSource) -> Description:
    """Reads a checkpoint's config.json, from the hub if need be.

    An adapter is described by its base, but for what stands beside it.

    Raises:
        EncoderError: if it cannot be had or read, or its weights are pickles.
    """
    if source.base is not None:
        return _on_top(source, describe(source.base))
    folder = source.folder or hub_folder(source.name)
    if folder is None:
        return Description(
            config=read_json(part(source, "config.json")), files=frozenset(), folder=None
        )
    names = {path.relative_to(folder).as_posix() for path in _files(folder)}
    _refuse_pickles(folder, names)
    file = folder / "config.json"
    config = read_json(file) if file.is_file() else {}
    note = read_json(folder / NOTE) if NOTE in names else {}
    return Description(
        config=config,
        files=frozenset(names),
        folder=folder,
        template=note.get("template"),
        family=note.get("family"),
        look=note.get("look") or {},
    )


def _on_top(adapter: ModelSource, below: Description) -> Description:
    assert adapter.folder is not None
    names = {path.relative_to(adapter.folder).as_posix() for path in _files(adapter.folder)}
    note = read_json(adapter.folder / NOTE) if NOTE in names else {}
    return replace(
        below,
        files=below.files | names,
        template=note.get("template", below.template),
        family=note.get("family", below.family),
        look=note.get("look", below.look),
    )


def device_named(device: str) -> str:
    """The device that a name means here.

    Raises:
        EncoderError: if there is none.
    """
    import torch  # noqa: PLC0415

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EncoderError(f"device {device!r}: there is no CUDA device here: use auto or cpu")
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise EncoderError(f"there is no device {device!r}: use auto, cpu or cuda") from None
    return "cpu" if kind == "cpu" else device  # cpu:0 is the same


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from printing bars and tables while it loads; errors are raised anyway."""
    from transformers.utils import logging as library  # noqa: PLC0415

    logging: Any = library
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def reason_of(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def explain(source: ModelSource, error: Exception) -> str:
    """Why a model does not load, and the way out."""
    reason = reason_of(error)
    if "trust_remote_code" in str(error):
        return (
            f"{source.name} brings code of its own, which rzen does not run unasked: read it, then "
            f"name it:  --set 'model.trust_remote_code=[\"{source.name}\"]'"
        )
    if isinstance(error, ImportError) and "torchvision" in str(error):
        return f"{source.name}: {reason}: pip install torchvision, of the release that fits torch"
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


def hub_folder(name: str) -> Path | None:
    """Where the hub's cache on this machine has a model."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    for file in ("modules.json", "config.json"):
        path = try_to_load_from_cache(name, file)
        if isinstance(path, str):
            return Path(path).parent
    return None


def part(source: ModelSource, name: str) -> Path:
    """A file of a model: in its folder, where it may be missing, or fetched from the hub.

    Raises:
        EncoderError: if the hub cannot be reached or does not have it.
    """
    if source.folder is not None:
        return source.folder / name
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    try:
        return Path(hf_hub_download(source.name, name))
    # The hub's client raises whatever its network does; the user gets the reason and the way out.
    except Exception as error:
        raise EncoderError(explain(source, error)) from error


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file of a model.

    Raises:
        EncoderError: if it cannot be read, or is none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{file}: cannot be read: {error}: fetch the model again") from error
    if not isinstance(found, dict):
        raise EncoderError(f"{file}: holds no object: fetch the model again")
    return found


def weights_hash(source: ModelSource, folder: Path | None) -> str:
    """One hash over a model's files, or its commit on the hub; of an adapter, with its base's.

    Raises:
        EncoderError: if they cannot be read.
    """
    if source.base is not None:
        alone = weights_hash(replace(source, base=None), source.folder)
        return combined({"adapter": alone, "base": weights_hash(source.base, source.base.folder)})
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


def environment(dtype: str, device: str) -> dict[str, str]:
    """dtype, device and versions of the libraries, as the fingerprint records them."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"dtype": dtype.removeprefix("torch."), "device": device, **versions}


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            yield from (each for each in path.iterdir() if each.is_file())
        else:
            yield path


def _refuse_pickles(folder: Path, names: Iterable[str]) -> None:
    weights = [name for name in names if name.endswith(".safetensors")]
    pickles = sorted(name for name in names if any(Path(name).match(each) for each in _PICKLES))
    if pickles and not weights:
        raise EncoderError(
            f"{folder}: its weights are in {pickles[0]}, a format that can run any code when it is "
            "read: rzen reads safetensors only; convert it with safetensors' own converter"
        )
