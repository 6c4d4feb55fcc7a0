"""What all report pages share: one HTML file that needs nothing else, with no script in it.

What a page shows (names, texts, reasons) is data: every expression of a template is escaped, and
freed of control characters, before it is written. A strict content-security policy backs that up.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any

from rzen.render.shown import shown

_HERE = "rzen.render"
_FRAME, _STYLE = "report.html.j2", "report.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The top of a page.

    Attributes:
        kind: of the report, in a word or two.
        title: what it is about.
        facts: label -> value.
        warnings: what would mislead a reader who does not know it.
    """

    kind: str
    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class ReportPages:
    """The report pages of a package; their templates extend ``report.html.j2``.

    Args:
        package: where the templates lie.
        filters: that they use, beside ``count`` and ``data_url``.
        style: a style sheet of the package, behind the one that all reports share.
    """

    def __init__(
        self, package: str, *, filters: Mapping[str, Callable[..., Any]], style: str = ""
    ) -> None:
        self._package, self._filters, self._style = package, filters, style

    def html(self, template: str, head: Head, **context: object) -> str:
        """A page as HTML.

        Args:
            template: its file.
            head: the top of it.
            **context: what the template shows.
        """
        style = _resource(_HERE, _STYLE)
        if self._style:
            style += "\n" + _resource(self._package, self._style)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        found = self._environment.get_template(template)
        return str(found.render(head=head, style=style, style_hash=digest, **context))

    @cached_property
    def _environment(self) -> Any:
        from jinja2 import Environment, FunctionLoader, StrictUndefined

        environment = Environment(
            autoescape=True,
            finalize=_made_fit,
            loader=FunctionLoader(self._template),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(count=count, data_url=_data_url, **self._filters)
        return environment

    def _template(self, name: str) -> str:
        return _resource(_HERE if name == _FRAME else self._package, name)


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "set"), count(1200, "query"), count(2, "batch")
    ('1 set', '1,200 queries', '2 batches')
    """
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}{'es' if noun.endswith('ch') else 's'}"


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _made_fit(value: object) -> object:
    """Text without what a page cannot carry; markup stays as it is."""
    return shown(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _resource(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
