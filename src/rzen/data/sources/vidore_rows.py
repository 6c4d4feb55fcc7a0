"""Rows of ViDoRe and ColPali: a question, and the picture of the page that answers it.

The columns of ``vidore/colpali_train_set`` are ``image, image_filename, query, answer, source,
options, page, model, prompt, answer_type``; of these, query and image are used. A column
``negatives`` holds pictures of pages that do not answer it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.fields import page_of, text_of
from rzen.data.sources.table import Row
from rzen.types import Content, Example, Text

TASK = "document retrieval"


class VidoreRows:
    """See :class:`rzen.data.sources.table.Reader`.

    Args:
        task: of all rows.
    """

    def __init__(self, task: str = TASK) -> None:
        self._task = task

    def identity(self) -> Mapping[str, Any]:
        """The task."""
        return {"task": self._task}

    def wanted(self) -> Sequence[str]:
        """The columns that are used."""
        return ("query", "image", "negatives")

    def needed(self) -> Sequence[str]:
        """Query and image."""
        return ("query", "image")

    def example(self, row: Row, folder: Path | None) -> Example:
        """The example of a row."""
        query = text_of(row, "query")
        if not query.strip():
            raise BadRowError("no query")
        page = page_of(row.get("image"), "image", folder)
        if page is None:
            raise BadRowError("no positive")
        others = row.get("negatives") or []
        if not isinstance(others, list):
            raise BadRowError("'negatives' is not a list", f"{others!r:.40}")
        negatives = [page_of(each, "negatives", folder) for each in others]
        return Example(
            task=self._task,
            query=Content(Text(query)),
            positives=(Content(page),),
            negatives=tuple(Content(each) for each in negatives if each is not None),
        )

    def keys(self, row: Row, example: Example) -> Mapping[str, int]:
        """None."""
        del row, example
        return {}
