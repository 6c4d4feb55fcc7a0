import subprocess
import sys
from pathlib import Path

import pytest

from rzen.config import ModelSettings
from rzen.encoders import create, names
from rzen.errors import EncoderError


def test_an_unknown_name_is_answered_with_what_exists() -> None:
    """A typing error ends in a request to the model hub, or a traceback."""
    with pytest.raises(EncoderError, match=r"did you mean 'mini'\?.*mini, dummy.*hub"):
        create("mnin")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """A wrong folder is taken for a name on the hub."""
    with pytest.raises(EncoderError, match="no model in this folder"):
        create(str(tmp_path))


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    """A traceback out of a loader, without the folder."""
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(EncoderError, match=f"{tmp_path}: the model cannot be loaded"):
        create(str(tmp_path), device="cpu")


def test_an_unreachable_hub_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the user reads of sockets and retries instead of what to do."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"not a local path, and the hub cannot be reached"):
        create("nobody/there-is-no-such-model", device="cpu")


def test_a_missing_device_is_named() -> None:
    """torch's own message speaks of drivers and compilation flags."""
    tiny = Path(__file__).parents[2] / "golden" / "rzenembed-tiny" / "model"
    with pytest.raises(EncoderError, match="there is no device 'abacus'"):
        create(str(tiny), device="abacus")


def test_importing_and_the_dummy_need_nothing_heavy() -> None:
    """`rzen --help` starts torch, or the dummy does not run without the extras."""
    code = (
        "import sys; from rzen.encoders import create; create('dummy');"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnxruntime', 'onnx'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert names() == ("mini", "dummy")


def test_what_takes_no_template_says_so() -> None:
    """A template that is asked for and silently left out gives other vectors than were meant."""
    with pytest.raises(EncoderError, match=r"dummy takes no template \(asked for: rzen-paper\)"):
        create("dummy", model=ModelSettings(template="rzen-paper"))
