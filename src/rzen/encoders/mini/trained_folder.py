"""The folder of a trained ``mini``: config.json, model.safetensors, rzen.json; no torch needed.

Only what was trained is in it. The frozen networks beneath come with the extra ``mini``, and
config.json tells their hash, for the trained layers fit no others.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.loading import NOTE, reason_of
from rzen.encoders.mini import architecture as sizes
from rzen.encoders.mini import assets
from rzen.encoders.mini.architecture import FEATURES, Architecture
from rzen.encoders.mini.prepared import LAYOUT
from rzen.encoders.mini.runtime import default_threads
from rzen.encoders.mini.text import TEXT_DIM
from rzen.errors import EncoderError, MissingExtraError

HEADS, INNER, EPSILON = 12, 1536, 1e-12
"""Of MiniLM's layers."""

LAYOUT_SCALE = 3.0
"""To unit variance, roughly."""

Weights = Mapping[str, NDArray[Any]]


def minilm() -> dict[str, NDArray[Any]]:
    """MiniLM's weights, by BertModel's names, from their package.

    Raises:
        MissingExtraError: if the extra ``mini`` is not installed.
    """
    return _load(assets.minilm_weights())


def word_table() -> NDArray[np.float32]:
    """MiniLM's vectors of tokens, (30522, D), which stay as they are."""
    from safetensors import safe_open  # noqa: PLC0415

    with safe_open(assets.minilm_weights(), framework="np") as file:
        table: NDArray[np.float32] = file.get_tensor("embeddings.word_embeddings.weight")
    return table


def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name of each trained array -> its shape."""
    found: dict[str, tuple[int, ...]] = {
        "position_embeddings": (architecture.words + 2, TEXT_DIM),
        "cell_embeddings": (architecture.cells + 1, TEXT_DIM),
        "frame_embeddings": (architecture.frames, TEXT_DIM),
    }
    norms = ["embeddings", "pictures"]
    linear = {
        "cell_projection": (TEXT_DIM, FEATURES),
        "sight_projection": (TEXT_DIM, TEXT_DIM),
        "layout_projection": (TEXT_DIM, LAYOUT),
        "adapter": (TEXT_DIM, TEXT_DIM),
        "gates": (2, TEXT_DIM),
        "output": (TEXT_DIM, TEXT_DIM),
    }
    for number in range(architecture.layers):
        at = f"encoder.layer.{number}"
        norms += [f"{at}.attention.output", f"{at}.output"]
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linear[f"{at}.attention.{name}"] = (TEXT_DIM, TEXT_DIM)
        linear[f"{at}.intermediate.dense"] = (INNER, TEXT_DIM)
        linear[f"{at}.output.dense"] = (TEXT_DIM, INNER)
    for name in norms:
        found |= {f"{name}.LayerNorm.{each}": (TEXT_DIM,) for each in ("weight", "bias")}
    for name, (leaving, entering) in linear.items():
        found |= {f"{name}.weight": (leaving, entering), f"{name}.bias": (leaving,)}
    return found


def read_folder(folder: Path) -> tuple[Architecture, dict[str, NDArray[Any]]]:
    """Reads a trained ``mini``.

    Returns:
        its sizes, and its arrays, float32.

    Raises:
        EncoderError: if a file is missing or damaged, of another version, or trained on other
            frozen networks than those that are installed.
        MissingExtraError: if the extra ``mini`` is not installed.
    """
    architecture = sizes.read(folder)
    base = assets.ready(threads=default_threads()).weights
    if architecture.base != base:
        raise EncoderError(
            f"{folder}: it was trained on other networks ({architecture.base or 'unknown'}) than "
            f"those of the extra mini that is installed ({base}): install the version of rzen and "
            "its extras that it was trained with, or train it again"
        )
    file = folder / sizes.WEIGHTS
    weights = _load(file)
    expected = shapes(architecture)
    for name in sorted(expected.keys() | weights.keys()):
        shape = weights[name].shape if name in weights else None
        if shape != expected.get(name):
            raise EncoderError(
                f"{file}: {name} has the shape {shape or 'none'}, and {sizes.CONFIG} asks for "
                f"{expected.get(name, 'none')}: take both files from where the model was trained"
            )
        if weights[name].dtype != np.float32:
            raise EncoderError(f"{file}: {name} is {weights[name].dtype}, not float32")
        if not np.isfinite(weights[name]).all():
            raise EncoderError(
                f"{file}: {name} holds values that are not finite: the training failed; take an "
                "earlier checkpoint"
            )
    return architecture, weights


def write_folder(folder: Path, architecture: Architecture, weights: Weights) -> None:
    """Writes a trained ``mini``; each file replaces the one that is there when it is whole.

    Raises:
        EncoderError: if it cannot be written.
    """
    from safetensors.numpy import save  # noqa: PLC0415

    found = {name: array.shape for name, array in weights.items()}
    assert found == shapes(architecture), "the arrays are those of the architecture"
    base = assets.ready(threads=default_threads()).weights
    document = replace(architecture, base=base).document()
    note = {"family": sizes.FAMILY, "template": sizes.TEMPLATE}
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / sizes.WEIGHTS, save(arrays, {"format": "pt"}))
        write_whole(folder / sizes.CONFIG, f"{json.dumps(document, indent=1)}\n".encode())
        write_whole(folder / NOTE, f"{json.dumps(note, indent=1)}\n".encode())
    except OSError as error:
        raise EncoderError(
            f"{folder}: the model cannot be written: {error}: name a folder on a disk with room"
        ) from error


def _load(file: Path) -> dict[str, NDArray[Any]]:
    try:
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.numpy import load_file  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "mini") from None
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise EncoderError(
            f"{file}: the weights cannot be read: {reason_of(error)}: take the file from where the "
            "model was trained"
        ) from error


def write_whole(target: Path, data: bytes) -> None:
    """Writes a file under another name, and gives it its own when it is whole.

    Raises:
        OSError: if it cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp's files are for their owner alone
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
