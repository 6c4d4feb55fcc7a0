"""The mean of whole checkpoints, tensor by tensor: memory for two tensors, not for the models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from rzen.encoders.weight_files import (
    DTYPES,
    INDEX,
    NAMES,
    Layout,
    WeightFiles,
    write_index,
    write_tensors,
)
from rzen.errors import EncoderError

_FEW = 3  # differences that an error names


def check_alike(checkpoints: Sequence[WeightFiles]) -> None:
    """Sees to it that all have the same tensors.

    Raises:
        EncoderError: if names, shapes or dtypes differ; the first few are named.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        lacking = sorted(first.layouts.keys() - other.layouts.keys())
        extra = sorted(other.layouts.keys() - first.layouts.keys())
        unlike = sorted(
            name
            for name in first.layouts.keys() & other.layouts.keys()
            if first.layouts[name] != other.layouts[name]
        )
        found = [
            *(f"{name} is in {first.folder} only" for name in lacking),
            *(f"{name} is in {other.folder} only" for name in extra),
            *(
                f"{name} is {first.layouts[name]} in {first.folder} and {other.layouts[name]} in "
                f"{other.folder}"
                for name in unlike
            ),
        ]
        if found:
            more = f", and {len(found) - _FEW} more" if len(found) > _FEW else ""
            raise EncoderError(
                f"{first.folder} and {other.folder} have no mean, for {len(found)} of their "
                f"tensors differ: {'; '.join(found[:_FEW])}{more}: take models of one "
                "architecture, in one dtype (rzen export --dtype)"
            )


def mean(name: str, checkpoints: Sequence[WeightFiles], weights: Sequence[float]) -> torch.Tensor:
    """The weighted mean of a tensor, in float32 (float64 where it is stored so).

    What all have in common is taken as it is, bit by bit.

    Args:
        name: of the tensor.
        checkpoints: that have it alike.
        weights: their shares, which sum to 1.

    Raises:
        EncoderError: if whole numbers differ, for they have no mean, or one has values that are no
            numbers.
    """
    one = checkpoints[0]
    first = one.tensor(name)
    if all(torch.equal(first, each.tensor(name)) for each in checkpoints[1:]):
        return first
    if not first.is_floating_point():
        raise EncoderError(
            f"{name} holds whole numbers (or yes and no) that differ between the checkpoints: they "
            "have no mean; take models in floating point, of one architecture"
        )
    total = torch.zeros(first.shape, dtype=_exact(first.dtype))
    for checkpoint, weight in zip(checkpoints, weights, strict=True):
        if weight:
            total.add_(checkpoint.tensor(name).to(total.dtype), alpha=weight)
    if not _is_finite(total):
        wrong = next((each for each in checkpoints if not _is_finite(each.tensor(name))), one)
        raise EncoderError(
            f"{wrong.folder}: {name} holds values that are no numbers: that training went wrong; "
            "leave it out"
        )
    return total


def write_like(
    template: WeightFiles,
    target: Path,
    tensor: Callable[[str], torch.Tensor],
    *,
    dtype: str | None,
    say: Callable[[str], None],
) -> None:
    """Writes a checkpoint file by file, in the files that another one has.

    Args:
        template: the other one.
        target: the new folder.
        tensor: gives one by its name, in any dtype; floats are cast to the one that is stored.
        dtype: of floats; ``None`` means the template's, tensor by tensor.
        say: called with what is done next.

    Raises:
        EncoderError: if a value is too large for its dtype.
        OSError: if it cannot be written.
    """
    layouts = {name: _stored(layout, dtype) for name, layout in template.layouts.items()}
    done, total = 0, len(layouts)

    def cast(name: str) -> torch.Tensor:
        nonlocal done
        done += 1
        say(f"writing {name} ({done} of {total} tensors)")
        found = tensor(name)
        stored = found.to(DTYPES[layouts[name].dtype])
        if stored.dtype != found.dtype and _is_finite(found) and not _is_finite(stored):
            raise EncoderError(
                f"{name} has values too large for {layouts[name].dtype}: choose another --dtype"
            )
        return stored

    for file, names in template.files.items():
        write_tensors(target / file, {name: layouts[name] for name in names}, cast)
    if (template.folder / INDEX).is_file():
        size = sum(layout.bytes for layout in layouts.values())
        write_index(target, template.files, size)


def dtype_of(layouts: Mapping[str, Layout]) -> str:
    """The floating dtypes of tensors, by torch's names: one, as a rule."""
    found = {layout.dtype for layout in layouts.values()}
    return ", ".join(name for name, stored in NAMES.items() if stored in found) or "no floats"


def _stored(layout: Layout, dtype: str | None) -> Layout:
    is_float = layout.dtype in NAMES.values()
    return replace(layout, dtype=NAMES[dtype]) if dtype is not None and is_float else layout


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether all values are numbers; by their extremes, which takes no memory."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(bool(extreme.isfinite()) for extreme in tensor.aminmax())


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
