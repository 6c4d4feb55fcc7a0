"""Sources of a recipe as far as they are on this machine, and stand-ins for those that are not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rzen.data.mixture import Mixture
from rzen.data.mixture_spec import MixtureSpec
from rzen.data.sources.hugging_face import is_downloaded
from rzen.data.sources.opening import open_source, source_name
from rzen.data.sources.row_index import OnProgress
from rzen.data.sources.source import Source
from rzen.data.sources.spec import SourceSpec
from rzen.errors import DataError, RzenError
from rzen.training.planning.typical import TypicalRows
from rzen.training.recipe import Recipe
from rzen.training.settings import StageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A source that cannot be opened here.

    Attributes:
        name: of the source.
        reason: why.
        rows: that the plan goes on with; ``None``: it goes on without the source.
    """

    name: str
    reason: str
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What a plan can be made of.

    Attributes:
        recipe: without the sources that are left out.
        whole: its sources, and stand-ins; ``None`` where nothing is left.
        missing: sources that could not be opened.
        empty: stages that have no source left -> names of those they had.
    """

    recipe: Recipe
    whole: Mixture | None
    missing: tuple[Missing, ...]
    empty: Mapping[str, str]


def open_present(
    recipe: Recipe, *, folder: Path, frames: int, on_progress: OnProgress | None = None
) -> Present:
    """Opens what is here, and stands in for what is not where the recipe caps it.

    Nothing is fetched: a data set of the hub counts as here when it was downloaded before.

    Args:
        recipe: whose sources.
        folder: that paths in it are relative to.
        frames: of a clip that stands in.
        on_progress: called while rows are read.

    Raises:
        DataError: if the mixture is wrong in itself.
    """
    missing: list[Missing] = []
    found: list[tuple[SourceSpec, Source]] = []
    for spec in recipe.data.sources:
        try:
            found.append((spec, _open(spec, folder, on_progress)))
        except RzenError as error:
            missing.append(Missing(name=source_name(spec), reason=str(error), rows=spec.cap))
            if spec.cap is not None:
                found.append((spec, TypicalRows(spec, rows=spec.cap, frames=frames)))
    kept = {source_name(spec) for spec, _ in found}
    stages = [each.model_copy(update={"sources": _kept(each, kept)}) for each in recipe.stage]
    empty = {
        each.name: ", ".join(each.sources)
        for each, reduced in zip(recipe.stage, stages, strict=True)
        if each.sources and not reduced.sources
    }
    specs = tuple(spec for spec, _ in found)
    data = recipe.data.model_copy(update={"sources": specs})
    sources = [source for _, source in found]
    if missing and found:
        data = _without_strangers(data, sources)
    return Present(
        recipe=recipe.model_copy(update={"data": data, "stage": tuple(stages)}),
        whole=Mixture(data, sources) if found else None,
        missing=tuple(missing),
        empty=empty,
    )


def _open(spec: SourceSpec, folder: Path, on_progress: OnProgress | None) -> Source:
    if spec.dataset and not is_downloaded(spec.dataset, spec.config):
        raise DataError(f"{spec.dataset} was not downloaded to this machine yet")
    return open_source(spec, folder=folder, on_progress=on_progress)


def _kept(stage: StageSettings, names: Collection[str]) -> tuple[str, ...]:
    return tuple(each for each in stage.sources if each in names)


def _without_strangers(spec: MixtureSpec, sources: Sequence[Source]) -> MixtureSpec:
    """Without what the recipe says of tasks and groups that only missing sources have."""
    silent: dict[str, object] = {
        "weights": {},
        "merge": (),
        "instructions": {},
        "document_instructions": {},
    }
    tasks = Mixture(spec.model_copy(update=silent), sources).tasks
    update: dict[str, object] = {
        table: {task: said for task, said in getattr(spec, table).items() if task in tasks}
        for table in ("instructions", "document_instructions")
    }
    update["merge"] = tuple(task for task in spec.merge if task in tasks)
    bare = spec.model_copy(update={**update, "weights": {}})
    groups = Mixture(bare, sources).groups
    weights = {group: weight for group, weight in spec.weights.items() if group in groups}
    return bare.model_copy(update={"weights": weights})
