"""Starts what a run needs around it: its ranks, and the trackers that its curves go to.

By accelerate, so that ``torchrun`` and ``accelerate launch`` both start several ranks, on one
machine or many, and every tracker that it knows is a name away.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from rzen.errors import MissingExtraError, UsageError
from rzen.training.ranks import Ranks

# The others wait while the first rank measures or writes a model, which may take hours.
_PATIENCE = timedelta(days=7)


class Processes:
    """The ranks of a run and its trackers.

    Args:
        device: "auto", "cpu", or one of torch for a run of one rank.
        track: names of trackers.
        folder: where trackers write that write files.

    Raises:
        MissingExtraError: if accelerate is not installed.
        UsageError: if a tracker is not installed, or several processes were started that cannot
            work together.
    """

    def __init__(self, device: str, track: Sequence[str], folder: Path) -> None:
        try:
            from accelerate import Accelerator  # noqa: PLC0415
            from accelerate.tracking import get_available_trackers  # noqa: PLC0415
            from accelerate.utils import (  # noqa: PLC0415
                InitProcessGroupKwargs,
                ProjectConfiguration,
            )
        except ImportError as error:
            raise MissingExtraError("accelerate", "train") from error
        there = {str(each) for each in get_available_trackers()}
        for name in track:
            if name not in there:
                raise UsageError(f"track: {name} is not installed: pip install it, or leave it out")
        # Without being told so, accelerate starts no ranks on a machine that has a CPU alone.
        has_cpu_alone = device == "auto" and not torch.accelerator.is_available()
        place = ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder))
        self._accelerator: Any = Accelerator(
            cpu=device == "cpu" or has_cpu_alone,
            log_with=list(track) or None,
            project_config=place,
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
        )
        wanted = os.environ.get("WORLD_SIZE", "1")
        if wanted != str(self._accelerator.num_processes):
            raise UsageError(
                f"{wanted} processes were started, and do not find each other on device "
                f"{device!r}: leave --set device away, or name one that all of them have"
            )
        # The CPU of the second of several processes is called cpu:1, and is the same one.
        is_cpu = self._accelerator.device.type == "cpu"
        own = "cpu" if is_cpu else str(self._accelerator.device)
        is_named = device not in {"auto", "cpu"} and self._accelerator.num_processes == 1
        self.ranks = Ranks(
            rank=self._accelerator.process_index,
            count=self._accelerator.num_processes,
            device=device if is_named else own,
        )

    def begin(self, name: str, settings: Mapping[str, Any]) -> None:
        """Opens the trackers.

        Args:
            name: of the project.
            settings: what the run is like.
        """
        if self._accelerator.log_with:
            self._accelerator.init_trackers(name, config=dict(settings))

    def track(self, values: Mapping[str, float], step: int) -> None:
        """Tells the trackers."""
        if self._accelerator.log_with:
            self._accelerator.log(dict(values), step=step)

    def close_trackers(self) -> None:
        """Has them write what they still hold."""
        for tracker in self._accelerator.trackers:
            tracker.finish()
        self._accelerator.trackers.clear()

    def end(self) -> None:
        """Ends the ranks; all of them do so."""
        self.ranks.wait()
        self._accelerator.end_training()
