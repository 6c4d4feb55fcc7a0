"""Weights copied from one folder to another, as they are or in another dtype."""

import json
import shutil
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch

Dtype: TypeAlias = Literal["float32", "bfloat16"]
_TORCH: Final[dict[str, torch.dtype]] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_STORED: Final = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_INDEX = "model.safetensors.index.json"


def dtypes(folder: Path) -> set[str]:
    """The floating dtypes that the weights of a folder have."""
    from safetensors import safe_open  # noqa: PLC0415

    found = set()
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            found |= {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    return {_STORED[each] for each in found if each in _STORED}


def rounds(folder: Path, dtype: Dtype | None) -> bool:
    """Whether weights lose digits in a dtype; ``None`` means as they are."""
    exact = {"float32": {"float16", "bfloat16", "float32"}, "bfloat16": {"bfloat16"}}
    return dtype is not None and not dtypes(folder) <= exact[dtype]


def copy(source: Path, target: Path, dtype: Dtype | None) -> None:
    """Copies all safetensors of a folder, one file at a time.

    Args:
        source: the folder.
        target: another one.
        dtype: of the copies; ``None`` means as they are.
    """
    total = 0
    as_they_are = dtype is None or dtypes(source) == {dtype}
    for file in sorted(source.glob("*.safetensors")):
        if dtype is None or as_they_are:
            shutil.copyfile(file, target / file.name)
        else:
            total += _cast(file, target / file.name, _TORCH[dtype])
            (target / file.name).chmod(file.stat().st_mode)  # the library makes it private
    if (source / _INDEX).is_file():
        index: dict[str, Any] = json.loads((source / _INDEX).read_text(encoding="utf-8"))
        if total:
            index["metadata"] = {**index.get("metadata", {}), "total_size": total}
        (target / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _cast(source: Path, target: Path, dtype: torch.dtype) -> int:
    from safetensors import safe_open  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    with safe_open(source, framework="pt") as tensors:
        found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    cast = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in found.items()
    }
    save_file(cast, target, metadata={"format": "pt"})
    return sum(tensor.nbytes for tensor in cast.values())
