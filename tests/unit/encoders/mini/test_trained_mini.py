import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from mini_contents import changed_network, every_kind, saved
from rzen.config import ModelSettings
from rzen.encoders import create, resolve
from rzen.encoders.export.artefact import export
from rzen.encoders.mini.architecture import Architecture
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.mini.network import MiniNetwork, collate
from rzen.encoders.mini.preparing import Preparer
from rzen.encoders.mini.trained import TrainedMiniEncoder
from rzen.encoders.mini.trained_folder import read_folder
from rzen.errors import EncoderError
from rzen.protocols import Explainer
from rzen.types import Content, Text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"))


def by_torch(network: MiniNetwork) -> np.ndarray:
    preparer = Preparer(network.architecture, threads=2)
    with torch.no_grad():
        contents = [preparer.prepare(content) for content in every_kind()]
        return np.asarray(network.eval()(collate(contents)))


def test_an_untrained_folder_gives_the_vectors_of_mini(tmp_path: Path) -> None:
    """What training is compared with is not what it began with."""
    MiniNetwork(Architecture()).save(tmp_path)
    trained = TrainedMiniEncoder(tmp_path, threads=2).encode(every_kind(), role="document")
    mini = MiniEncoder(threads=2).encode(every_kind(), role="document")
    np.testing.assert_allclose(np.asarray(trained), np.asarray(mini), atol=1e-5)
    assert trained.tokens == mini.tokens


@pytest.mark.parametrize(
    "architecture", [Architecture(), Architecture(layers=1, grid=3, frames=5, words=7)]
)
def test_torch_and_onnx_agree(tmp_path: Path, architecture: Architecture) -> None:
    """The network that is measured is not the one that was trained."""
    network = changed_network(seed=3, architecture=architecture)
    network.save(tmp_path)
    expected = by_torch(network)
    mini = np.asarray(MiniEncoder(threads=2).encode(every_kind(), role="document"))
    assert (expected * mini).sum(1).min() < 0.9, "the change shows"
    encoder = TrainedMiniEncoder(tmp_path, threads=2)
    encoder._exported().unlink()  # by an earlier run of this test, with other code
    found = encoder.encode(every_kind(), role="document")
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)
    again = by_torch(MiniNetwork.from_folder(tmp_path))
    np.testing.assert_array_equal(again, expected)


def test_a_folder_is_an_encoder(folder: Path, tmp_path: Path) -> None:
    """`--encoder FOLDER` hands it to sentence-transformers, which finds no model in it."""
    encoder = create(str(folder), device="cpu")
    assert isinstance(encoder, TrainedMiniEncoder)
    assert not isinstance(encoder, Explainer)
    found = resolve(str(folder))
    assert (found.family.name, found.because) == ("mini", "what it says itself")
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, tmp_path / "model")
    moved = create(str(tmp_path / "model"), device="cpu")
    assert moved.fingerprint == encoder.fingerprint
    with pytest.raises(EncoderError, match="takes no template"):
        create(str(folder), model=ModelSettings(template="rzen-paper"))
    with pytest.raises(EncoderError, match=r"nothing else loads them"):
        export(str(folder), tmp_path / "exported")


def test_other_weights_are_another_encoder(folder: Path, tmp_path: Path) -> None:
    """An index of one checkpoint is searched with the next one's vectors."""
    other = TrainedMiniEncoder(saved(tmp_path, seed=1), threads=1)
    mine = TrainedMiniEncoder(folder, threads=1)
    assert other.fingerprint != mine.fingerprint
    assert mine.fingerprint != MiniEncoder(threads=1).fingerprint
    given = [Content(Text("a red boat"))]
    assert (
        np.abs(np.asarray(other.encode(given, role="query")) - mine.encode(given, role="query"))[
            0
        ].max()
        > 0.01
    )


def test_running_imports_no_torch(folder: Path) -> None:
    """A search waits seconds for a library that only training needs."""
    TrainedMiniEncoder(folder).encode(every_kind()[:2], role="document")  # exports
    code = (
        "import sys, numpy as np; from rzen.encoders import create;"
        "from rzen.types import Content, Frames, Image, Text;"
        "picture = Content(Image(Frames(pixels=(np.zeros((9, 9, 3), np.uint8),))));"
        "encoder = create(sys.argv[1]); encoder.encode([Content(Text('x'))], role='query');"
        "assert encoder._loaded is None, 'a text loaded the layers for pictures';"
        "assert encoder.encode([picture], role='query').vectors.any();"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_calibration_comes_with_the_folder(tmp_path: Path) -> None:
    """A trained model ranks mixed pools by the constants of the untrained one."""
    encoder = TrainedMiniEncoder(saved(tmp_path), threads=1)
    assert encoder.calibration == {}
    (tmp_path / "calibration.toml").write_text("[image]\nslope = 2\nintercept = -1.5\n")
    found = TrainedMiniEncoder(tmp_path, threads=1).calibration
    assert (found["image"].slope, found["image"].intercept) == (2.0, -1.5)
    assert set(found) == {"image"}
    for damaged in ("[image]\nslope = 2\n", "[image", "[image]\nslope='x'\nintercept=1\n"):
        (tmp_path / "calibration.toml").write_text(damaged)
        with pytest.raises(EncoderError, match=r"calibration.toml: no calibration can be read"):
            _ = TrainedMiniEncoder(tmp_path, threads=1).calibration


def config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    document = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in document.items() if value is not ...}))


def arrays(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    found = load_file(folder / "model.safetensors")
    change(found)
    save_file(found, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: config(folder, template="mini-trained-9"), r"template is 'mini-trained-9'"),
        (lambda folder: config(folder, base="abc"), r"trained on other networks \(abc\)"),
        (lambda folder: config(folder, base=...), r"base is None, not a hash"),
        (lambda folder: config(folder, layers=7), r"layers is 7, not a whole number from 1 to 6"),
        (lambda folder: config(folder, grid=True), r"grid is True, not a whole number"),
        (lambda folder: config(folder, frames=...), r"frames is None"),
        (lambda folder: config(folder, grid=3), r"cell_embeddings has the shape \(5, 384\), and"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: the weights"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"12345678"),
            "the weights cannot be read",
        ),
        (
            lambda folder: arrays(folder, lambda found: found.pop("gates.bias")),
            r"gates.bias has the shape none, and config.json asks for \(2,\)",
        ),
        (
            lambda folder: arrays(folder, lambda found: found.update(x=np.zeros(3, np.float32))),
            r"x has the shape \(3,\), and config.json asks for none",
        ),
        (
            lambda folder: arrays(
                folder, lambda found: found.update({"gates.bias": np.zeros(2, np.float16)})
            ),
            "gates.bias is float16, not float32",
        ),
        (
            lambda folder: arrays(
                folder, lambda found: found.update({"gates.bias": np.full(2, np.nan, np.float32)})
            ),
            "values that are not finite",
        ),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    """A traceback, or worse, vectors that mean nothing."""
    mine = tmp_path / "model"
    shutil.copytree(folder, mine)
    read_folder(mine)
    damage(mine)
    with pytest.raises(EncoderError, match=said) as caught:
        create(str(mine), device="cpu")
    assert str(mine) in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Hours of training end in a traceback."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EncoderError, match="the model cannot be written"):
        MiniNetwork(Architecture()).save(tmp_path / "file")
