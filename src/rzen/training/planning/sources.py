"""Sources of a recipe as far as they are on this machine, and stand-ins for those that are not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True, kw_only=True)
class Shelf:
    """The sources of a recipe, each opened once.

    Attributes:
        folder: that paths in the recipe are relative to.
        frames: of a clip that stands in for one that is not here.
        on_progress: called while rows are read.
        missing: those that could not be opened, so far.
    """

    folder: Path
    frames: int
    on_progress: OnProgress | None = None
    missing: dict[str, Missing] = field(default_factory=dict)
    _opened: dict[str, Source] = field(default_factory=dict)

    def mixture(self, spec: MixtureSpec) -> Mixture:
        """A mixture of what is here and of stand-ins.

        Raises:
            DataError: if nothing is left of it, or it is wrong in itself.
        """
        found = [(each, self._source(each)) for each in spec.sources]
        kept = [(each, source) for each, source in found if source is not None]
        names = ", ".join(source_name(each) for each, source in found if source is None)
        if names and not kept:
            raise DataError(
                f"none of its sources is on this machine, and none has a cap to plan with ({names})"
            )
        present = spec.model_copy(update={"sources": tuple(each for each, _ in kept)})
        sources = [source for _, source in kept]
        if any(source_name(each) in self.missing for each in spec.sources):
            present = _without_strangers(present, sources)
        return Mixture(present, sources)

    def _source(self, spec: SourceSpec) -> Source | None:
        name = source_name(spec)
        if name not in self._opened and name not in self.missing:
            self._open(spec, name)
        return self._opened.get(name)

    def _open(self, spec: SourceSpec, name: str) -> None:
        try:
            if spec.dataset and not is_downloaded(spec.dataset, spec.config):
                raise DataError(f"{spec.dataset} was not downloaded to this machine yet")
            self._opened[name] = open_source(spec, folder=self.folder, on_progress=self.on_progress)
        except RzenError as error:
            self.missing[name] = Missing(name=name, reason=str(error), rows=spec.cap)
            if spec.cap is not None:
                self._opened[name] = TypicalRows(spec, rows=spec.cap, frames=self.frames)


def _without_strangers(spec: MixtureSpec, sources: Sequence[Source]) -> MixtureSpec:
    """Without what the recipe says of tasks and groups that only missing sources have."""
    bare = spec.model_copy(
        update={"weights": {}, "merge": (), "instructions": {}, "document_instructions": {}}
    )
    tasks = Mixture(bare, sources).tasks
    update = {
        table: {task: said for task, said in getattr(spec, table).items() if task in tasks}
        for table in ("instructions", "document_instructions")
    }
    update["merge"] = tuple(task for task in spec.merge if task in tasks)  # type: ignore[assignment]
    bare = spec.model_copy(update={**update, "weights": {}})
    groups = Mixture(bare, sources).groups
    weights = {group: weight for group, weight in spec.weights.items() if group in groups}
    return bare.model_copy(update={"weights": weights})
