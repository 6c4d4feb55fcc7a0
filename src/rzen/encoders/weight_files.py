"""The tensors of a checkpoint, read and written one at a time: no model need fit into memory."""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import torch

from rzen.encoders.loading import read_json
from rzen.errors import EncoderError

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The dtypes that are read and written here, as safetensors calls them."""

NAMES: Final = {"float32": "F32", "bfloat16": "BF16", "float16": "F16", "float64": "F64"}
"""Floating dtypes by torch's names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one tensor is stored.

    Attributes:
        dtype: a key of ``DTYPES``.
        shape: its sizes.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """That it takes in a file.

        >>> Layout("BF16", (3, 4)).bytes
        24
        """
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class WeightFiles:
    """The tensors in a folder, whether they lie in one file or in several with an index.

    To be closed: it is a context manager. Files are mapped, not read.

    Args:
        folder: with ``model.safetensors``, or with ``model.safetensors.index.json`` and its files.
        single: name of the file where there is no index.

    Attributes:
        folder: as given.
        files: name of a file -> names of its tensors, both in order.
        layouts: name of a tensor -> how it is stored.

    Raises:
        EncoderError: if there are none, a file is missing or damaged, or a dtype is not known.
    """

    def __init__(self, folder: Path, single: str = SINGLE) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}
        self._file_of: dict[str, str] = {}
        self.files: dict[str, tuple[str, ...]] = {}
        self.layouts: dict[str, Layout] = {}
        try:
            for name, wanted in self._listed(single).items():
                self._add(name, wanted)
        except BaseException:
            self.close()
            raise

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor as it is stored; not to be written to.

        Raises:
            EncoderError: if it cannot be read.
        """
        try:
            found: torch.Tensor = self._open[self._file_of[name]].get_tensor(name)
        # The library raises an error of its own, without the file.
        except Exception as error:
            raise EncoderError(f"{self._damaged(self._file_of[name])}: {error}") from error
        return found

    def close(self) -> None:
        """Lets go of the files."""
        self._open.clear()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _listed(self, single: str) -> dict[str, set[str]]:
        """Name of a file -> the tensors that it should hold; empty where it is the only one."""
        if single == SINGLE and (self.folder / INDEX).is_file():
            found: dict[str, set[str]] = {}
            entries = read_json(self.folder / INDEX).get("weight_map")
            if not isinstance(entries, dict) or not entries:
                raise EncoderError(f"{self._damaged(INDEX)}: it has no weight_map")
            for name, file in entries.items():
                # A name that leads elsewhere would read, and be written, outside of the folder.
                if Path(str(file)).name != file:
                    raise EncoderError(f"{self._damaged(INDEX)}: {file!r} is no name of a file")
                found.setdefault(str(file), set()).add(name)
            return dict(sorted(found.items()))
        return {single: set()}

    def _add(self, name: str, wanted: set[str]) -> None:
        from safetensors import safe_open  # noqa: PLC0415

        file = self.folder / name
        if not file.is_file():
            raise EncoderError(f"{self.folder}: there is no {name} in it: fetch the model again")
        try:
            opened = self._stack.enter_context(safe_open(file, framework="pt"))
            keys = tuple(sorted(opened.keys()))
            slices = {key: opened.get_slice(key) for key in keys}
        except Exception as error:
            raise EncoderError(f"{self._damaged(name)}: {error}") from error
        if missing := sorted(wanted.difference(keys)):
            raise EncoderError(
                f"{self._damaged(name)}: {INDEX} says that it holds {missing[0]}, which it does not"
            )
        for key, slice_ in slices.items():
            dtype = slice_.get_dtype()
            if dtype not in DTYPES:
                raise EncoderError(
                    f"{file}: {key} is stored as {dtype}, which rzen cannot add up: take a model "
                    "whose weights are float32, bfloat16 or float16"
                )
            if key in self.layouts:
                raise EncoderError(f"{self._damaged(name)}: {key} is in another file too")
            self.layouts[key] = Layout(dtype, tuple(slice_.get_shape()))
            self._file_of[key] = name
        self.files[name] = keys
        self._open[name] = opened

    def _damaged(self, name: str) -> str:
        return f"{self.folder / name} cannot be read: fetch the model again"


def write_tensors(
    file: Path, layouts: Mapping[str, Layout], tensor: Callable[[str], torch.Tensor]
) -> None:
    """Writes a safetensors file tensor by tensor, and sees to it that it is on the disk.

    Args:
        file: the new one.
        layouts: name -> how it is stored; the tensors' dtypes and shapes.
        tensor: gives one by its name; called once for each, and only one is held at a time.

    Raises:
        OSError: if it cannot be written.
    """
    # Wide ones first, as the library does, so that all stand at multiples of their width.
    names = sorted(layouts, key=lambda name: (-DTYPES[layouts[name].dtype].itemsize, name))
    with file.open("wb") as stream:
        stream.write(_header(names, layouts))
        for name in names:
            found = tensor(name).detach().cpu().contiguous()
            layout = layouts[name]
            assert found.dtype == DTYPES[layout.dtype], f"{name}: {found.dtype}"
            assert tuple(found.shape) == layout.shape, f"{name}: {tuple(found.shape)}"
            stream.write(found.reshape(-1).view(torch.uint8).numpy().data)
            del found  # before the next one is made
        stream.flush()
        os.fsync(stream.fileno())


def write_index(folder: Path, files: Mapping[str, Iterable[str]], total: int) -> None:
    """Writes which file has which tensor.

    Args:
        folder: with the files.
        files: name of a file -> names of its tensors.
        total: bytes of all tensors.
    """
    places = {name: file for file, names in files.items() for name in names}
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _header(names: Iterable[str], layouts: Mapping[str, Layout]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in names:
        layout = layouts[name]
        end = start + layout.bytes
        entries[name] = {
            "dtype": layout.dtype,
            "shape": list(layout.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
