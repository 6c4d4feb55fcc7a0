"""Recipes as users write them: what is merged, what is refused and by which name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rzen.errors import UsageError
from rzen.training.recipe import Recipe, read_recipe

DOCS = Path(__file__).parents[3] / "docs"
WHOLE = """
name = "toy"
[network]
base = "org/base"
[network.lora]
rank = 8
[defaults]
batch = { size = 32, chunk_tokens = 300 }
optimizer = { learning_rate = 5e-3 }
temperature = { initial = 0.05 }
[data]
[data.weights]
one = 2.0
[[data.source]]
kind = "jsonl"
path = "pairs.jsonl"
[[data.source]]
kind = "jsonl"
path = "more.jsonl"
name = "more"
repeat = 3.0
[[stage]]
name = "first"
[[stage]]
name = "second"
start = "first"
sources = ["more"]
repeat = { more = 2.0 }
weights = { more = 5.0 }
batch = { size = 64 }
temperature = { low = 0.02 }
[soup]
of = ["first", "second"]
weights = [3, 1]
"""


def read(folder: Path, text: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    file = folder / "recipe.toml"
    file.write_text(text)
    return read_recipe(file, changes)


def refused(folder: Path, text: str, changes: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text, changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_lie_under_the_stages(tmp_path: Path) -> None:
    """A default that hides what a stage says, or a stage's table that drops the other defaults."""
    first, second = read(tmp_path, WHOLE).stage
    assert (first.batch.size, first.batch.chunk_tokens) == (32, 300)
    assert (second.batch.size, second.batch.chunk_tokens) == (64, 300)
    assert first.optimizer.learning_rate == second.optimizer.learning_rate == 5e-3
    assert (first.temperature.initial, first.temperature.low) == (0.05, 0.01)
    assert (second.temperature.initial, second.temperature.low) == (0.05, 0.02)


def test_a_stage_takes_its_sources_its_way(tmp_path: Path) -> None:
    """A stage that trains on all sources, or repeats them as another one does."""
    recipe = read(tmp_path, WHOLE)
    first, second = map(recipe.mixture_of, recipe.stage)
    assert [each.repeat for each in first.sources] == [1.0, 3.0]
    assert [(each.name, each.repeat) for each in second.sources] == [("more", 2.0)]
    assert first.weights == {"one": 2.0}
    assert second.weights == {"one": 2.0, "more": 5.0}


