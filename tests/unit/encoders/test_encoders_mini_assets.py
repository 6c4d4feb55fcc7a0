import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rzen.encoders.mini import assets
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.mini.runtime import Network
from rzen.errors import EncoderError, MissingExtraError


@pytest.fixture
def no_real_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and networks that are a word each."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path))
    monkeypatch.setattr(assets, "_export_text", lambda _, target: target.write_text("text"))
    monkeypatch.setattr(assets, "_export_image", lambda _, target: target.write_text("image"))
    monkeypatch.setattr(assets, "TextTower", _Tower)
    # Ninety megabytes need not be hashed for this.
    monkeypatch.setattr(assets, "file_hashes", lambda paths, _: {path: path.name for path in paths})
    return tmp_path / "mini"


class _Tower:
    def __init__(self, *paths: Path, threads: int) -> None:
        pass

    def encode(self, given: list[str]) -> tuple[np.ndarray, list[bool], int]:
        return np.zeros((len(given), 384), np.float32), [], 0


def test_running_imports_no_torch() -> None:
    """The first query waits seconds for a library that only the export needs."""
    MiniEncoder()  # exports where that was not done yet
    code = (
        "import sys, numpy as np; from rzen.encoders import create;"
        "from rzen.types import Content, Frames, Image, Text;"
        "picture = Content(Image(Frames(pixels=(np.zeros((9, 9, 3), np.uint8),))));"
        "encoder = create('mini'); encoder.encode([Content(Text('x'))], role='query');"
        "assert encoder._images._loaded is None, 'a text loaded the image network';"
        "assert encoder.encode([picture], role='query').vectors.any();"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_second_start_hashes_and_exports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start reads 110 MB of weights, or exports again."""
    first = MiniEncoder().fingerprint

    def never(*_: object, **__: object) -> None:
        raise AssertionError("this was done already")

    monkeypatch.setattr("hashlib.file_digest", never)
    monkeypatch.setattr(assets, "_export", never)
    assert MiniEncoder().fingerprint == first


def test_two_exports_at_once_agree(no_real_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both write into one folder, or the slower one fails because the faster one was there."""
    both_have_begun = threading.Barrier(2, timeout=10)

    def export(_: Path, target: Path) -> None:
        both_have_begun.wait()
        target.write_text("image")

    monkeypatch.setattr(assets, "_export_image", export)
    found: list[assets.Assets] = []
    threads = [
        threading.Thread(target=lambda: found.append(assets.ready(threads=1))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0].image_network.read_text() == "image"
    assert list(no_real_export.iterdir()) == [found[0].image_network.parent]


def test_an_export_that_breaks_off_is_made_again(
    no_real_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in mid-export leaves a folder that every later start takes for whole."""

    def breaks(_: Path, target: Path) -> None:
        target.write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(assets, "_export_image", breaks)
        with pytest.raises(KeyboardInterrupt):
            assets.ready(threads=1)
    assert not list(no_real_export.iterdir())
    assert assets.ready(threads=1).image_network.read_text() == "image"


def test_other_weights_get_another_folder(
    no_real_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New weights run on the networks of the old ones."""
    first = assets.ready(threads=1)
    monkeypatch.setattr(assets, "file_hashes", lambda paths, _: dict.fromkeys(paths, "new"))
    assert assets.ready(threads=1).weights != first.weights


def test_other_files_of_the_same_vectors_get_another_folder(
    no_real_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old export lacks a file; or every index is refused though no vector has changed."""
    first = assets.ready(threads=1)
    monkeypatch.setattr(assets, "_FILES_VERSION", 99)
    second = assets.ready(threads=1)
    assert second.classifier.parent != first.classifier.parent
    assert second.weights == first.weights


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """ModuleNotFoundError for a package that nobody has heard of."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"rzen\[mini\]"):
        assets.ready(threads=1)


def test_a_cache_that_is_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NotADirectoryError deep in an export."""
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EncoderError, match="RZEN_CACHE"):
        assets.ready(threads=1)


def test_a_damaged_export_is_named(tmp_path: Path) -> None:
    """A cut-off file of the cache ends every start in a message about protobuf."""
    network = tmp_path / "minilm.onnx"
    network.write_bytes(b"half of a network")
    with pytest.raises(EncoderError, match=f"delete the folder {tmp_path}"):
        Network(network, 1)
