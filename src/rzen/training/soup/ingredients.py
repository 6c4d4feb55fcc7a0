"""The models that go into a soup: their kind, their shares, what they say of themselves."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rzen.encoders.loading import NOTE, read_json, weights_hash
from rzen.encoders.lora.base_model import CONFIG
from rzen.encoders.model_source import ModelSource
from rzen.encoders.weight_files import INDEX, SINGLE
from rzen.errors import EncoderError, UsageError
from rzen.training.soup.outcome import Ingredient

TEMPERATURES = "temperatures.json"
"""Task -> learned temperature, beside a trained model."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def shares(weights: Sequence[float] | None, count: int) -> list[float]:
    """Weights that sum to 1.

    >>> shares(None, 4), shares([3, 1], 2)
    ([0.25, 0.25, 0.25, 0.25], [0.75, 0.25])

    Args:
        weights: as given; ``None`` means all the same.
        count: how many ingredients there are.

    Raises:
        UsageError: if there are no models, or the weights are not one for each, not numbers,
            negative, or sum to 0.
    """
    if not count:
        raise UsageError("there are no models to mix: name their folders")
    if weights is None:
        return [1 / count] * count
    if len(weights) != count:
        raise UsageError(
            f"there are {len(weights)} weights for {count} models: give one for each, in the "
            "order of the models"
        )
    if wrong := [each for each in weights if not math.isfinite(each) or each < 0]:
        raise UsageError(
            f"the weight {wrong[0]} is no share: weights are numbers from 0 up, and are divided by "
            "their sum"
        )
    total = math.fsum(weights)
    if total <= 0:
        raise UsageError("the weights sum to 0, so there would be nothing in the soup: raise one")
    return [each / total for each in weights]


def kind_of(folders: Sequence[Path]) -> Literal["adapter", "checkpoint"]:
    """What the ingredients are, which must be the same of all.

    Raises:
        UsageError: if a folder is not there, or given twice.
        EncoderError: if there is no model in one, or they are of both kinds.
    """
    seen = set()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"{folder}: there is no such folder: give folders of adapters or of checkpoints "
                "(fetch a model of the hub first: hf download NAME --local-dir FOLDER)"
            )
        if folder.resolve() in seen:
            raise UsageError(f"{folder} is given twice: give it more weight with --weights instead")
        seen.add(folder.resolve())
    kinds = [_kind(folder) for folder in folders]
    if len(set(kinds)) > 1:
        adapter, checkpoint = kinds.index("adapter"), kinds.index("checkpoint")
        raise EncoderError(
            f"{folders[adapter]} is an adapter and {folders[checkpoint]} a whole checkpoint, which "
            f"have no mean: make a checkpoint of the adapter first (rzen soup {folders[adapter]} "
            "-o FOLDER --merge)"
        )
    return kinds[0]


def names(folders: Sequence[Path]) -> list[str]:
    """What cards call the ingredients: as much of the end of each path as tells them apart.

    >>> names([Path("/runs/a/final"), Path("/runs/b/final")])
    ['a/final', 'b/final']
    """
    paths = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, paths)) + 1):
        found = ["/".join(parts[-length:]) for parts in paths]
        if len(set(found)) == len(found):
            break
    return found


def described(folders: Sequence[Path], weights: Sequence[float]) -> tuple[Ingredient, ...]:
    """What cards say of the ingredients.

    Args:
        folders: of the ingredients.
        weights: their shares.

    Raises:
        EncoderError: if a file cannot be read.
    """
    found = []
    for folder, name, weight in zip(folders, names(folders), weights, strict=True):
        place = folder.resolve()
        source = ModelSource(name=str(place), folder=place)
        found.append(
            Ingredient(
                folder=folder,
                name=name,
                weight=weight,
                hash=weights_hash(source, place),
                licence=licence(place),
            )
        )
    return tuple(found)


def licence(folder: Path) -> str:
    """The licence that a model's card or rzen.json names; empty where they name none."""
    from huggingface_hub import metadata_load  # noqa: PLC0415

    note = read_json(folder / NOTE) if (folder / NOTE).is_file() else {}
    card: dict[str, Any] = {}
    if (folder / "README.md").is_file():
        try:
            card = metadata_load(folder / "README.md") or {}
        # A card is for people: one that the library cannot parse names no licence.
        except Exception:  # noqa: BLE001
            card = {}
    return str(note.get("licence") or note.get("license") or card.get("license") or "")


def check_notes(folders: Sequence[Path]) -> None:
    """Sees to it that the ingredients are asked the same way.

    Raises:
        EncoderError: if their rzen.json name different families or templates.
    """
    for name in ("family", "template"):
        said: dict[str, Path] = {}
        for folder in folders:
            note = read_json(folder / NOTE) if (folder / NOTE).is_file() else {}
            if note.get(name):
                said.setdefault(note[name], folder)
        if len(said) > 1:
            (one, first), (other, second) = list(said.items())[:2]
            raise EncoderError(
                f"{first} says that its {name} is {one}, {second} says {other}: their mean would "
                f"be right for neither; take models that were trained with the same {name}"
            )


def temperatures(
    folders: Sequence[Path], weights: Sequence[float]
) -> tuple[dict[str, float], list[str]]:
    """The geometric mean of the learned temperatures, task by task, and what there is to say.

    What is learned is the logarithm, so this is the mean of what is learned. A task that some
    ingredients were not trained on has the mean of the others.

    Args:
        folders: of the ingredients.
        weights: their shares.

    Raises:
        EncoderError: if a file is no mapping of tasks to positive numbers.
    """
    files = [folder / TEMPERATURES for folder in folders]
    if not any(file.is_file() for file in files):
        return {}, []
    if missing := [file.parent.name for file in files if not file.is_file()]:
        return {}, [f"{TEMPERATURES} was left out, for {', '.join(missing)} has none"]
    found = [_temperatures(file) for file in files]
    means, partly = {}, []
    for task in dict.fromkeys(task for each in found for task in each):
        having = [(w, each[task]) for w, each in zip(weights, found, strict=True) if task in each]
        total = math.fsum(weight for weight, _ in having)
        if total == 0:
            continue
        means[task] = math.exp(math.fsum(w * math.log(value) for w, value in having) / total)
        if len(having) < len(found):
            partly.append(task)
    said = f"temperatures of {', '.join(partly)}: the mean of those that were trained on it"
    return means, [said] if partly else []


def _temperatures(file: Path) -> dict[str, float]:
    found = read_json(file)
    for task, value in found.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value <= 0:
            raise EncoderError(
                f"{file}: the temperature of {task} is {value!r}, where a number above 0 belongs: "
                "put it right, or take the file away"
            )
    return found


def _kind(folder: Path) -> Literal["adapter", "checkpoint"]:
    has_weights = any((folder / name).is_file() for name in (SINGLE, INDEX))
    if (folder / CONFIG).is_file():
        if has_weights:
            raise EncoderError(
                f"{folder} holds an adapter and a whole checkpoint: move one of them to a folder "
                "of its own, and give the one that is meant"
            )
        return "adapter"
    if has_weights:
        return "checkpoint"
    if pickle := next((file for each in _PICKLES for file in sorted(folder.glob(each))), None):
        raise EncoderError(
            f"{folder}: its weights are in {pickle.name}, a format that can run any code when it "
            "is read: rzen reads safetensors only; convert it with safetensors' own converter"
        )
    raise EncoderError(
        f"{folder}: there is no model in it, neither {CONFIG} nor {SINGLE} nor {INDEX}: give the "
        "folder that holds them"
    )