@pytest.mark.parametrize(
    ("old", "new", "where", "hint"),
    [
        ('name = "toy"', 'name = "toy"\nsede = 1', "sede", "'seed'"),
        ('base = "org/base"', 'base = "org/base"\nprecison = "auto"', "network.precison", "'prec"),
        ("rank = 8", "rnk = 8", "network.lora.rnk", "'rank'"),
        ("rank = 8", "rank = 8\n[network.look]\nframs = 2", "network.look.frams", "'frames'"),
        ("size = 32", "szie = 32", "defaults.batch.szie", "'size'"),
        ("[defaults]", "[defaults]\noptimiser = { }", "defaults.optimiser", "'optimizer'"),
        ("[data]", "[data]\nweight = { }", "data.weight", "'weights'"),
        ('path = "pairs.jsonl"', 'pth = "pairs.jsonl"', "data.source[0].pth", "'path'"),
        ('start = "first"', 'stat = "first"', "stage[1].stat", "'start'"),
        ("size = 64", "szie = 64", "stage[1].batch.szie", "'size'"),
        ("{ low = 0.02 }", "{ lwo = 0.02 }", "stage[1].temperature.lwo", "'low'"),
        ('of = ["first", "second"]', 'off = ["first"]', "soup.of", "it is missing"),
        ("weights = [3, 1]", "wieghts = [3, 1]", "soup.wieghts", "'weights'"),
        ("[soup]", "[evaluation]\nsuit = 'x'\n[soup]", "evaluation.suit", "'suite'"),
    ],
)
def test_slips_are_named(tmp_path: Path, old: str, new: str, where: str, hint: str) -> None:
    """A misspelt setting that is ignored trains another model than was asked for."""
    assert old in WHOLE
    message = refused(tmp_path, WHOLE.replace(old, new, 1))
    assert message.startswith(f"{tmp_path / 'recipe.toml'}: {where}: ")
    assert hint in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rank = 8", "rank = 0", "network.lora.rank: Input should be greater than 0 (got 0)"),
        ("size = 32", 'size = "many"', "defaults.batch.size"),
        ("5e-3", "-1", "defaults.optimizer.learning_rate"),
        ("initial = 0.05", "initial = 0.5", "defaults.temperature: initial is 0.5, not between"),
        ("size = 64", "size = 63, sub_batches = 2", "no multiple of 2 sub_batches"),
        ("[defaults]", "[defaults]\nsteps = 3", "defaults.steps: it belongs to a stage"),
        ("[defaults]", "[defaults]\nbatch.sub_batches = 5\n[x]", "defaults: batch.size 768"),
        ('start = "first"', 'start = "frist"', "starts from 'frist', which is no stage before it"),
        ('name = "first"', 'name = "first"\nstart = "second"', "which is no stage before it"),
        ('sources = ["more"]', 'sources = ["moer"]', "no source 'moer': there are pairs, more"),
        ("repeat = { more = 2.0 }", "repeat = { moer = 2.0 }", "there is no source 'moer'"),
        ("repeat = { more = 2.0 }", "repeat = { more = 0 }", "stage[1].repeat.more"),
        ('name = "second"', 'name = "first"', "stage 'first': the name is taken"),
        ('name = "second"', 'name = "soup"', "stage 'soup': the name is taken"),
        ('name = "second"', 'name = "scores"', "stage 'scores': the name is taken"),
        ('name = "second"', 'name = "run.json"', "the name is taken"),
        ('name = "second"', 'name = "a/b"', "name 'a/b' cannot be that of a folder"),
        ('name = "second"', 'name = ".."', "name '..' cannot be that of a folder"),
        ('name = "toy"', 'name = "../toy"', "name '../toy' cannot be that of a folder"),
        ('name = "toy"', 'name = ""', "name: "),
        ('of = ["first", "second"]', 'of = ["first", "thrid"]', "there is no stage 'thrid'"),
        ('of = ["first", "second"]', 'of = ["first", "first"]', "a stage is named twice"),
        ('of = ["first", "second"]', 'of = ["first"]', "soup.of: "),
        ("[3, 1]", "[3]", "as many as soup.of has names"),
        ("[3, 1]", "[3, -1]", "soup.weights[1]"),
        ("[3, 1]", "[0, 0]", "their sum must be a number above 0"),
        ("[3, 1]", "[inf, 1]", "their sum must be a number above 0"),
        ('name = "toy"', 'name = "toy"\ntrack = ["tensorbord"]', "track[0]"),
        ("[soup]", "[evaluation]\nsplits = ['vaildation']\n[soup]", "evaluation.splits[0]"),
        ("{ low = 0.02 }", "{ low = 0.02 }\nevaluation.split = 'dev'", "stage[1].evaluation.split"),
        ('kind = "jsonl"', 'kind = "jsnol"', "data.source[0].kind"),
    ],
)
def test_values_that_cannot_be_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """What fails after hours, in the second stage or at the soup, could have been known at once."""
    assert old in WHOLE
    assert message in refused(tmp_path, WHOLE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot read the recipe"),
        ("\x00", "cannot read the recipe"),
        ("", "it is missing"),
        ("defaults = 1", "defaults: a table was expected"),
        ("[[defaults]]", "defaults: a table was expected"),
        ("stage = 1", "it is missing"),
        (WHOLE.split("[[stage]]")[0], "stage: it is missing"),
        ("stage = []\n" + WHOLE.split("[[stage]]")[0], "stage: "),
        ("stage = [1]\n" + WHOLE.split("[[stage]]")[0], "stage[0]: "),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A traceback where a table is a number, or a file is something else."""
    assert message in refused(tmp_path, text)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A traceback for a slip of a name; for a folder; for bytes that are no text."""
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff\xfe'")
    for name in ("slip.toml", ".", "bytes.toml"):
        with pytest.raises(UsageError, match="cannot read the recipe"):
            read_recipe(tmp_path / name)


def test_changes_are_the_last_word(tmp_path: Path) -> None:
    """`--change` that is ignored, or reaches another stage than the one that is named."""
    changes = {
        "network.base": "org/other",
        "network.lora.rank": 4,
        "defaults.batch.size": 16,
        "stage.second.optimizer.learning_rate": 1e-4,
        "stage.second.batch.size": 128,
        "data.source.more.repeat": 7.0,
        "evaluation.suite": "",
    }
    recipe = read(tmp_path, WHOLE, changes)
    first, second = recipe.stage
    assert (recipe.network.base, recipe.evaluation.suite) == ("org/other", "")
    assert recipe.network.lora is not None
    assert recipe.network.lora.rank == 4
    assert (first.batch.size, second.batch.size) == (16, 128)
    assert second.batch.chunk_tokens == 300
    assert (first.optimizer.learning_rate, second.optimizer.learning_rate) == (5e-3, 1e-4)
    assert recipe.data.sources[1].repeat == 7.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stage.thrid.steps", "--change stage.thrid.steps: the recipe has no 'thrid'"),
        ("stage.steps", "name one of them, such as stage.NAME"),
        ("name.x", "the recipe has no 'name'"),
        ("network.lora.rnk", "network.lora.rnk: there is no such setting, did you mean 'rank'?"),
        ("defaults", "defaults: a table was expected"),
        ("defaults.batch", "defaults.batch: a table was expected (got 3)"),
        ("network", "network: a table was expected (got 3)"),
    ],
)
def test_changes_of_what_is_not_there_are_refused(tmp_path: Path, name: str, message: str) -> None:
    """A change that lands nowhere looks as if it had been made."""
    assert message in refused(tmp_path, WHOLE, {name: 3})


def test_a_base_beside_the_recipe_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources are relative to the recipe; a base that is not fails from another folder."""
    (tmp_path / "recipes" / "model").mkdir(parents=True)
    text = WHOLE.replace("org/base", "model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes" / "recipe.toml").write_text(text)
    recipe = read_recipe(Path("recipes/recipe.toml"))
    assert recipe.network.base == str(tmp_path / "recipes" / "model")
    assert read(tmp_path, WHOLE).network.base == "org/base"


def test_recipes_in_the_guides_are_read(tmp_path: Path) -> None:
    """A guide whose example is refused: `[[source]]` in the place of `[[data.source]]`."""
    before, after = 'name = "x"\n', '[network]\nbase = "mini"\n[[stage]]\nname = "only"\n'
    guides = {
        "training": (("", ""), {"jsonl"}),
        "training-data": ((before, after), {"jsonl", "mmeb-train", "vidore", "video-captions"}),
    }
    for guide, (missing, kinds) in guides.items():
        text = (DOCS / f"{guide}.md").read_text(encoding="utf-8")
        example = text.partition("```toml\n")[2].partition("```")[0]
        recipe = tmp_path / f"{guide}.toml"
        recipe.write_text(example.join(missing), encoding="utf-8")
        assert {each.kind for each in read_recipe(recipe).data.sources} >= kinds
