"""What this machine has, and how fast it is when it is left alone: measured, for a second."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from rzen.config import available_cores
from rzen.training.planning.network import NetworkFacts

_SECONDS = 1.0
_OPERATIONS = 2e9  # of one product in the measurement, at most: a short one on any machine
_LEAST_POSITIONS = 64
_CALLS = 200
_ADDED = 4_000_000  # numbers: more than a cache holds

_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it would be trained.

    Attributes:
        device: as torch calls it.
        name: of the GPU, or the number of cores.
        device_bytes: memory of the GPU; ``None`` on a CPU, which shares the host's.
        device_free: of that, not taken now.
        host_bytes: of this machine, or of the container.
        host_free: of that, not taken now.
        disk_free: where runs go by default.
        load: processes that want to run, in the mean of the last minute, for each core.
    """

    device: str
    name: str
    device_bytes: int | None
    device_free: int | None
    host_bytes: int
    host_free: int
    disk_free: int
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What was measured.

    Attributes:
        operations: of products of matrices, a second; a multiplication and an addition are two.
        shape: (positions, in, out) of the product.
        dtype: of its numbers.
        bandwidth: bytes a second that go through memory where numbers are added up.
        call: seconds that a call of the smallest layer takes, there and back.
    """

    operations: float
    shape: tuple[int, int, int]
    dtype: Literal["float32", "bfloat16"]
    bandwidth: float
    call: float


def this_place(device: str, folder: Path) -> Place:
    """Looks at the device and the machine.

    Args:
        device: one of torch.
        folder: on the disk that runs go to.
    """
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min([host, *_limits()])
    free = min(limit, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    free = min(limit, _available() or free)
    disk = os.statvfs(next(each for each in (folder, *folder.parents) if each.exists()))
    name, whole, left = f"{available_cores()} cores", None, None
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
        left, whole = torch.cuda.mem_get_info(device)
    return Place(
        device=device,
        name=name,
        device_bytes=whole,
        device_free=left,
        host_bytes=limit,
        host_free=free,
        disk_free=disk.f_bavail * disk.f_frsize,
        load=os.getloadavg()[0] / available_cores(),
    )


def speed_of(device: str, facts: NetworkFacts, positions: int) -> Speed:
    """Multiplies matrices like the network's own for a second.

    Args:
        device: one of torch.
        facts: of the network.
        positions: of a chunk.
    """
    kind: Literal["float32", "bfloat16"] = "bfloat16" if facts.is_mixed else "float32"
    dtype = torch.bfloat16 if facts.is_mixed else torch.float32
    columns, rows = facts.largest
    fitting = int(_OPERATIONS // (2 * rows * columns)) if device == "cpu" else positions
    count = max(_LEAST_POSITIONS, min(positions, fitting))
    state = torch.randn(count, rows, device=device).to(dtype)
    weight = torch.randn(rows, columns, device=device).to(dtype)
    return Speed(
        operations=2.0 * count * rows * columns / _timed(lambda: state @ weight, device, _SECONDS),
        shape=(count, rows, columns),
        dtype=kind,
        bandwidth=_bandwidth(device),
        call=_call_seconds(device),
    )


def _bandwidth(device: str) -> float:
    first, second = (torch.ones(_ADDED, device=device) for _ in range(2))
    return 3.0 * first.nbytes / _timed(lambda: first + second, device, _SECONDS / 5)


def _call_seconds(device: str) -> float:
    layer = torch.nn.Linear(8, 8, device=device)
    state = torch.randn(4, 8, device=device, requires_grad=True)
    return _timed(lambda: layer(state).sum().backward(), device, _SECONDS / 10, _CALLS)


def _timed(call: Callable[[], object], device: str, seconds: float, least: int = 20) -> float:
    """Seconds of a call when nothing else wants the machine: the median."""
    # On a CPU the clock of this thread stands still while others have the core.
    clock = time.thread_time if device == "cpu" else time.perf_counter
    for _ in range(2):  # the first ones load kernels
        call()
    _wait(device)
    found: list[float] = []
    begun = time.perf_counter()
    while len(found) < least or time.perf_counter() - begun < seconds:
        start = clock()
        call()
        _wait(device)
        found.append(clock() - start)
    return sorted(found)[len(found) // 2]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _limits() -> list[int]:
    """Of the container; a file that is not there, or says "max", limits nothing."""
    found = []
    for name in _LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return found


def _available() -> int | None:
    """What the kernel says it could give; ``None`` where there is no such word."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith("MemAvailable:")), None)
    return int(words[1]) * 1024 if words else None
