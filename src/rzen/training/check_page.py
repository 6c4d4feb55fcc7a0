"""What was found in the data of a run, as a page to look through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rzen.data.sources.source import Skipped
from rzen.render.report import Head, ReportPages, count
from rzen.training.check_report import CheckReport

_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """Rows or media of one source that cannot be used."""

    source: str
    found: Skipped

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        return tuple((each.where, each.reason) for each in self.found.first[:_NAMED])

    @property
    def more(self) -> int:
        return self.found.total - len(self.named)


def render_check(report: CheckReport, *, title: str) -> str:
    """A check as one HTML page that needs nothing else.

    Args:
        report: what was found.
        title: such as the recipe's name.
    """
    skipped = [_Trouble(source=each.facts.name, found=each.skipped) for each in report.sources]
    failed = [_Trouble(source=each.facts.name, found=each.media.failed) for each in report.sources]
    return _PAGES.html(
        "check.html.j2",
        Head(
            kind="Training data",
            title=title,
            facts={
                "sources": f"{len(report.sources):,}",
                "tasks": f"{len(report.tasks):,}",
                "groups": f"{len(report.groups):,}",
            },
            warnings=report.warnings,
        ),
        report=report,
        figures=list(_figures(report)),
        skipped=[each for each in skipped if each.found.total],
        failed=[each for each in failed if each.found.total],
        kinds=dict(_kinds(report)),
    )


def _figures(report: CheckReport) -> Iterator[_Figure]:
    yield _Figure(label="Rows to train on", value=f"{report.rows:,}")
    yield _Figure(label="Rows left out", value=f"{report.skipped:,}")
    if report.batch_size is not None:
        parts = f" in {report.sub_batches} parts" if report.sub_batches > 1 else ""
        yield _Figure(
            label="Batches of an epoch",
            value=f"{report.batches:,}",
            note=f"of {count(report.batch_size, 'row')}{parts}",
        )
        dealt = sum(each.dealt for each in report.groups)
        yield _Figure(label="Rows in them", value=f"{dealt:,}", note="copies counted")
    yield _Figure(
        label="Rows that cannot be opened",
        value=f"{report.failed_rows:,}",
        note=f"of {report.looked_at:,} looked at",
    )


def _kinds(report: CheckReport) -> Iterator[tuple[str, str]]:
    """Source -> its media in words."""
    for each in report.sources:
        counts: Mapping[str, int] = each.media.opened
        told = ", ".join(count(number, kind) for kind, number in counts.items())
        yield each.facts.name, told or "no media"


def _size(number: int) -> str:
    """Bytes as people read them.

    >>> _size(0), _size(1_500), _size(2_340_000)
    ('0 kB', '2 kB', '2.3 MB')
    """
    if number < 10**6:
        return f"{-(-number // 1000):,} kB"
    return f"{number / 1e6:.1f} MB" if number < 10**9 else f"{number / 1e9:.1f} GB"


_PAGES = ReportPages("rzen.training", filters={"size": _size}, style="check.css")
