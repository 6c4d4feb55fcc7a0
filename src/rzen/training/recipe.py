"""A recipe: one TOML file from a base to a measured model, stage by stage."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    ValidationError,
    model_validator,
)

from rzen.config import first_problem
from rzen.data.mixture_spec import MixtureSpec
from rzen.data.sources.opening import source_name
from rzen.errors import UsageError
from rzen.training.settings import NetworkSettings, StageSettings

Model = TypeVar("Model", bound=BaseModel)
_SHARED = ("batch", "optimizer", "loss", "temperature", "checkpoint", "evaluation")
# What else lies in a run's folder.
_TAKEN = frozenset({"soup", "scores", "curves", "run.json"})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SoupSettings(_Section):
    """Which stages' models are averaged at the end (Wortsman et al. 2022, arXiv 2203.05482)."""

    of: tuple[str, ...] = Field(min_length=2, description="names of stages")
    # [open] The paper gives no weights.
    weights: tuple[NonNegativeFloat, ...] = Field((), description="of each; empty: all alike")

    @model_validator(mode="after")
    def _whole(self) -> "SoupSettings":
        if len(set(self.of)) < len(self.of):
            raise ValueError("of: a stage is named twice: give it a larger weight instead")
        if self.weights and len(self.weights) != len(self.of):
            raise ValueError("weights: as many as soup.of has names, or none")
        if self.weights and not 0 < sum(self.weights) < math.inf:
            raise ValueError("weights: their sum must be a number above 0")
        return self


class FinalEvaluation(_Section):
    """What is measured at the end, beside the base."""

    suite: str = Field("rzen-bench", description="a suite; empty: nothing is measured")
    splits: tuple[Literal["validation", "test"], ...] = ("validation", "test")
    data: str = Field("", description="folder of its files, seen from the recipe; of mmeb-v2")
    limit: int | None = Field(None, gt=0, description="queries of a set, at most")
    beside_base: bool = Field(True, description="whether the base is measured as well")


class Recipe(_Section):
    """All of it.

    Values under ``[defaults]`` (``batch``, ``optimizer``, ``loss``, ``temperature``,
    ``checkpoint``, ``evaluation``) hold for every stage that says nothing else.
    """

    name: str = Field(min_length=1, description="of the model that comes out")
    about: str = Field("", description="one sentence for the model card")
    licence: str = Field("", description="of the model that comes out")
    seed: int = 1
    track: tuple[Literal["tensorboard", "wandb", "mlflow", "comet_ml", "aim"], ...] = Field(
        (), description="where else the curves go"
    )
    network: NetworkSettings
    data: MixtureSpec
    stage: tuple[StageSettings, ...] = Field(min_length=1)
    soup: SoupSettings | None = None
    evaluation: FinalEvaluation = FinalEvaluation()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if Path(self.name).name != self.name or self.name.startswith("."):
            raise ValueError(f"name {self.name!r} cannot be that of a folder")
        sources = [source_name(each) for each in self.data.sources]
        before: list[str] = []
        for stage in self.stage:
            if stage.name in before or stage.name in _TAKEN:
                raise ValueError(f"stage {stage.name!r}: the name is taken")
            if stage.start and stage.start not in before:
                raise ValueError(
                    f"stage {stage.name!r} starts from {stage.start!r}, which is no stage before it"
                )
            for name in (*stage.sources, *stage.repeat):
                if name not in sources:
                    raise ValueError(
                        f"stage {stage.name!r}: there is no source {name!r}: there are "
                        f"{', '.join(sources) or 'none'}"
                    )
            before.append(stage.name)
        mixed = self.soup.of if self.soup is not None else ()
        if strange := [name for name in mixed if name not in before]:
            raise ValueError(f"soup.of: there is no stage {strange[0]!r}")
        return self

    def mixture_of(self, stage: StageSettings) -> MixtureSpec:
        """The sources of a stage, mixed as it wants them.

        It still says all that the recipe says of tasks and groups, those of other sources too; see
        :func:`rzen.training.feeding.stage_mixture`.
        """
        kept = tuple(
            each.model_copy(update={"repeat": stage.repeat.get(name, each.repeat)})
            for each, name in ((each, source_name(each)) for each in self.data.sources)
            if not stage.sources or name in stage.sources
        )
        weights = {**self.data.weights, **stage.weights}
        return self.data.model_copy(update={"sources": kept, "weights": weights})


def read_recipe(file: Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Reads a recipe; a base that is a folder beside it is meant before one from where we are.

    Args:
        file: TOML.
        changes: dotted name -> value, the last word: ``network.base``, ``defaults.batch.size``,
            ``stage.NAME.steps``.

    Raises:
        UsageError: if it cannot be read, a name is misspelt (the nearest is named), or a value is
            none that is allowed.
    """
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the recipe {file}: {error}") from None
    for name, value in (changes or {}).items():
        change(tree, name, value)
    defaults = tree.pop("defaults", {})
    if not isinstance(defaults, dict):
        raise UsageError(f"{file}: defaults: a table was expected, [defaults.batch] and the like")
    _validated(StageSettings, {"name": "x", **defaults}, file, "defaults.")
    if strange := sorted(set(defaults) - set(_SHARED)):
        raise UsageError(
            f"{file}: defaults.{strange[0]}: it belongs to a stage; defaults may hold "
            f"{', '.join(_SHARED)}"
        )
    stages = tree.get("stage")
    if isinstance(stages, list):
        tree["stage"] = [_over(defaults, each) for each in stages]
    recipe = _validated(Recipe, tree, file, "")
    beside = file.parent / Path(recipe.network.base).expanduser()
    if not beside.is_dir():
        return recipe
    network = recipe.network.model_copy(update={"base": str(beside.resolve())})
    return recipe.model_copy(update={"network": network})


def _validated(kind: type[Model], tree: Any, file: Path, before: str) -> Model:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        name, problem = first_problem(error, kind)
        place = f"{before}{name}".removesuffix(".")
        raise UsageError(": ".join(filter(None, [str(file), place, problem]))) from None


def _over(defaults: Mapping[str, Any], stage: Any) -> Any:
    """A stage's own values over the defaults, table by table."""
    if not isinstance(stage, dict):
        return stage
    merged = dict(stage)
    for name, shared in defaults.items():
        own = stage.get(name, {})
        merged[name] = {**shared, **own} if isinstance(own, dict) else own
    return merged


def change(tree: dict[str, Any], name: str, value: Any) -> None:
    """Puts a value into a recipe as it was read; a list's tables are found by their names.

    Raises:
        UsageError: if there is no such place.
    """
    *sections, last = name.split(".")
    place: Any = tree
    for section in sections:
        if isinstance(place, list):
            named = (each for each in place if isinstance(each, dict))
            place = next((each for each in named if each.get("name") == section), None)
        else:
            place = place.setdefault(section, {})
        if not isinstance(place, dict | list):
            raise UsageError(f"--change {name}: the recipe has no {section!r}")
    if not isinstance(place, dict):
        raise UsageError(f"--change {name}: name one of them, such as {'.'.join(sections)}.NAME")
    place[last] = value
