"""rzen's own rows, as :mod:`rzen.data.storage` writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rzen.data.media_folder import inside
from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.table import Row
from rzen.data.storage import example_from
from rzen.errors import RzenError
from rzen.types import Example

_WANTED = ("task", "query", "positives", "negatives", "instruction", "document_instruction")


class RzenRows:
    """See :class:`rzen.data.sources.table.Reader`.

    Args:
        task: of all rows; empty takes each row's own.
    """

    def __init__(self, task: str = "") -> None:
        self._task = task

    def identity(self) -> Mapping[str, Any]:
        """The task."""
        return {"task": self._task}

    def wanted(self) -> Sequence[str]:
        """The names of an example's parts."""
        return _WANTED

    def needed(self) -> Sequence[str]:
        """Query and positives."""
        return ("query", "positives")

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example of a row."""
        assert folder is not None, "such rows are those of a file"
        if not row.get("query"):
            raise BadRowError("no query")
        if not row.get("positives"):
            raise BadRowError("no positive")
        task = self._task or row.get("task")
        if not task:
            raise BadRowError("no task: set the source's task")
        try:
            return example_from({**row, "task": task}, folder, inside)
        except KeyError as error:
            raise BadRowError(f"{error} is missing") from None
        except (RzenError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadRowError("it is not an example", str(error)) from None

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """None."""
        del row, example
        return {}
