"""The recipes that come with rzen: they are read, and hold what the paper gives."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rzen.data.bench import build
from rzen.data.questions.build import FAMILIES
from rzen.data.sources.mmeb_rows import task_of_set
from rzen.data.sources.opening import source_name
from rzen.data.sources.spec import SourceSpec
from rzen.rag import fetched
from rzen.training.projector.recipe import read_projector_recipe
from rzen.training.recipe import Recipe, read_recipe
from rzen.training.settings import StageSettings

RECIPES = Path(__file__).parents[3] / "recipes"
NAMES = ("offline", "rzenembed_2b", "rzenembed_7b")
PROJECTORS = ("projector",)

# RzenEmbed's paper (arXiv 2510.27350): pairs of stage 1 by what asks and what answers, and the most
# of a data set in stage 2.
PAIRS = {"text": 300_000, "picture": 2_000_000, "changed picture": 2_500_000, "page": 250_000}
MOST, CLIPS, MMEB_TRAIN = 100_000, 400_000, 20


def read(name: str) -> Recipe:
    return read_recipe(RECIPES / f"{name}.toml")


@pytest.fixture(scope="module", params=["rzenembed_2b", "rzenembed_7b"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return read(request.param)


def sources_of(recipe: Recipe, stage: StageSettings) -> list[SourceSpec]:
    """Of one stage, with its own repetitions."""
    return list(recipe.mixture_of(stage).sources)


def pair_of(source: SourceSpec) -> str:
    """What a pair of stage 1 is, by the columns that it is made of."""
    if source.kind == "vidore":
        return "page"
    if "query_image" in source.columns:
        return "changed picture"
    return "picture" if "positive_image" in source.columns else "text"


def test_every_recipe_is_tested_here() -> None:
    """One that is added to the folder and read by nobody before its first user."""
    assert {each.stem for each in RECIPES.glob("*.toml")} == {*NAMES, *PROJECTORS}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_read_and_uses_all_that_it_names(name: str) -> None:
    """A setting that was renamed under a recipe; a source that no stage trains on."""
    recipe = read(name)
    used = {source_name(each) for stage in recipe.stage for each in sources_of(recipe, stage)}
    assert used == {source_name(each) for each in recipe.data.sources}


@pytest.mark.parametrize("name", PROJECTORS)
def test_a_projector_needs_nothing_but_packages(name: str) -> None:
    """A recipe that names a model, an encoder or rows that no package brings."""
    recipe = read_projector_recipe(RECIPES / f"{name}.toml")
    assert recipe.generator in fetched.MODELS
    assert recipe.encoder == "mini"
    assert all(rows.questions in FAMILIES for stage in recipe.stage for rows in stage.rows)


def test_the_network_is_the_papers(recipe: Recipe) -> None:
    """Adapters on some layers alone, another template, larger pictures, full precision."""
    network = recipe.network
    assert network.template == "rzen-paper"
    assert network.lora is not None
    assert (network.lora.rank, network.lora.layers, network.lora.without) == (64, ("*",), ())
    assert (network.precision, network.gradient_checkpointing) == ("bfloat16", True)
    look = network.look
    assert look.picture_tokens is not None
    assert look.picture_tokens[1] == 1280
    assert look.frames is not None
    assert look.frame_tokens is not None
    assert look.frames * look.frame_tokens[1] <= 1280


def test_every_step_is_the_papers(recipe: Recipe) -> None:
    """A stage that forgets the defaults: another batch, rate, schedule or decay, two epochs."""
    for stage in recipe.stage:
        batch, optimizer = stage.batch, stage.optimizer
        assert (batch.size, batch.accumulate, batch.sub_batches) == (768, 1, 1), stage.name
        assert (optimizer.learning_rate, optimizer.schedule) == (2e-4, "cosine"), stage.name
        assert (optimizer.weight_decay, optimizer.rates) == (0.05, {}), stage.name
        assert (stage.epochs, stage.steps) == (1, None), stage.name


def test_stage_one_is_plain_and_uninstructed(recipe: Recipe) -> None:
    """Hardness weights or the mask on vectors that are all alike, an instruction, other shares."""
    stage = recipe.stage[0]
    assert stage.start == ""
    assert (stage.loss.alpha, stage.loss.false_negatives) == (0, "none")
    assert not stage.temperature.learned
    pairs = dict.fromkeys(PAIRS, 0)
    for source in sources_of(recipe, stage):
        # Not even the encoder's own for pictures, which an unset one would mean.
        assert source.instruction == source.document_instruction == "", source_name(source)
        assert not source.instructions, source_name(source)
        assert not source.document_instructions, source_name(source)
        assert source.cap is not None
        assert source.repeat == 1
        pairs[pair_of(source)] += source.cap
    assert pairs == PAIRS


def test_stage_two_has_the_papers_loss(recipe: Recipe) -> None:
    """Another strength, threshold or rule; one temperature; a second stage from the base."""
    first, *second = recipe.stage
    for stage in second:
        assert stage.start == first.name
        assert (stage.loss.alpha, stage.loss.delta, stage.loss.threshold) == (9, 0.95, None)
        assert stage.loss.false_negatives == "document"
        assert stage.temperature.learned
        assert {stage.temperature.initial} | set(stage.temperature.start.values()) == {0.02}


def test_stage_two_has_the_papers_data(recipe: Recipe) -> None:
    """A set that is left out or taken beyond its cap, clips that are no hard negatives."""
    second = sources_of(recipe, recipe.stage[1])
    assert all(each.cap is not None and each.cap <= MOST for each in second)
    mmeb = [each for each in second if each.dataset == "TIGER-Lab/MMEB-train"]
    assert len({each.config for each in mmeb}) == MMEB_TRAIN
    assert all(task_of_set(source_name(each)) for each in mmeb)
    assert all(each.instruction for each in mmeb), "MMEB's rows are instructed"
    assert any(each.dataset == "intfloat/mmE5-synthetic" for each in second)
    clips = [
        each for each in second if each.kind == "video-captions" or "query_video" in each.columns
    ]
    assert sum(each.cap or 0 for each in clips) == CLIPS
    siblings = [each for each in clips if each.negatives != 0 and each.kind == "video-captions"]
    assert any(each.direction == "text-to-video" for each in siblings)


def test_classes_share_batches_and_nothing_else_does(recipe: Recipe) -> None:
    """Image classification in batches of one set each: its few labels are no negatives."""
    assert recipe.data.merge == ("image classification",)
    assert not any(each.group for each in recipe.data.sources)
    classes = [
        each
        for each in recipe.data.sources
        if (each.task or task_of_set(source_name(each))) == "image classification"
    ]
    assert len(classes) > 1
    assert all(each.shared_positives for each in classes)


def test_three_mixtures_and_a_soup(recipe: Recipe) -> None:
    """A soup of one model three times, or of stages that differ in more than their mixture."""
    second = recipe.stage[1:]
    assert len(second) == 3
    assert recipe.soup is not None
    assert recipe.soup.of == tuple(each.name for each in second)
    assert recipe.soup.weights == ()
    alike = {
        each.model_copy(update={"name": "", "repeat": {}}).model_dump_json() for each in second
    }
    assert len(alike) == 1
    mixtures = [tuple(each.repeat for each in sources_of(recipe, stage)) for stage in second]
    assert len(set(mixtures)) == 3
    for stage in second:
        rare = [each for each in sources_of(recipe, stage) if each.repeat != 1]
        assert all(each.dataset == "TIGER-Lab/MMEB-train" for each in rare), "pictures, more often"


def test_the_models_are_measured_on_mmeb(recipe: Recipe) -> None:
    """Numbers beside the paper's that are of another suite."""
    assert (recipe.evaluation.suite, recipe.evaluation.splits) == ("mmeb-v2", ("test",))


def test_both_sizes_are_one_recipe() -> None:
    """A change of the one that forgets the other."""
    small, large = (
        tomllib.loads((RECIPES / f"rzenembed_{each}.toml").read_text()) for each in ("2b", "7b")
    )
    assert _pop(small) == ("rzenembed-2b", "2B", "Qwen/Qwen2-VL-2B-Instruct")
    assert _pop(large) == ("rzenembed-7b", "7B", "Qwen/Qwen2-VL-7B-Instruct")
    assert small == large


def _pop(recipe: dict[str, Any]) -> tuple[str, str, str]:
    """Takes out what must differ."""
    about = recipe.pop("about")
    size = next(word for word in about.replace("-", " ").split() if word.endswith("B"))
    recipe["about"] = about.replace(size, "")
    return recipe.pop("name"), size, recipe["network"].pop("base")


def test_offline_needs_nothing_but_mini_and_rzen_bench() -> None:
    """A hub in the recipe for machines without one; a part of the training split left out."""
    recipe = read("offline")
    assert recipe.network.base == "mini"
    assert {each.kind for each in recipe.data.sources} == {"rzen-bench"}
    assert {each.config for each in recipe.data.sources} == set(build._MODULES)
    assert recipe.evaluation.suite == "rzen-bench"
