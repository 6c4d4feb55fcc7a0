"""A recipe that trains a projector: one TOML file with a table ``[projector]``."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rzen.config import first_problem
from rzen.errors import UsageError
from rzen.training.recipe import change
from rzen.training.settings import CheckpointSettings, LoraSettings, OptimizerSettings


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProjectorSettings(_Section):
    """The network between vectors and language model."""

    tokens: int = Field(4, gt=0, description="soft tokens of an item; xRAG has 1")
    hidden: int = Field(1024, gt=0, description="width of the layer between")


class BatchSize(_Section):
    """What one step sees."""

    size: int = Field(32, gt=0, description="rows, over all ranks")
    chunk: int = Field(32, gt=0, description="rows that go through the network at once")


class RowsSettings(_Section):
    """A file of rows, or questions that come with rzen-bench."""

    file: str = Field("", description="JSON lines, seen from the recipe")
    questions: Literal["", "manuals", "glosses", "pictures", "moments"] = Field(
        "",
        description="in the place of a file: a family of questions about rzen-bench, train split",
    )
    repeat: float = Field(1.0, gt=0, description="how often an epoch takes each row")

    @property
    def source(self) -> str:
        """What users call it."""
        return self.file or f"rzen-bench's questions, {self.questions}"

    @model_validator(mode="after")
    def _one(self) -> "RowsSettings":
        if bool(self.file) == bool(self.questions):
            raise ValueError('rows: name a file or questions, as in { file = "rows.jsonl" }')
        return self


class ProjectorStage(_Section):
    """One stage: from weights to better weights."""

    name: str = Field(min_length=1)
    rows: tuple[RowsSettings, ...] = Field(min_length=1)
    epochs: float = Field(1.0, gt=0)
    steps: int | None = Field(None, gt=0, description="in the place of epochs")
    batch: BatchSize = BatchSize()
    max_failed: float = Field(0.05, ge=0, le=1, description="share of rows that may be unreadable")
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=1e-3)
    checkpoint: CheckpointSettings = CheckpointSettings()


class ProjectorRecipe(_Section):
    """All of it. Each stage goes on from the one before."""

    name: str = Field(min_length=1, description="of the projector that comes out")
    about: str = Field("", description="one sentence for its card")
    seed: int = 1
    generator: str = Field(description="language model: smollm2, a folder, or a name on the hub")
    encoder: str = Field("mini", description="whose vectors it reads")
    # A twin that is trained alike and sees nothing: what it answers, it knows from the questions.
    zeroed: bool = Field(False, description="whether all vectors are zeros")
    lora: LoraSettings | None = Field(None, description="adapters on the language model")
    projector: ProjectorSettings = ProjectorSettings()
    stage: tuple[ProjectorStage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "ProjectorRecipe":
        names = [self.name, *(each.name for each in self.stage)]
        for name in names:
            if Path(name).name != name or name.startswith("."):
                raise ValueError(f"name {name!r} cannot be that of a folder")
        if len(set(names[1:])) < len(self.stage):
            raise ValueError("stage: two have the same name")
        return self


def is_projector_recipe(file: Path) -> bool:
    """Whether a recipe trains a projector; one that cannot be read is left to its reader."""
    try:
        return "projector" in tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False


def read_projector_recipe(file: Path, changes: Mapping[str, Any] | None = None) -> ProjectorRecipe:
    """Reads a recipe; folders beside it are meant before those from where we are.

    Args:
        file: TOML.
        changes: dotted name -> value, the last word: ``seed``, ``stage.NAME.steps``.

    Raises:
        UsageError: if it cannot be read, a name is misspelt, or a value is none that is allowed.
    """
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the recipe {file}: {error}") from None
    for name, value in (changes or {}).items():
        change(tree, name, value)
    try:
        recipe = ProjectorRecipe.model_validate(tree)
    except ValidationError as error:
        name, problem = first_problem(error, ProjectorRecipe)
        raise UsageError(": ".join(filter(None, [str(file), name, problem]))) from None
    near = {
        name: str(place.resolve())
        for name in ("generator", "encoder")
        if (place := file.parent / Path(getattr(recipe, name)).expanduser()).exists()
    }
    return recipe.model_copy(update=near)
