"""A soup: the weighted mean of models, written whole or not at all."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from rzen.encoders.export.layout import write_json, write_note
from rzen.encoders.loading import NOTE
from rzen.encoders.lora.base_model import base_of, local_base, named_base
from rzen.encoders.lora.merging import merged, network_of, places
from rzen.encoders.lora.reading import Lora
from rzen.encoders.new_folder import check_new, new_folder
from rzen.encoders.registry import resolve
from rzen.encoders.templates import TEMPLATES
from rzen.encoders.weight_files import WeightFiles
from rzen.errors import UsageError
from rzen.training.soup import companions
from rzen.training.soup.adapters import LoraSum, check_same_base, write_config
from rzen.training.soup.card import card
from rzen.training.soup.checkpoints import check_alike, dtype_of, mean, write_like
from rzen.training.soup.ingredients import (
    TEMPERATURES,
    check_notes,
    described,
    kind_of,
    licence,
    shares,
    temperatures,
)
from rzen.training.soup.outcome import SOUP, Kind, Souped, Step

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]


def soup(
    folders: Sequence[Path],
    out: Path,
    *,
    weights: Sequence[float] | None = None,
    merge: bool = False,
    dtype: Dtype | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Souped:
    """Writes the weighted mean of models: of LoRA adapters of one base, or of whole checkpoints.

    Adapters give an adapter, exactly: the mean of their changes, with the sum of their ranks.
    Checkpoints are added up tensor by tensor in float32, and cast once.

    Args:
        folders: of the models, all of one kind.
        out: the new folder; it may be there if it is empty.
        weights: one for each, from 0 up; they are divided by their sum. ``None`` means all the
            same.
        merge: whether to merge adapters into their base: in float32, cast once to its dtype.
        dtype: of the weights written. ``None`` means float32 for an adapter, else as the first
            model (or the base) has it.
        on_step: called with what is done next.

    Raises:
        EncoderError: if a model cannot be read or the models do not fit each other, something is
            in the way, or the disk is full; then nothing is written.
        UsageError: if a folder is missing or given twice, or the weights are none.
    """
    shares_ = shares(weights, len(folders))
    return mix(
        Order(tuple(folders), tuple(shares_), merge, dtype, on_step or (lambda _: None)), out
    )


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be mixed, and how.

    Attributes:
        folders: of the models.
        weights: their shares, which sum to 1.
        merge: whether adapters become a checkpoint.
        dtype: of the weights written; ``None`` as in :func:`soup`.
        say: called with what is done next.
    """

    folders: tuple[Path, ...]
    weights: tuple[float, ...]
    merge: bool
    dtype: Dtype | None
    say: Callable[[str], None]


def mix(order: Order, out: Path, steps: Sequence[Step] = ()) -> Souped:
    """See :func:`soup`.

    Args:
        order: what is mixed.
        out: the new folder.
        steps: of the choice that led to these models.
    """
    assert order.folders, "no models to mix"
    check_new(out)
    kind = kind_of(order.folders)
    if order.merge and kind == "checkpoint":
        raise UsageError(
            f"{order.folders[0]} is a whole checkpoint, and has no adapter to merge: leave out "
            "--merge"
        )
    check_notes(order.folders)
    order.say("reading the models")
    ingredients = described(order.folders, order.weights)
    means, said = temperatures(order.folders, order.weights)
    with new_folder(out) as target:
        made = _of_adapters(order, target) if kind == "adapter" else _of_checkpoints(order, target)
        souped = Souped(
            folder=out,
            kind=made.kind,
            ingredients=ingredients,
            base=made.base,
            rank=made.rank,
            dtype=made.dtype,
            temperatures=means,
            notes=(*made.notes, *_differences(order.folders), *said),
            steps=tuple(steps),
        )
        if means:
            write_json(target / TEMPERATURES, means)
        write_json(target / SOUP, souped.document())
        (target / "README.md").write_text(card(souped), encoding="utf-8")
    return souped


@dataclass(frozen=True, slots=True)
class _Made:
    kind: Kind
    dtype: str
    base: str | None = None
    rank: int | None = None
    notes: tuple[str, ...] = ()


def _of_adapters(order: Order, target: Path) -> _Made:
    first = order.folders[0]
    check_same_base(order.folders)
    with ExitStack() as stack:
        adapters = [stack.enter_context(Lora(folder)) for folder in order.folders]
        mixed = LoraSum(adapters, order.weights)
        if order.merge:
            made = _merge(order, mixed, target)
        else:
            order.say("writing the adapter")
            dtype = order.dtype or "float32"
            mixed.write(target, dtype)
            write_config(adapters, mixed, target)
            companions.copy([first], target, None)
            name, _ = named_base(first)
            base = str(local_base(first, name) or name)
            made = _Made("adapter", dtype, base=base, rank=mixed.rank)
    for place in companions.weighty_folders(order.folders):
        _average(order, target, place)
    return made


def _merge(order: Order, mixed: LoraSum, target: Path) -> _Made:
    base = base_of(order.folders[0])
    assert base.folder is not None
    with WeightFiles(base.folder) as weights:
        placed = places(mixed, network_of(base.folder), weights.layouts)
        modules = {place.key: module for module, place in placed.items()}

        def tensor(key: str) -> torch.Tensor:
            weight, module = weights.tensor(key), modules.get(key)
            return weight if module is None else merged(mixed, module, weight, placed[module])

        write_like(weights, target, tensor, dtype=order.dtype, say=order.say)
        dtype = order.dtype or dtype_of(weights.layouts)
    companions.copy([base.folder, order.folders[0]], target, order.dtype)
    alone = replace(order, folders=(base.folder,), weights=(1.0,))
    for place in companions.weighty_folders([base.folder]):
        _average(alone, target, place)
    _write_note(order.folders[0], target)
    terms = licence(base.folder)
    notes = (f"the base's licence is {terms}",) if terms else ()
    return _Made("merged adapter", dtype, base=base.name, notes=notes)


def _of_checkpoints(order: Order, target: Path) -> _Made:
    companions.check_configs(order.folders)
    dtype = _average(order, target, "")
    for place in companions.weighty_folders(order.folders):
        _average(order, target, place)
    companions.copy([order.folders[0]], target, order.dtype)
    _write_note(order.folders[0], target)
    return _Made("checkpoint", dtype)


def _average(order: Order, target: Path, place: str) -> str:
    """Writes the mean of the weights in one folder of each model; their dtype."""
    with ExitStack() as stack:
        found = [stack.enter_context(WeightFiles(folder / place)) for folder in order.folders]
        check_alike(found)
        (target / place).mkdir(exist_ok=True)
        write_like(
            found[0],
            target / place,
            lambda name: mean(name, found, order.weights),
            dtype=order.dtype,
            say=order.say,
        )
        return order.dtype or dtype_of(found[0].layouts)


def _write_note(origin: Path, target: Path) -> None:
    """Says of which family a checkpoint is, where its folder's name told so: it has another now."""
    if (target / NOTE).is_file():
        return
    found = resolve(str(origin))
    if found.is_ours and not found.others:
        assert found.family.look is not None
        template = found.described.template or found.family.look.template
        write_note(target, found.family, TEMPLATES[template])


def _differences(folders: Sequence[Path]) -> list[str]:
    if names := companions.differing(folders):
        first = folders[0].resolve().name
        return [f"not the same in all models, and here as in {first}: {', '.join(names)}"]
    return []
