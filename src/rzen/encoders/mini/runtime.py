"""onnxruntime sessions with bounded threads."""

import os
from pathlib import Path
from typing import Any

from rzen.errors import EncoderError, MissingExtraError

_MOST_THREADS = 8


def default_threads() -> int:
    """The cores this process may use, eight at most: these networks gain little from more."""
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(_MOST_THREADS, os.cpu_count() or 1)


def open_session(network: Path, threads: int) -> Any:
    """Opens an exported network on the CPU.

    Raises:
        MissingExtraError: if onnxruntime is not installed.
        EncoderError: if the file is damaged.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("onnxruntime", "mini") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads would otherwise spin on cores that decoders need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(network), sess_options=options, providers=["CPUExecutionProvider"]
        )
    # Its exceptions share no class of their own.
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise EncoderError(
            f"{network}: the exported network cannot be loaded: {reason}: delete the folder "
            f"{network.parent}, it is made again on the next start"
        ) from error
