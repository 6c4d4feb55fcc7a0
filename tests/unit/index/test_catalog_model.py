"""Any sequence of changes leaves the catalog as a plain dictionary would be."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rzen.index.catalog import Catalog
from rzen.index.filters import Filters
from rzen.types import Fingerprint, MediaBudget, Record, Span, record_id

PATHS = st.sampled_from(["/a", "/a/b", "/a/b.txt", "/ab", "/c/\udcff"])
CONTENTS = st.sampled_from(["c1", "c2", "c3"])
PAGES = st.integers(0, 3)


def _records(content: str, pages: int) -> list[Record]:
    vector = np.zeros(4, np.float32)
    vector[pages] = 1.0
    return [
        Record(
            id=record_id(content, Span(page=page)),
            modality="page",
            span=Span(page=page),
            text=f"word{content}",
            vector=vector,
        )
        for page in range(pages)
    ]


class CatalogMachine(RuleBasedStateMachine):
    """``paths`` holds path -> content or None, ``pages`` content -> number of records."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "i.rzen"
        fingerprint = Fingerprint(
            encoder="e",
            weights="w",
            template="-",
            pooling="-",
            positions="-",
            budget=MediaBudget(),
            dim=4,
        )
        self.catalog = Catalog.open(self.folder, write=True, create=fingerprint)
        self.paths: dict[str, str | None] = {}
        self.pages: dict[str, int] = {}
        self.batch = contextlib.ExitStack()

    def teardown(self) -> None:
        self.batch.close()
        damages = self.catalog.verify()
        self.catalog.close()
        self.home.cleanup()
        assert damages == []

    def _forget_unused(self) -> None:
        self.pages = {c: n for c, n in self.pages.items() if c in self.paths.values()}

    @rule(path=PATHS, content=CONTENTS, pages=PAGES)
    def put(self, path: str, content: str, pages: int) -> None:
        self.catalog.put(path, 1, 1, content, _records(content, pages))
        self.paths[path] = content
        self.pages[content] = pages
        self._forget_unused()

    @precondition(lambda self: self.pages)
    @rule(path=PATHS, data=st.data())
    def link(self, path: str, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.pages)))
        self.catalog.link(path, 2, 2, content)
        self.paths[path] = content
        self._forget_unused()

    @rule(path=PATHS)
    def fail(self, path: str) -> None:
        self.catalog.fail(path, 3, 3, "why")
        self.paths[path] = None
        self._forget_unused()

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        assert self.catalog.remove([path]) == (path in self.paths)
        self.paths.pop(path, None)
        self._forget_unused()

    @rule()
    def reopen(self) -> None:
        self.batch.close()
        self.catalog.close()
        self.catalog = Catalog.open(self.folder, write=True)

    @rule()
    def begin_batch(self) -> None:
        self.batch.close()
        self.batch.enter_context(self.catalog.batch())

    @invariant()
    def same_files(self) -> None:
        assert {path: row.content for path, row in self.catalog.files().items()} == self.paths

    @invariant()
    def same_records(self) -> None:
        expected = {
            record_id(content, Span(page=page)): tuple(
                sorted((p for p, c in self.paths.items() if c == content), key=_bytes)
            )
            for content, pages in self.pages.items()
            for page in range(pages)
        }
        rowids = self.catalog.columns().rowid_N.tolist()
        found = {record.id: record.paths for record in self.catalog.records(rowids)}
        assert found == expected

    @invariant()
    def same_words(self) -> None:
        for content in ("c1", "c2", "c3"):
            found = self.catalog.search_text(f"word{content}", 100, Filters())
            assert len(found) == self.pages.get(content, 0)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


TestCatalogMachine = CatalogMachine.TestCase
TestCatalogMachine.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
