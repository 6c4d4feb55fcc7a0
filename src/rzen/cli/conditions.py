"""Filters as they are typed: dates, and conditions on metadata."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from rzen.errors import UsageError
from rzen.index.filters import Filters, Range
from rzen.types import MODALITIES, MetadataValue, Modality

_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d+)?", re.ASCII)
_CONDITION = re.compile(r"(?P<name>[^<>=]+)(?P<sign>>=|<=|=)(?P<value>.*)", re.DOTALL)


def build_filters(
    modality: Iterable[str] | None = None,
    path: str | None = None,
    after: str | None = None,
    before: str | None = None,
    where: Iterable[str] | None = None,
) -> Filters:
    """The filters of a command line.

    Raises:
        UsageError: if a modality, a date or a condition cannot be understood.
    """
    return Filters(
        modalities=frozenset(map(_modality, modality or ())) or frozenset(MODALITIES),
        glob=path,
        after=None if after is None else moment(after),
        before=None if before is None else moment(before),
        metadata=conditions(where or ()),
    )


def moment(text: str) -> float:
    """A date, or date and time, as unix seconds; UTC where no zone is named.

    >>> moment("1970-01-02"), moment("1970-01-01T01:00+01:00")
    (86400.0, 0.0)

    Raises:
        UsageError: if it is not a date.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date: write 2024-05-01 or 2024-05-01T18:30") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def conditions(texts: Iterable[str]) -> dict[str, MetadataValue | Range]:
    """Conditions on metadata; two bounds on one name make a range.

    >>> conditions(["camera=Pixel 8", "width>=640", "width<=1920"])
    {'camera': 'Pixel 8', 'width': Range(least=640, most=1920)}

    Raises:
        UsageError: if one is not of the form NAME=VALUE, NAME>=VALUE or NAME<=VALUE.
    """
    found: dict[str, MetadataValue | Range] = {}
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise UsageError(f"--where wants NAME=VALUE, NAME>=VALUE or NAME<=VALUE, not {text!r}")
        name, sign, value = match["name"].strip(), match["sign"], _value(match["value"].strip())
        if sign == "=":
            found[name] = value
            continue
        before = found.get(name)
        bounds = before if isinstance(before, Range) else Range()
        found[name] = (
            Range(least=value, most=bounds.most)
            if sign == ">="
            else Range(least=bounds.least, most=value)
        )
    return found


def _value(text: str) -> str | int | float:
    if _NUMBER.fullmatch(text) is None:
        return text
    return float(text) if "." in text else int(text)


def _modality(name: str) -> Modality:
    for modality in MODALITIES:
        if name == modality:
            return modality
    raise UsageError(f"there is no modality {name!r}: choose from {', '.join(MODALITIES)}")
