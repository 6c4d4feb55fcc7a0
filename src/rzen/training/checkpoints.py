"""The state of a run on disk: whole or not there, in formats that run no code when they are read.

A checkpoint is a folder written aside, synced, and renamed into place: `step-00000200/` with the
trained weights, the optimiser's moments and the temperatures as safetensors, and state.json, which
is written last and holds a hash of every file. Random numbers need no place in it: they are drawn
from seeds of the run, the step and the chunk.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rzen.errors import DataError
from rzen.training.temperatures import Temperatures

_NAME = re.compile(r"step-(\d{8})")
_STATE = "state.json"
_WEIGHTS, _MOMENTS, _THETA = "weights.safetensors", "optimizer.safetensors", "theta.safetensors"
_BETWEEN = "::"  # a parameter's name and the name of its moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What of a run is no tensor.

    Attributes:
        step: steps of the optimiser that were taken.
        rows: that were trained on.
        failed: rows that could not be read.
        lost: hard negatives that could not be read.
        best: the best measurement, ``None`` before the first.
        best_step: when that was.
        since_best: measurements since then.
    """

    step: int = 0
    rows: int = 0
    failed: int = 0
    lost: int = 0
    best: float | None = None
    best_step: int | None = None
    since_best: int = 0

    def as_json(self) -> dict[str, Any]:
        """For state.json."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Everything that a run goes on from.

    Attributes:
        network: whose trainable weights are saved and put back.
        optimizer: AdamW over them and the temperatures.
        temperatures: of the tasks; ``None`` where the loss has none.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    temperatures: Temperatures | None = None
    _names: dict[Tensor, str] = field(init=False)

    def __post_init__(self) -> None:
        names = {each: f"network.{name}" for name, each in trained(self.network).items()}
        if self.temperatures is not None:
            for task, theta in zip(self.temperatures.tasks, self.temperatures.theta, strict=True):
                names[theta] = f"theta.{task}"
        object.__setattr__(self, "_names", names)

    def moments(self) -> dict[str, Tensor]:
        """What the optimiser remembers, by name."""
        return {
            f"{self._names[parameter]}{_BETWEEN}{name}": value.detach().cpu().contiguous()
            for parameter, state in self.optimizer.state.items()
            for name, value in state.items()
        }

    def restore_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Puts it back."""
        of_name = {name: parameter for parameter, name in self._names.items()}
        for key, value in moments.items():
            owner, _, name = key.rpartition(_BETWEEN)
            parameter = of_name.get(owner)
            if parameter is None:  # of a task that the data, which changed, no longer have
                continue
            # AdamW keeps its count of steps on the CPU.
            place = value if name == "step" else value.to(parameter.device)
            self.optimizer.state[parameter][name] = place


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: each for name, each in network.named_parameters() if each.requires_grad}


def save(folder: Path, state: State, progress: Progress, *, keep: int) -> Path:
    """Writes a checkpoint, then forgets old ones.

    Args:
        folder: of all checkpoints of the stage.
        state: what is saved.
        progress: where the run is.
        keep: newest ones that stay, and the best.

    Raises:
        DataError: if the disk is full or the folder cannot be written; what was there stays.
    """
    target = folder / f"step-{progress.step:08d}"
    aside = folder / f".{target.name}.part"
    from safetensors import SafetensorError  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".step-*.part"):  # by a run that was killed
            shutil.rmtree(left)
        aside.mkdir()
        _write(aside, state, progress)
        if target.exists():  # of a run that was interrupted right here: the same state
            shutil.rmtree(target)
        aside.rename(target)
        sync(folder)
    except (OSError, SafetensorError) as error:  # the latter for a full disk
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(
            f"cannot save the checkpoint {target}: {error}: make room or mend the folder, then run "
            "the same command again: it goes on from the last whole checkpoint"
        ) from error
    _forget(folder, progress, keep)
    return target


