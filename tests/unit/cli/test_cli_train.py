"""`rzen train` in process: what it prints, what it refuses, and its exit statuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation_sets import suite, text_set
from lora_files import PEFT_WARNINGS, RZEN
from rzen.cli import main
from rzen.cli.training.progress import Speaker
from rzen.errors import DataError
from rzen.evaluation import suites
from rzen.training.batch import FailedRow
from training_runs import (
    DATA,
    DEFAULTS,
    SHORT,
    TEXTS,
    write_rows,
    write_shapes,
    write_texts,
    written,
)

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

Run = Callable[..., tuple[int, str, str]]
ONE = f"""
{SHORT}
{DEFAULTS}
[[stage]]
name = "only"
steps = 2
{TEXTS}
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of folders that will be gone do not belong into the user's cache."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("RZEN_DEVICE", "cpu")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written(write_texts(tmp_path / "data"), ONE)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the verb; its exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rzen", "train", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(left.value.code or 0), out, err

    return run


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A suite "mine" of two sets; what was asked for."""
    asked: list[tuple[str, str]] = []
    things = ["red boat", "green hill", "blue sky", "old house", "tall tree", "long road"]
    sets = [
        text_set(
            {f"where is a {each}": (each,) for each in some},
            {each: f"the {each} is here" for each in things},
            name=name,
            group=group,
        )
        for name, group, some in (("one", "text", things), ("two", "image", things[:3]))
    ]

    def open_suite(name: str, *, split: str, **_: Any) -> suites.Suite:
        if name != "mine":
            raise DataError(f"{name} is not on this machine: rzen eval fetch gets it")
        asked.append((name, split))
        return suite(tmp_path / f"suite-{split}", *sets)

    monkeypatch.setattr(suites, "open_suite", open_suite)
    return asked


def test_trains_and_says_so(train: Run, recipe: Path, tmp_path: Path) -> None:
    """A run that does something else than it says; a folder that is not where it was announced."""
    code, out, err = train(recipe)
    assert code == 0, err
    assert out == f"model: {Path('rzen-train/toy/only/model')}\n"
    assert "rzen: only: 2 steps, 24 rows of 1 groups\n" in err
    assert re.search(r"rzen: only 2/2 · loss \d.* · T 0\.\d{4} · masked 0\.0%.* tokens/s", err)
    assert (tmp_path / "rzen-train" / "toy" / "only" / "model" / "adapter_config.json").is_file()

    code, out, err = train(recipe, "-o", "rzen-train/toy", "--json")
    assert code == 0, err
    document = json.loads(out)
    model = "rzen-train/toy/only/model"
    assert document == {
        "run": "rzen-train/toy",
        "model": model,
        "stages": {"only": model},
        "scores": [],
    }
    assert "steps" not in err, "it is done already"

    code, out, err = train(recipe, "--change", "stage.only.steps=3")
    assert (code, out) == (2, "")
    assert "recipe.stage[only].steps: 2 -> 3" in err
    code, out, err = train(recipe, "--change", "stage.only.steps=3", "--allow-changes")
    assert code == 0
    assert "changed since this run began: recipe.stage[only].steps: 2 -> 3" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'RECIPE.toml'"),
        (["slip.toml"], "cannot read the recipe slip.toml"),
        ([""], "a path is empty"),
        (["data/recipe.toml", "--slip"], "No such option: --slip"),
        (["data/recipe.toml", "--check", "--plan"], "--check and --plan are two questions"),
        (["data/recipe.toml", "--change", "seed"], "--change wants NAME=VALUE"),
        (["data/recipe.toml", "--change", "sede=1"], "did you mean 'seed'?"),
        (["data/recipe.toml", "--set", "devise=cpu"], "did you mean 'device'?"),
        (["data/recipe.toml", "--set", "device=slip"], "there is no device 'slip'"),
        (["data/recipe.toml", "-o", "data"], "is not empty, and no run of rzen's"),
        (["data/recipe.toml", "-o", "data/recipe.toml"], "cannot read or write data/recipe.toml"),
        (["data/recipe.toml", "--change", "network.base=no-such-model"], "no encoder 'no-such-mod"),
        (["data/recipe.toml", "--change", "evaluation.suite=slip"], "there is no suite 'slip'"),
        (["data/recipe.toml", "--change", 'track=["aim"]'], "track: aim is not installed"),
        (["data/recipe.toml", "--change", 'track=["slip"]'], "track[0]: "),
    ],
)
@pytest.mark.usefixtures("recipe")
def test_slips_end_with_2_and_no_traceback(
    arguments: list[str], message: str, train: Run, tmp_path: Path
) -> None:
    """A traceback for a slip, or a status that a script takes for success."""
    code, out, err = train(*arguments)
    assert code == 2
    assert out == ""
    assert message in err.replace("\n", " ")
    if arguments:
        code, out, _ = train(*arguments, "--json")
        assert code == 2
        assert message in json.loads(out)["error"]
    assert not list(tmp_path.rglob("checkpoints"))


@pytest.mark.parametrize("where", ["evaluation.suite", "stage.only.evaluation.suite"])
@pytest.mark.usefixtures("words")
def test_a_suite_that_is_not_there_is_known_first(
    where: str, train: Run, recipe: Path, tmp_path: Path
) -> None:
    """Hours of training, and then there is nothing to measure with."""
    code, _, err = train(recipe, "--change", f"{where}=rzen-bench")
    assert code == 2
    assert "rzen-bench is not on this machine: rzen eval fetch gets it" in err
    assert not (tmp_path / "rzen-train").exists()


def test_scores_beside_the_base(
    train: Run, recipe: Path, words: list[tuple[str, str]], tmp_path: Path
) -> None:
    """A card without scores, or with the base's in the place of the model's; scores that are
    measured again each time; a measurement while it trains that leaves the log without it."""
    options = ["evaluation.suite=mine", "stage.only.evaluation.suite=mine"]
    options += ["stage.only.evaluation.every_steps=1", 'track=["tensorboard"]']
    given = [each for option in options for each in ("--change", option)]
    code, out, err = train(recipe, *given, "--json")
    assert code == 0, err
    assert set(words) == {("mine", "validation"), ("mine", "test")}
    run = tmp_path / "rzen-train" / "toy"
    log = [json.loads(line) for line in (run / "only" / "log.jsonl").read_text().splitlines()]
    measured = [(line["step"], line["measured"]) for line in log if "measured" in line]
    assert [step for step, _ in measured] == [0, 1, 2]
    assert set(measured[0][1]) == {"score", "text", "image"}
    assert re.search(r"only, step 2: score \d\.\d{4} · text", err)

    scores = json.loads(out)["scores"]
    assert [each["what"] for each in scores] == [
        f"tiny-suite, test, {what}".replace("test", split)
        for split in ("validation", "test")
        for what in ("mean over sets", "text", "image")
    ]
    whole = scores[0]
    assert whole["model"] == pytest.approx(measured[-1][1]["score"]), "of the weights at the end"
    assert whole["base"] == pytest.approx(measured[0][1]["score"]), "of those at the start"
    assert whole["low"] <= whole["model"] - whole["base"] <= whole["high"]
    card = (run / "only" / "model" / "README.md").read_text()
    table = [line for line in card.splitlines() if line.startswith("| tiny-suite, test")]
    assert len(table) == 3
    cells = f"| {scores[3]['base']:.4f} | {scores[3]['model']:.4f} | "
    assert cells in table[0]
    assert {path.name for path in (run / "scores").iterdir()} == {
        f"{split}-{who}" for split in ("validation", "test") for who in ("model", "base")
    }

    events = list((run / "curves").rglob("events.out.tfevents.*"))
    assert events
    content = b"".join(each.read_bytes() for each in events)
    for name in (b"only/loss", b"only/measured/score", b"only/temperature/text retrieval"):
        assert name in content

    again = train(recipe, *given)
    assert again[0] == 0
    assert "tiny-suite, test, mean over sets" in again[1]
    assert f"{scores[3]['model']:.4f}   base {scores[3]['base']:.4f}" in again[1]


def test_scores_of_the_model_alone(
    train: Run, recipe: Path, words: list[tuple[str, str]], tmp_path: Path
) -> None:
    """A base of billions of weights that is measured though nobody asked for it."""
    options = [
        "evaluation.suite=mine",
        "evaluation.beside_base=false",
        'evaluation.splits=["test"]',
    ]
    options += ["evaluation.limit=2"]
    given = [each for option in options for each in ("--change", option)]
    code, out, err = train(recipe, *given)
    assert code == 0, err
    assert words == [("mine", "test")]
    assert "base" not in out
    assert (
        "| tiny-suite, test, mean over sets |  | "
        in (tmp_path / "rzen-train/toy/only/model/README.md").read_text()
    )


def test_check_looks_at_the_data(train: Run, tmp_path: Path, monkeypatch: Any) -> None:
    """A check that trains, that ends with 0 where rows are lost, or that writes into the folder of
    the run, which the run then takes for somebody else's."""
    monkeypatch.chdir(tmp_path)
    data = write_shapes(tmp_path / "data")
    recipe = written(data, ONE.replace(TEXTS, DATA))
    code, out, _ = train(recipe, "--check", "-o", "run")
    assert code == 0, out
    assert "24 rows can be trained on, 0 are left out; of 24 looked at, 0 hold media" in out
    assert "examples: run-check.html" in out
    page = (tmp_path / "run-check.html").read_text()
    assert page.count("<img") > 20
    assert "a red square" in page

    rows = [json.loads(line) for line in (data / "rows.jsonl").read_text().splitlines()]
    rows[1]["positives"] = []
    write_rows(data / "rows.jsonl", rows)
    (data / "red-bar.png").write_bytes(b"no picture")
    code, out, _ = train(recipe, "--check", "-o", "run", "--json")
    assert code == 1
    document = json.loads(out)
    assert (document["rows"], document["skipped"]) == (23, 1)
    assert document["failed_rows"] >= 1
    assert "red-bar.png" in out
    assert document["page"] == "run-check.html"

    slips = ("--change", "stage.only.weights={slip=2.0}")
    code, out, _ = train(recipe, "--check", "-o", "run", "--json", *slips)
    assert code == 1
    assert "stage 'only': weights: there is no group 'slip'" in json.loads(out)["refused"]
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_another_folder(train: Run, recipe: Path, tmp_path: Path) -> None:
    """Paths in a recipe that are taken from where the user is; the model's folder, too."""
    (tmp_path / "elsewhere").mkdir()
    (recipe.parent / "base").symlink_to(RZEN)
    code, _, err = train(
        "elsewhere/../data/recipe.toml", "--change", "network.base=base", "-o", "elsewhere/run"
    )
    assert code == 0, err
    config = json.loads((tmp_path / "elsewhere/run/only/model/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(RZEN.resolve())


def test_a_row_that_fails_in_each_epoch_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The same three files a hundred times, and twenty others not at all."""
    speaker = Speaker(None)
    for epoch in range(3):
        for number in range(25):
            speaker.on_failed("first", FailedRow(name=f"line {number}", reason=f"gone {epoch}"))
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "rzen: first: left out: line 0: gone 0"
    assert len(said) == 21
    assert said[-1].endswith("are counted only")
