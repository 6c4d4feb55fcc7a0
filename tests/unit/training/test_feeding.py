"""From the mixture's plan to this rank's rows."""

from pathlib import Path
from typing import Any

import pytest

from rzen.data.mixture import Mixture
from rzen.data.mixture_spec import MixtureSpec
from rzen.errors import DataError
from rzen.training.batch import Row
from rzen.training.feeding import (
    SampledBatches,
    check_stages,
    rows_of,
    sampler_of,
    stage_mixture,
    steps_of,
)
from rzen.training.ranks import Ranks
from rzen.training.recipe import Recipe, read_recipe
from rzen.training.settings import StageSettings
from rzen.types import Content, Text
from training_runs import TEXTS, write_shapes, write_texts, written
from training_toys import ToyBackbone

RECIPE = f"""
name = "toy"
[network]
base = "toy"
[data]
merge = ["image retrieval", "text retrieval"]
[data.instructions]
"text retrieval" = "Find it."
"image retrieval" = "Find the picture."
[data.weights]
"text retrieval" = 2.0
"shapes: image classification" = 3.0
[[data.source]]
kind = "jsonl"
path = "rows.jsonl"
name = "shapes"
[[stage]]
name = "words"
sources = ["words"]
[[stage]]
name = "shapes"
sources = ["shapes"]
{TEXTS}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return read_recipe(written(write_shapes(write_texts(tmp_path)), RECIPE))


@pytest.fixture
def whole(recipe: Recipe, tmp_path: Path) -> Mixture:
    return Mixture.open(recipe.data, folder=tmp_path)


def stage(**values: Any) -> StageSettings:
    return StageSettings.model_validate({"name": "x", "batch": {"size": 4}, **values})


def test_a_stage_has_what_is_said_of_its_own(recipe: Recipe, whole: Mixture) -> None:
    """A stage of one source that fails over the recipe's words on the other, or forgets its own."""
    words, shapes = (stage_mixture(recipe, each, whole) for each in recipe.stage)
    assert words.spec.instructions == {"text retrieval": "Find it."}
    assert words.spec.merge == ("text retrieval",)
    assert {name: each.weight for name, each in words.groups.items()} == {"text retrieval": 2.0}
    assert shapes.spec.instructions == {"image retrieval": "Find the picture."}
    assert {name: each.weight for name, each in shapes.groups.items()} == {
        "image retrieval": 1.0,
        "shapes: image classification": 3.0,
    }
    assert words.sources[0] is whole.sources[1], "it is not read again"
    assert words.example(0, 0).instruction == "Find it."


def test_slips_of_a_stage_are_its_own(recipe: Recipe, whole: Mixture) -> None:
    """A group of another source in a stage's own weights, which would never be dealt."""
    slip = recipe.stage[0].model_copy(update={"weights": {"shapes: image classification": 2.0}})
    wrong = recipe.model_copy(update={"stage": (slip,)})
    check_stages(recipe, whole)
    with pytest.raises(DataError, match=r"stage 'words': weights: there is no group 'shapes: im"):
        check_stages(wrong, whole)


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({}, 6),
        ({"epochs": 2}, 12),
        ({"epochs": 0.5}, 3),
        ({"epochs": 1.25}, 8),
        ({"epochs": 0.001}, 1),
        ({"steps": 7, "epochs": 3}, 7),
        ({"batch": {"size": 4, "accumulate": 5}}, 2),
        ({"batch": {"size": 24}}, 2),
    ],
    ids=str,
)
def test_steps_are_those_of_the_epochs(values: dict[str, Any], steps: int, recipe: Recipe) -> None:
    """An epoch that ends early, or a fraction that is rounded to nothing. There are twelve rows of
    each of two tasks: six batches of four."""
    shapes = tuple(each for each in recipe.data.sources if each.name == "shapes")
    mixture = Mixture.open(MixtureSpec(sources=shapes))
    own = stage(**values)
    assert steps_of(sampler_of(mixture, own, seed=1), own) == steps


def names(mixture: Mixture, ranks: Ranks, *, start: int, count: int) -> list[list[str]]:
    own = stage(batch={"size": 5})
    found = SampledBatches(
        rows=rows_of(mixture, ToyBackbone(), own),
        sampler=sampler_of(mixture, own, seed=3),
        ranks=ranks,
        workers=0,
    ).starting_at(start)
    return [[row.name for row in next(found)] for _ in range(count)]


def test_ranks_share_a_batch_and_resuming_skips(recipe: Recipe, whole: Mixture) -> None:
    """Rows that two ranks both take, or none; a resumed run that begins with other rows."""
    mixture = stage_mixture(recipe, recipe.stage[0], whole)
    alone = names(mixture, Ranks(), start=0, count=12)
    assert {len(each) for each in alone} >= {5}
    assert names(mixture, Ranks(), start=7, count=5) == alone[7:], "beyond the first epoch, too"
    parts = [names(mixture, Ranks(rank=at, count=3), start=0, count=12) for at in range(3)]
    assert [first + second + third for first, second, third in zip(*parts, strict=True)] == alone


def test_a_document_under_two_instructions_is_two(recipe: Recipe, whole: Mixture) -> None:
    """One document of two tasks in a batch, encoded once under the instruction of one of them."""
    rows = rows_of(whole, ToyBackbone(), stage())
    content = Content(Text("red 1 is here"))
    assert rows.key(content, None) == rows.key(Content(Text("red 1 is here")), None)
    assert len({rows.key(content, told) for told in (None, "", "Read it.")}) == 3
    assert rows.key(content, None) != rows.key(Content(Text("red 2 is here")), None)
    row = rows[1, 0, 0]
    assert isinstance(row, Row)
    assert row.name.endswith("texts.jsonl, line 1")
    assert row.task == whole.tasks.index("text retrieval")
