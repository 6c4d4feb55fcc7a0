"""Rows that stand in for those of a source that is not here: what its kind usually holds.

The sizes are round figures, not measurements: a plan says for which sources it went by them.
"""

from collections.abc import Iterator

import numpy as np

from rzen.data.sources.caption_rows import TASK as CAPTION_TASK
from rzen.data.sources.directions import direction_number
from rzen.data.sources.mmeb_rows import task_of_set
from rzen.data.sources.opening import source_name
from rzen.data.sources.siblings import NEGATIVES
from rzen.data.sources.source import Skipped
from rzen.data.sources.spec import SourceSpec
from rzen.data.sources.vidore_rows import TASK as PAGE_TASK
from rzen.types import Content, Example, Frames, Image, Page, Part, Text, Video

_WORDS = {"label": 3, "question": 12, "caption": 15, "dialogue": 60, "passage": 100}
_PICTURE, _FRAME, _PAGE = (480, 640), (360, 640), (1754, 1240)
_UNKNOWN = "unknown"

# Query, positive, negative; empty for none. MMEB-train has one hard negative a row.
_SIDES = {
    "image classification": ("image", "label", "label"),
    "image qa": ("image question", "label", "label"),
    "grounding": ("image label", "image", "image"),
    "image retrieval": ("caption", "image", "image"),
}
_SETS = {
    "VisDial": ("dialogue", "image", "image"),
    "CIRR": ("image caption", "image", "image"),
    "VisualNews_i2t": ("image", "caption", "caption"),
    "MSCOCO_i2t": ("image", "caption", "caption"),
    "NIGHTS": ("image", "image", "image"),
    "WebQA": ("question", "image caption", "image caption"),
}


class TypicalRows:
    """See :class:`rzen.data.sources.source.Source`.

    Args:
        spec: what the recipe says of the source.
        rows: how many there are to be.
        frames: of a clip.
    """

    def __init__(self, spec: SourceSpec, *, rows: int, frames: int) -> None:
        self.name, self.origin = source_name(spec), spec.dataset or spec.path
        self._sides, self._frames = _sides(spec), frames
        self._negatives = 1
        if spec.kind == "video-captions":
            self._negatives = NEGATIVES if spec.negatives is None else spec.negatives
        self._said = spec.instruction, spec.document_instruction
        self.tasks: tuple[str, ...] = (_task(spec),)
        self.task_N = np.zeros(rows, np.int16)
        self.positive_N = np.arange(rows, dtype=np.int64)
        example = self[0]
        number = direction_number(example.query.modality, example.positives[0].modality)
        self.direction_N = np.full(rows, number, np.int8)
        self.skipped = Skipped()
        self.revision, self.licence = "", spec.licence

    def __len__(self) -> int:
        return len(self.task_N)

    def __getitem__(self, row: int) -> Example:
        """An example whose sizes are usual ones."""
        query, positive, negative = self._sides
        negatives = self._negatives if negative else 0
        said, document_said = self._said
        return Example(
            task=self.tasks[0],
            query=self._content(query),
            positives=(self._content(positive),),
            negatives=tuple(self._content(negative) for _ in range(negatives)),
            instruction=said,
            document_instruction=document_said,
        )

    def where(self, row: int) -> str:
        """Its number."""
        return f"row {row + 1}"

    def _content(self, side: str) -> Content:
        return Content(*self._parts(side))

    def _parts(self, side: str) -> Iterator[Part]:
        for kind in side.split():
            match kind:
                case "image":
                    yield Image(_blank(_PICTURE))
                case "page":
                    yield Page(_blank(_PAGE), text="")
                case "video":
                    times = tuple(float(number) for number in range(self._frames))
                    yield Video(Frames(pixels=_blank(_FRAME).pixels * self._frames, times=times))
                case _:
                    yield Text(" ".join(["harbour"] * _WORDS[kind]))


def _blank(size: tuple[int, int]) -> Frames:
    return Frames(pixels=(np.zeros((*size, 3), np.uint8),))


def _task(spec: SourceSpec) -> str:
    if spec.task:
        return spec.task
    match spec.kind:
        case "mmeb-train":
            return task_of_set(source_name(spec)) or _UNKNOWN
        case "vidore":
            return PAGE_TASK
        case "video-captions":
            return CAPTION_TASK
    named = [*spec.instructions, *spec.document_instructions]
    return named[0] if named else _UNKNOWN


def _sides(spec: SourceSpec) -> tuple[str, str, str]:
    match spec.kind:
        case "mmeb-train":
            name = source_name(spec).replace("-", "_")
            return _SETS.get(name, _SIDES.get(_task(spec), _SIDES["image qa"]))
        case "vidore":
            return "question", "page", ""
        case "video-captions":
            sides = ("caption", "video", "video")
            return sides if spec.direction == "text-to-video" else ("video", "caption", "caption")
    query, positive = _mapped(spec, "query"), _mapped(spec, "positive")
    return query or "question", positive or "passage", _mapped(spec, "negative")


def _mapped(spec: SourceSpec, side: str) -> str:
    kinds = [kind for kind in ("image", "video", "page") if f"{side}_{kind}" in spec.columns]
    if f"{side}_text" in spec.columns:
        kinds.append("question" if side == "query" else "caption" if kinds else "passage")
    return " ".join(kinds)