def newest(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder; damaged and half-written ones are passed over."""
    return next((path for path in reversed(_named(folder)) if is_whole(path)), None)


def damaged_since(folder: Path, whole: Path | None) -> list[Path]:
    """Checkpoints newer than the newest whole one, or all of them where there is none."""
    return [path for path in _named(folder) if whole is None or path.name > whole.name]


def is_whole(checkpoint: Path) -> bool:
    """Whether every file has the hash that the checkpoint says of it."""
    try:
        files = _read_state(checkpoint)["files"]
        return all(_hash(checkpoint / name) == hash_ for name, hash_ in files.items())
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return False


def restore(checkpoint: Path, state: State) -> Progress:
    """Puts a checkpoint's state back.

    Raises:
        DataError: if it is of another network.
    """
    from safetensors.torch import load_file  # noqa: PLC0415

    restore_weights(checkpoint, state.network)
    if state.temperatures is not None:
        restore_temperatures(checkpoint, state.temperatures)
    state.restore_moments(load_file(checkpoint / _MOMENTS))
    return read_progress(checkpoint)


def restore_weights(checkpoint: Path, network: nn.Module) -> None:
    """Puts back the trained weights alone: what a stage that goes on from another starts with.

    Raises:
        DataError: if they are of another network.
    """
    from safetensors.torch import load_file  # noqa: PLC0415

    own, saved = trained(network), load_file(checkpoint / _WEIGHTS)
    shapes = {name: tuple(each.shape) for name, each in own.items()}
    if shapes != {name: tuple(each.shape) for name, each in saved.items()}:
        strange = sorted(shapes.keys() ^ saved.keys()) or ["the shapes differ"]
        raise DataError(
            f"{checkpoint} holds the weights of another network ({len(saved)} tensors, "
            f"{len(own)} wanted; for example: {strange[0]}): the network or lora settings changed"
        )
    with torch.no_grad():
        for name, each in own.items():
            each.copy_(saved[name])


def restore_temperatures(checkpoint: Path, temperatures: Temperatures) -> None:
    """Puts back the temperatures of tasks that the checkpoint knows."""
    from safetensors.torch import load_file  # noqa: PLC0415

    theta = load_file(checkpoint / _THETA)
    temperatures.restore(list(theta), torch.stack(list(theta.values())))


def read_progress(checkpoint: Path) -> Progress:
    """Where the run was."""
    return Progress(**_read_state(checkpoint)["progress"])


def sync(path: Path) -> None:
    """Has a file or a folder's list of names written to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _named(folder: Path) -> list[Path]:
    """Checkpoints in the order of their steps."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _write(aside: Path, state: State, progress: Progress) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    weights = {
        name: each.detach().cpu().contiguous() for name, each in trained(state.network).items()
    }
    contents = {_WEIGHTS: weights, _MOMENTS: state.moments()}
    if (temperatures := state.temperatures) is not None:
        theta = zip(temperatures.tasks, temperatures.state().unbind(), strict=True)
        contents[_THETA] = {task: value.clone() for task, value in theta}
    files = {}
    for name, tensors in contents.items():
        save_file(tensors, aside / name)
        sync(aside / name)
        files[name] = _hash(aside / name)
    # Last: a folder without it is no checkpoint.
    text = json.dumps({"progress": progress.as_json(), "files": files}, indent=2)
    (aside / _STATE).write_text(text + "\n", encoding="utf-8")
    sync(aside / _STATE)
    sync(aside)


def _forget(folder: Path, progress: Progress, keep: int) -> None:
    names = [path.name for path in _named(folder)]
    kept = set(names[-keep:])
    if progress.best_step is not None:
        kept.add(f"step-{progress.best_step:08d}")
    for name in names:
        if name not in kept:
            shutil.rmtree(folder / name, ignore_errors=True)


def _read_state(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    return found


def seed_of(*parts: int | str) -> int:
    """A seed that hangs on all parts: random numbers need no place in a checkpoint."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()
