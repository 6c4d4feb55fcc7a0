"""Building the suite: whole or not at all, the same each time, and named when it is not there."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rzen.data.bench import build as building
from rzen.data.bench import suite
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.types import Content, Example, Text


class Tasks:
    """Stands for the modules of tasks: one set of drawn squares, of one shade by split."""

    def __init__(self) -> None:
        self.fails = False

    def sets(self, shop: Workshop, split: Split) -> list[RetrievalSet]:
        if self.fails:
            raise KeyboardInterrupt
        shade = {"train": 10, "validation": 90, "test": 200}[split]
        picture = shop.picture(np.full((8, 8, 3), shade, np.uint8))
        shop.tallies["near-duplicates dropped"] += 1
        return [
            RetrievalSet(
                name="squares-t2i",
                group="image",
                family="retrieval",
                metric="hit@1",
                scope="global",
                queries=(Query(id="q", content=Content(Text("grey")), labels=("d",)),),
                documents={"d": Content(picture)},
                about="Grey squares.",
            )
        ]

    def examples(self, shop: Workshop) -> Iterator[Example]:
        picture = shop.picture(np.full((8, 8, 3), 10, np.uint8))
        yield Example(
            task="image retrieval", query=Content(Text("grey")), positives=(Content(picture),)
        )


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    stand_in = Tasks()
    monkeypatch.setattr(building, "_MODULES", {"squares": stand_in})
    monkeypatch.setattr("rzen.data.bench.mixed_pool.sets", lambda _: [])
    monkeypatch.setattr("rzen.data.bench.packages.digest", lambda _: "0" * 64)
    return stand_in


def build(target: Path) -> Path:
    return building.build(target, fetch=lambda _: target.parent)


@pytest.mark.usefixtures("tasks")
def test_a_suite_is_built_and_read(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = building.build(
        tmp_path / "suite", fetch=lambda _: tmp_path, on_step=lambda *step: steps.append(step)
    )
    about = suite.manifest(folder)
    assert about["sets"]["test"]["squares-t2i"]["queries"] == 1
    assert about["examples"] == {"squares": 1}
    assert about["left_out"] == {"near-duplicates dropped": 2}
    assert about["media"]["files"] == 3
    pictures = [
        suite.load(folder, split, "squares-t2i").documents["d"] for split in ("test", "validation")
    ]
    assert repr(pictures[0].parts) != repr(pictures[1].parts)
    assert len(list(suite.train_examples(folder))) == 1
    numbers = [number for _, number, _ in steps]
    assert numbers == list(range(1, len(steps) + 1))
    assert {total for _, _, total in steps} == {len(steps)}


@pytest.mark.usefixtures("tasks")
def test_two_builds_have_one_version(tmp_path: Path) -> None:
    """Guards against versions that follow the day, the folder, or the order of a directory."""
    versions = {suite.manifest(build(tmp_path / name))["version"] for name in ("a", "b")}
    assert len(versions) == 1


@pytest.mark.usefixtures("tasks")
def test_the_version_follows_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against two suites of one version with other pictures under equal names."""
    before = suite.manifest(build(tmp_path / "a"))["version"]
    plain = Workshop.picture
    monkeypatch.setattr(Workshop, "picture", lambda shop, pixels: plain(shop, pixels + 1))
    assert suite.manifest(build(tmp_path / "b"))["version"] != before


def test_a_build_that_breaks_off_leaves_the_old_suite(tmp_path: Path, tasks: Tasks) -> None:
    """Guards against half a suite that measures as if it were whole."""
    before = suite.manifest(build(tmp_path / "suite"))
    tasks.fails = True
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "suite")
    assert suite.manifest(tmp_path / "suite") == before
    tasks.fails = False
    assert suite.manifest(build(tmp_path / "suite"))["version"] == before["version"]
    assert [path.name for path in tmp_path.iterdir()] == ["suite"]


@pytest.mark.parametrize("last", [0, 1])
def test_a_kill_while_suites_change_places_loses_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: Tasks, last: int
) -> None:
    """The old suite was deleted before the new one had its place: half an hour of building lost."""
    before = suite.manifest(build(tmp_path / "suite"))
    plain, renamed = Path.rename, itertools.count()

    def dying(path: Path, target: Path) -> Path:
        if next(renamed) == last:
            raise KeyboardInterrupt
        return plain(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "suite")
    whole = [folder for folder in tmp_path.iterdir() if (folder / "manifest.json").exists()]
    assert len(whole) == 2
    # The next build puts the old one back before it begins, and clears up behind itself.
    tasks.fails = True
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "suite")
    assert suite.manifest(tmp_path / "suite") == before
    tasks.fails = False
    build(tmp_path / "suite")
    assert [path.name for path in tmp_path.iterdir()] == ["suite"]


@pytest.mark.usefixtures("tasks")
def test_what_is_not_a_suite_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not on this machine .* rzen eval fetch"):
        suite.manifest(tmp_path / "none")
    folder = build(tmp_path / "suite")
    file = folder / "manifest.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "edition": 0}))
    with pytest.raises(DataError, match=r"edition 0 .* rzen eval fetch"):
        suite.manifest(folder)
    file.write_text("{")
    with pytest.raises(DataError, match=r"cannot read .*rzen eval fetch"):
        suite.manifest(folder)
