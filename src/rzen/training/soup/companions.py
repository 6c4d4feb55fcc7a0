"""The files beside the weights: configuration, tokenizer, prompts, the library's modules."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rzen.encoders.export.layout import with_dtype, write_json
from rzen.encoders.loading import read_json
from rzen.encoders.lora.base_model import CONFIG
from rzen.encoders.weight_files import INDEX, SINGLE
from rzen.errors import EncoderError
from rzen.training.soup.ingredients import TEMPERATURES
from rzen.training.soup.outcome import SOUP

_MODULES = "modules.json"
_KEPT = ("*.json", "*.jinja", "*.txt", "*.model", "*.py", "LICENSE*", "NOTICE*")
# Written anew, or of a training that the soup did not have.
_LEFT = frozenset({CONFIG, INDEX, SOUP, TEMPERATURES, "trainer_state.json"})
_FOLDERS = ("additional_chat_templates",)
# Of who wrote a config.json and when, not of what the network is.
_PROVENANCE = frozenset(
    {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "use_cache"}
)


def module_folders(folder: Path) -> list[str]:
    """Names of the folders in which modules of sentence-transformers lie; none for other models.

    Raises:
        EncoderError: if modules.json cannot be read, or names a place elsewhere.
    """
    file = folder / _MODULES
    if not file.is_file():
        return []
    try:
        paths = [str(each["path"]) for each in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise EncoderError(f"{file}: cannot be read: {error}: fetch the model again") from error
    # A path that leads elsewhere would be read, and written to, outside of the folder.
    if strange := [path for path in paths if path and Path(path).name != path]:
        raise EncoderError(f"{file}: {strange[0]!r} is no folder beside it: fetch the model again")
    return [path for path in paths if path]


def weighty_folders(folders: Sequence[Path]) -> list[str]:
    """Those of :func:`module_folders` that hold weights of their own, in all models.

    Raises:
        EncoderError: if they are not the same in all, or the weights are pickles.
    """
    first, *others = [(folder, _weighty(folder)) for folder in folders]
    for folder, found in others:
        if found != first[1]:
            one, other = (", ".join(each) or "none" for each in (first[1], found))
            raise EncoderError(
                f"{first[0]} and {folder} do not have the same modules beside the network ({one}; "
                f"{other}): take models of one architecture"
            )
    return first[1]


def _weighty(folder: Path) -> list[str]:
    found = []
    for name in module_folders(folder):
        if (folder / name / SINGLE).is_file():
            found.append(name)
        elif (folder / name / "pytorch_model.bin").is_file():
            raise EncoderError(
                f"{folder / name}: the weights of this module are in pytorch_model.bin, a format "
                "that can run any code when it is read: save the model again as safetensors"
            )
    return found


def copy(folders: Sequence[Path], target: Path, dtype: str | None) -> None:
    """Copies what stands beside weights.

    Args:
        folders: later ones go over earlier ones.
        target: the new folder.
        dtype: that config.json shall name; ``None`` means as it has it.
    """
    for folder in folders:
        for name, file in _companions(folder):
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target / name)
    config = target / "config.json"
    if dtype is not None and config.is_file():
        write_json(config, with_dtype(read_json(config), dtype))


def differing(folders: Sequence[Path]) -> list[str]:
    """Names of files that the ingredients have with different contents, or not all have."""
    found = [dict(_companions(folder)) for folder in folders]
    names = sorted({name for each in found for name in each})
    return [
        name
        for name in names
        if len({each[name].read_bytes() if name in each else None for each in found}) > 1
        and name != "config.json"
    ]


def check_configs(folders: Sequence[Path]) -> None:
    """Sees to it that checkpoints are of one network, whatever their weights' shapes say.

    Raises:
        EncoderError: if their config.json differ in what the network is.
    """
    first, *others = [(folder, _network(folder)) for folder in folders]
    for folder, config in others:
        for key in sorted(first[1].keys() | config.keys()):
            one, other = (each.get(key, "nothing") for each in (first[1], config))
            if one != other:
                raise EncoderError(
                    f"config.json of {first[0]} says {key}: {one}, that of {folder} says {other}: "
                    "they are not models of one kind, and have no mean"
                )


def _network(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    return _without_provenance(read_json(file)) if file.is_file() else {}


def _without_provenance(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_provenance(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in _PROVENANCE
    }


def _companions(folder: Path) -> Iterator[tuple[str, Path]]:
    for place in ("", *_FOLDERS, *module_folders(folder)):
        for pattern in _KEPT:
            for file in sorted((folder / place).glob(pattern)):
                if file.is_file() and file.name not in _LEFT:
                    yield (file.relative_to(folder).as_posix(), file)
