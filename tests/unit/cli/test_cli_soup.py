"""`rzen soup` in process: what it prints, what it refuses, and what --greedy goes by."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rzen
from evaluation_sets import suite, text_set
from lora_files import PEFT_WARNINGS, RZEN, edit_config, write_adapter
from rzen.cli import main
from rzen.evaluation import suites

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of folders that will be gone do not belong into the user's cache."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("adapters")
    return [write_adapter(place / f"run-{seed}", seed, ["q_proj"]) for seed in range(2)]


@pytest.fixture
def soup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the verb; its exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rzen", "soup", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


def test_says_what_it_made(soup: Run, adapters: list[Path], tmp_path: Path) -> None:
    """The weights that were used are not those that were typed, and nobody is told."""
    code, out, err = soup(*adapters, "-o", tmp_path / "soup", "--weights", "3,1")
    assert (code, err) == (0, "")
    assert "Weights, which sum to 1:\n  0.7500  run-0\n  0.2500  run-1\n" in out
    assert f"Adapter of rank 8, float32: {tmp_path / 'soup'}" in out
    assert rzen.load(str(tmp_path / "soup"), device="cpu").dim == 64


def test_json_is_one_document(soup: Run, adapters: list[Path], tmp_path: Path) -> None:
    """Lines for people stand before the document."""
    target = tmp_path / "soup"
    code, out, _ = soup(*adapters, "-o", target, "--merge", "--dtype", "bfloat16", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["folder"] == str(target)
    assert (document["kind"], document["dtype"]) == ("merged adapter", "bfloat16")
    assert document == {**json.loads((target / "soup.json").read_text()), "folder": str(target)}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--weights", "1;2"], "numbers with commas between them"),
        (["--weights", "1,2,3"], "3 weights for 2 models"),
        (["--greedy"], "name it, e.g. --suite rzen-bench"),
        (["--suite", "rzen-bench"], "add --greedy"),
        (["--greedy", "--suite", "rzen-bench", "--weights", "1,1"], "no --weights"),
        (["--greedy", "--suite", "slip"], "slip"),
    ],
)
def test_slips_end_with_2_and_no_traceback(
    options: list[str], why: str, soup: Run, adapters: list[Path], tmp_path: Path
) -> None:
    """A traceback, or a soup of something else than was asked."""
    code, out, err = soup(*adapters, "-o", tmp_path / "soup", *options)
    assert code == 2
    assert out == ""
    assert why in err
    assert err.startswith("rzen: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_refusals_end_with_2_and_no_traceback(
    soup: Run, adapters: list[Path], tmp_path: Path
) -> None:
    """A script that mixes goes on as if it had."""
    odd = shutil.copytree(adapters[1], tmp_path / "odd")
    edit_config(odd, use_dora=True)
    for given in ([adapters[0], odd], [adapters[0], RZEN], [adapters[0], tmp_path / "slip"]):
        code, out, _ = soup(*given, "-o", tmp_path / "soup", "--json")
        assert code == 2
        assert json.loads(out)["error"]
    assert not (tmp_path / "soup").exists()


def test_greedy_goes_by_a_suite(
    soup: Run, adapters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The split that is reported is the one that is chosen by, or the scores are of the base."""
    asked: list[dict[str, Any]] = []
    words = ["red boat", "green hill", "blue sky", "old house", "tall tree", "long road"]
    data = suite(
        tmp_path / "data",
        text_set({f"a {word}": (word,) for word in words}, {word: f"the {word}" for word in words}),
    )

    def open_suite(name: str, **more: Any) -> suites.Suite:
        asked.append({"name": name, **more})
        return data

    monkeypatch.setattr(suites, "open_suite", open_suite)
    target = tmp_path / "soup"
    options = ["--greedy", "--suite", "mine", "--limit", "6", "--set", "device=cpu", "--json"]
    code, out, err = soup(*adapters, "-o", target, *options)
    assert code == 0, err
    assert asked == [{"name": "mine", "split": "validation", "data": None}]
    document = json.loads(out)
    steps = document["steps"]
    assert [len(each["ingredients"]) for each in steps] == [1, 1, 2]
    assert steps[0]["score"] >= steps[1]["score"]
    assert all(0 <= each["score"] <= 1 for each in steps)
    kept = [each["ingredients"] for each in steps if each["kept"]]
    assert [each["name"] for each in document["ingredients"]] == kept[-1]
    code, out, _ = soup(*adapters, "-o", tmp_path / "again", *options[:-1])
    assert out.splitlines()[0] == f"{steps[0]['score']:.4f}  {steps[0]['ingredients'][0]}  kept"
