"""What this machine has, and which published models fit on it."""

import os
from dataclasses import dataclass
from importlib.util import find_spec

from rzen.encoders.families import Size

_ROOM = 1.2  # of the weights: activations, buffers and the libraries beside them
_LIBRARIES = 2.0  # gigabytes that Python and torch take


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Memory that a model can be put into.

    Attributes:
        memory: gigabytes of this machine, all in all.
        gpu: name of the first CUDA device; empty where there is none.
        gpu_memory: gigabytes of it.
    """

    memory: float
    gpu: str = ""
    gpu_memory: float = 0.0

    def runs(self, size: Size) -> str:
        """Where a model fits: on the GPU in bfloat16, on the CPU in float32; empty if on neither.

        >>> small = Size(name="a/b", parameters=2_000_000_000, dim=1536)
        >>> Machine(memory=24.0).runs(small), Machine(memory=8.0).runs(small)
        ('CPU', '')
        >>> Machine(memory=8.0, gpu="H100", gpu_memory=80.0).runs(small)
        'GPU'
        """
        if self.gpu and needed(size) <= self.gpu_memory:
            return "GPU"
        return "CPU" if needed(size, on_cpu=True) <= self.memory else ""


def needed(size: Size, *, on_cpu: bool = False) -> float:
    """Gigabytes that a model takes, about: in bfloat16, or in float32 on a CPU.

    >>> round(needed(Size(name="a/b", parameters=2_000_000_000, dim=1536)), 1)
    6.5
    """
    return _LIBRARIES + _ROOM * size.gigabytes * (2 if on_cpu else 1)


def this_machine() -> Machine:
    """What is here; torch is asked only where it is installed."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if find_spec("torch") is not None:
        import torch  # noqa: PLC0415

        if torch.cuda.is_available():
            device = torch.cuda.get_device_properties(0)
            return Machine(memory=memory, gpu=device.name, gpu_memory=device.total_memory / 2**30)
    return Machine(memory=memory)
