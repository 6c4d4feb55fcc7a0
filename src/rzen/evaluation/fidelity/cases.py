"""The cases of a fidelity folder: what was encoded, and the vectors that were published for it.

A folder holds::

    cases.json      [{"id": "video-0", "instruction": null, "text": "a boat", ...}, ...]
    inputs/         the pictures and frames that the cases name
    reference.npy   (N, D) vectors, row for row those of the cases

Beside its id, a case has any of ``instruction``, ``text``, ``image`` (a file in ``inputs``),
``images``, ``video_frames`` (in order), ``fps`` of those frames, and ``role``. What is left out or
null is not there; a case with nothing in it is an empty text.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rzen import media
from rzen.config import Limits
from rzen.errors import DataError, MediaError
from rzen.types import Content, Frames, Image, MediaBudget, Part, Role, Text, Video

_NAMES = Annotated[list[str], Field(min_length=1)]
_AGAIN = "mend the file, or fetch the folder again"


class _Row(BaseModel):
    """A case as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(min_length=1)
    instruction: str | None = None
    text: str | None = None
    image: str | None = None
    images: _NAMES | None = None
    video_frames: _NAMES | None = None
    fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    role: Role = "query"

    @property
    def pictures(self) -> list[str]:
        """The stills, in order; frames of a video left out."""
        return [*([self.image] if self.image is not None else []), *(self.images or [])]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One content with what was said about it.

    Attributes:
        id: its name, unlike all others.
        content: the video, then pictures, then text.
        role: query or document.
        instruction: ``None`` where the case has none.
        text: its text; empty where it has none.
        pictures: how many stills.
        frames: how many frames of video.
        pixels: of stills and frames, all together.
    """

    id: str
    content: Content
    role: Role
    instruction: str | None
    text: str
    pictures: int
    frames: int
    pixels: int


def read_folder(folder: Path) -> tuple[tuple[Case, ...], NDArray[np.float64]]:
    """The N cases and their (N, D) published vectors, scaled to unit length.

    Raises:
        DataError: if a file is missing or damaged, a case cannot be understood, or cases and
            vectors are not equally many.
    """
    rows = _rows(folder / "cases.json")
    reference_ND = _reference(folder / "reference.npy")
    if len(rows) != len(reference_ND):
        raise DataError(
            f"{folder}: cases.json has {len(rows)} cases and reference.npy {len(reference_ND)} "
            "vectors: both must come from the same run; fetch the folder again"
        )
    return tuple(_case(row, folder / "inputs") for row in rows), reference_ND


def _rows(file: Path) -> list[_Row]:
    try:
        rows = TypeAdapter(list[_Row]).validate_json(file.read_bytes())
    except OSError as error:
        raise DataError(_unreadable(file, error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{file}: {where}: {first['msg']}: {_AGAIN}") from None
    if not rows:
        raise DataError(f"{file}: no cases in it, so nothing can be compared: {_AGAIN}")
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DataError(f"{file}: two cases have the id {row.id!r}: give them different ones")
        seen.add(row.id)
    return rows


def _reference(file: Path) -> NDArray[np.float64]:
    try:
        with file.open("rb") as opened:
            found: NDArray[Any] = np.lib.format.read_array(opened, allow_pickle=False)
    except OSError as error:
        raise DataError(_unreadable(file, error)) from None
    except (ValueError, EOFError, MemoryError) as error:  # pickled, cut off, or another format
        raise DataError(f"{file}: no plain array of numbers: {error}: {_AGAIN}") from None
    if found.ndim != 2 or found.dtype.kind != "f":
        raise DataError(
            f"{file}: {found.dtype} {found.shape}, where floats of shape (cases, dimension) "
            f"belong: {_AGAIN}"
        )
    wide_ND = found.astype(np.float64)
    norms_N = np.linalg.norm(wide_ND, axis=1)
    bad = np.flatnonzero(~(np.isfinite(norms_N) & (norms_N > 0)))
    if len(bad):
        raise DataError(f"{file}: row {bad[0]} is zero or not finite: {_AGAIN}")
    return np.asarray(wide_ND / norms_N[:, None])


def _unreadable(file: Path, error: OSError) -> str:
    return (
        f"{file}: cannot be read ({error.strerror or error}): a fidelity folder holds cases.json, "
        "inputs/ and reference.npy; give the folder that does"
    )


def _case(row: _Row, inputs: Path) -> Case:
    parts: list[Part] = []
    pixels = 0
    if row.video_frames:
        frames = tuple(_decoded(inputs, name, row) for name in row.video_frames)
        # Without a speed the frames have no times, and the encoder takes its own.
        times = tuple(at / row.fps for at in range(len(frames))) if row.fps else ()
        parts.append(Video(Frames(pixels=frames, times=times)))
        pixels += sum(frame.shape[0] * frame.shape[1] for frame in frames)
    for name in row.pictures:
        height, width, _ = _decoded(inputs, name, row).shape
        # By its file: how an encoder opens pictures is part of what is checked.
        parts.append(Image(inputs / name))
        pixels += height * width
    if row.text is not None or not parts:
        parts.append(Text(row.text or ""))
    return Case(
        id=row.id,
        content=Content(*parts),
        role=row.role,
        instruction=row.instruction,
        text=row.text or "",
        pictures=len(row.pictures),
        frames=len(row.video_frames or ()),
        pixels=pixels,
    )


def _decoded(inputs: Path, name: str, row: _Row) -> NDArray[np.uint8]:
    """(H, W, 3) of one picture, unscaled."""
    file = inputs / name
    if not file.resolve().is_relative_to(inputs.resolve()):
        raise DataError(f"case {row.id!r}: {name!r} is outside of {inputs}: name a file in it")
    limits = Limits()
    whole = MediaBudget(image_pixels=limits.image_pixels)
    try:
        opened = media.open(Image(file), budget=whole, limits=limits)
    except MediaError as error:
        raise DataError(f"case {row.id!r}: {error}: {_AGAIN}") from None
    assert opened.frames is not None
    return opened.frames.pixels[0]
