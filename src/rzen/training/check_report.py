"""What was found in the data of a run before it starts."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rzen.data.mixture import SourceFacts
from rzen.data.sources.source import Skipped
from rzen.render.depiction import Depiction
from rzen.training.check_media import MediaFindings

_MANY = 0.1
"""A group that leaves out more than this part of its rows is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFindings:
    """One source.

    Attributes:
        facts: what it is.
        skipped: rows that are left out.
        positives: different ones.
        media: of the rows that were looked at.
    """

    facts: SourceFacts
    skipped: Skipped
    positives: int
    media: MediaFindings


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFindings:
    """What batches of one kind are made of.

    Attributes:
        name: of the group.
        sources: names.
        rows: all of them.
        positives: different ones.
        batches: of the first epoch (sub-batches, where batches have several).
        dealt: rows in those, copies counted.
        repeats: rows that the first epoch leaves out: each batch had one with their positive.
        left_over: rows that it leaves out: too few for another batch.
    """

    name: str
    sources: tuple[str, ...]
    rows: int
    positives: int
    batches: int = 0
    dealt: int = 0
    repeats: int = 0
    left_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Specimen:
    """A row as it is trained on.

    Attributes:
        where: source, file and line.
        instruction: said with the query; ``None`` means the encoder's default.
        document_instruction: said with the others.
        query: what it looks like.
        positives: the first of them.
        negatives: the first of the hard ones.
        more_positives: that are not shown.
        more_negatives: that are not shown.
    """

    where: str
    instruction: str | None
    document_instruction: str | None
    query: Depiction
    positives: tuple[Depiction, ...]
    negatives: tuple[Depiction, ...]
    more_positives: int = 0
    more_negatives: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskFindings:
    """One task.

    Attributes:
        name: of the task.
        rows: of all sources.
        specimens: some of them.
    """

    name: str
    rows: int
    specimens: tuple[Specimen, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckReport:
    """What was found; :func:`rzen.training.check_page.render_check` shows it.

    Attributes:
        sources: in the order of the recipe.
        groups: of the mixture.
        tasks: of the mixture.
        batch_size: that batches were planned for; ``None`` if none were.
        sub_batches: of a batch.
        batches: of the first epoch.
        refused: why no batches could be planned; else empty.
    """

    sources: tuple[SourceFindings, ...]
    groups: tuple[GroupFindings, ...]
    tasks: tuple[TaskFindings, ...]
    batch_size: int | None = None
    sub_batches: int = 1
    batches: int = 0
    refused: str = ""

    @property
    def rows(self) -> int:
        """Rows that can be trained on."""
        return sum(each.facts.rows for each in self.sources)

    @property
    def skipped(self) -> int:
        """Rows that are left out."""
        return sum(each.skipped.total for each in self.sources)

    @property
    def looked_at(self) -> int:
        """Rows whose media were opened."""
        return sum(each.media.rows for each in self.sources)

    @property
    def failed_rows(self) -> int:
        """Rows among those that cannot be trained on as they are."""
        return sum(each.media.failed_rows for each in self.sources)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what should be looked at before hours are spent."""
        return tuple(_warnings(self))

    def to_json(self) -> dict[str, Any]:
        """All figures and reasons; examples are on the page alone."""
        return {
            "rows": self.rows,
            "skipped": self.skipped,
            "looked_at": self.looked_at,
            "failed_rows": self.failed_rows,
            "batch_size": self.batch_size,
            "sub_batches": self.sub_batches,
            "batches_per_epoch": self.batches,
            "refused": self.refused,
            "sources": [asdict(each) for each in self.sources],
            "groups": [asdict(each) for each in self.groups],
            "tasks": {each.name: each.rows for each in self.tasks},
            "warnings": list(self.warnings),
        }


def _warnings(report: CheckReport) -> Iterator[str]:
    if report.refused:
        yield f"No batches can be made: {report.refused}"
    if report.skipped:
        yield f"{report.skipped:,} of {report.rows + report.skipped:,} rows are left out."
    if report.failed_rows:
        yield (
            f"{report.failed_rows:,} of the {report.looked_at:,} rows looked at cannot be trained "
            "on: they, or media of theirs, cannot be opened."
        )
    for group in report.groups if report.batches else ():
        copies = group.dealt + group.repeats + group.left_over
        if not group.batches:
            yield f"Group {group.name!r} has no batch: it is too small for one."
        elif group.repeats > _MANY * copies:
            yield (
                f"Group {group.name!r} has {group.positives:,} different positives for "
                f"{group.rows:,} rows, and no batch takes one twice: each epoch leaves out "
                f"{group.repeats:,} rows. A source with shared_positives = true lets them meet; a "
                "merged group, or sub-batches of fewer rows than it has positives, take more too."
            )
