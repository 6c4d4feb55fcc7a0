"""Encodes the contents of a set, each one once, in batches that outlive the process.

Shape suffixes: N contents, D dimensions.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rzen.errors import EncoderError, MediaError
from rzen.evaluation.outcome import Cost
from rzen.evaluation.vector_cache import CachedVector, VectorCache, vector_key
from rzen.media.content_digest import content_digest
from rzen.protocols import Encoder
from rzen.types import MODALITIES, Content, Encoded, Modality, Role, Vectors

BATCH: Mapping[Modality, int] = {"text": 64, "image": 64, "page": 32, "video": 8}
"""Contents encoded between two commits: a few seconds of work, whatever the modality."""

UNIT_TOLERANCE = 1e-3
"""How far a vector's length may be from 1: that of bfloat16 is off by less."""

_READ_AT_ONCE = 2048

OnStep: TypeAlias = Callable[[Modality, int, int, float], None]
"""Called with modality, contents done, those of them that were encoded, and seconds it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingTask:
    """How contents are encoded, and whose they are.

    Attributes:
        set_name: the set they belong to, for messages.
        role: whether they are queries or documents.
        instruction: the task, for encoders that follow instructions.
    """

    set_name: str
    role: Role
    instruction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedContents:
    """What became of N contents.

    Attributes:
        ids: of the contents, in their order.
        vectors: (N, D) unit rows; those of failed contents are zero.
        failed: id -> why it could not be encoded.
        digests: id -> digest of the content; those that cannot be read have none.
        warnings: id -> what the encoder had to say about it.
        cost: what it took.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    failed: Mapping[str, str]
    digests: Mapping[str, bytes]
    warnings: Mapping[str, tuple[str, ...]]
    cost: Cost


def encode_contents(
    contents: Mapping[str, Content],
    encoder: Encoder,
    cache: VectorCache,
    task: EncodingTask,
    *,
    on_step: OnStep | None = None,
) -> EncodedContents:
    """Encodes contents that the cache does not hold, and keeps their vectors there.

    A content that stands under several ids is encoded once. One that cannot be opened fails alone.
    Batches hold contents of one modality.

    Args:
        contents: id -> content.
        encoder: the encoder.
        cache: of this encoder's vectors.
        task: how, and for which set.
        on_step: called after each step.

    Raises:
        EncoderError: if the encoder gives something else than unit vectors of its dimension.
    """
    work = _Work(contents, encoder, task, on_step)
    keys = list(work.waiting)
    for start in range(0, len(keys), _READ_AT_ONCE):
        for key, known in cache.get_many(keys[start : start + _READ_AT_ONCE]).items():
            work.put(key, known)
    for batch in work.batches():
        made = work.encode(batch)
        cache.put_many(made)
    return work.result()


def peak_bytes() -> int:
    """The largest resident memory of this process so far; 0 where the system does not tell."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class _Work:
    """The state of one call: which contents wait for a vector, and what the others got."""

    def __init__(
        self,
        contents: Mapping[str, Content],
        encoder: Encoder,
        task: EncodingTask,
        on_step: OnStep | None,
    ) -> None:
        self.waiting: dict[bytes, list[str]] = defaultdict(list)
        self._contents = contents
        self._encoder = encoder
        self._task = task
        self._on_step = on_step
        self._row = {name: row for row, name in enumerate(contents)}
        self._vectors_ND = np.zeros((len(contents), encoder.dim), np.float32)
        self._failed: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}
        self._warnings: dict[str, tuple[str, ...]] = {}
        self._items, self._cached, self._seconds = 0, 0, 0.0
        self._tokens: int | None = 0
        for name, content in contents.items():
            try:
                self._digests[name] = content_digest(content)
            except MediaError as error:
                self._failed[name] = str(error)
                self._tell(content.modality, 1, 0, 0.0)
                continue
            self.waiting[vector_key(self._digests[name], task.role, task.instruction)].append(name)

    def put(self, key: bytes, made: CachedVector) -> None:
        """Gives a vector that was known to all ids of its content."""
        names = self._place(key, made)
        self._cached += 1
        self._tell(self._modality(names), len(names), 0, 0.0)

    def batches(self) -> Iterator[list[bytes]]:
        """Keys of what still waits, by modality."""
        by_modality: dict[Modality, list[bytes]] = {name: [] for name in MODALITIES}
        for key, names in self.waiting.items():
            by_modality[self._modality(names)].append(key)
        for modality, keys in by_modality.items():
            for start in range(0, len(keys), BATCH[modality]):
                yield keys[start : start + BATCH[modality]]

    def encode(self, keys: Sequence[bytes]) -> dict[bytes, CachedVector]:
        """Encodes a batch; returns what is worth keeping."""
        firsts = [self.waiting[key][0] for key in keys]
        modality = self._modality(firsts)
        contents = [self._contents[name] for name in firsts]
        started = time.monotonic()
        encoded = self._encoder.encode(
            contents, role=self._task.role, instruction=self._task.instruction
        )
        seconds = time.monotonic() - started
        vectors_ND = _checked(encoded, firsts, self._encoder, self._task)
        made: dict[bytes, CachedVector] = {}
        count = 0
        for row, key in enumerate(keys):
            count += len(self.waiting[key])
            if row in encoded.failed:
                reason = str(encoded.failed[row])
                self._failed |= dict.fromkeys(self.waiting.pop(key), reason)
                continue
            warnings = tuple(map(str, encoded.warnings.get(row, ())))
            made[key] = CachedVector(vector=vectors_ND[row], warnings=warnings)
            self._place(key, made[key])
        self._items += len(made)
        self._seconds += seconds
        known = self._tokens is not None and encoded.tokens is not None
        self._tokens = (self._tokens or 0) + (encoded.tokens or 0) if known else None
        self._tell(modality, count, len(keys), seconds)
        return made

    def result(self) -> EncodedContents:
        """The whole, once nothing waits."""
        assert not self.waiting, "every content is encoded or failed"
        names = tuple(self._contents)
        return EncodedContents(
            ids=names,
            vectors=self._vectors_ND,
            failed=self._failed,
            digests=self._digests,
            warnings=self._warnings,
            cost=Cost(
                items=self._items,
                cached=self._cached,
                seconds=self._seconds,
                tokens=self._tokens,
                peak_bytes=peak_bytes(),
            ),
        )

    def _place(self, key: bytes, made: CachedVector) -> list[str]:
        names = self.waiting.pop(key)
        for name in names:
            self._vectors_ND[self._row[name]] = made.vector
            if made.warnings:
                self._warnings[name] = made.warnings
        return names

    def _modality(self, names: Sequence[str]) -> Modality:
        return self._contents[names[0]].modality

    def _tell(self, modality: Modality, count: int, encoded: int, seconds: float) -> None:
        if self._on_step is not None:
            self._on_step(modality, count, encoded, seconds)


def _checked(
    encoded: Encoded, names: Sequence[str], encoder: Encoder, task: EncodingTask
) -> Vectors:
    """The vectors, scaled to unit length in float32.

    A vector that is off would not stop anything: NaN compares with nothing, and a long vector wins
    every search. So the run ends here, and says whose fault it is.
    """
    where = f"set {task.set_name!r}"
    who = f"the encoder {encoder.fingerprint.encoder!r}"
    wide_ND = np.asarray(encoded.vectors, np.float64)
    if wide_ND.shape != (len(names), encoder.dim):
        raise EncoderError(
            f"{who} gave an array {wide_ND.shape} for {len(names)} contents of {where}, not "
            f"{(len(names), encoder.dim)}: its dim is not that of its vectors, or rows are missing"
        )
    norms_N = np.linalg.norm(wide_ND, axis=1)
    for row, norm in enumerate(norms_N.tolist()):
        if row in encoded.failed or abs(norm - 1.0) <= UNIT_TOLERANCE:
            continue
        raise EncoderError(
            f"{who} gave {_problem(wide_ND[row], norm)} for the {task.role} {names[row]!r} of "
            f"{where}: its scores would mean nothing; an encoder gives unit vectors, or says which "
            "content failed"
        )
    scale_N = np.where(norms_N > 0, norms_N, 1.0)
    return (wide_ND / scale_N[:, None]).astype(np.float32)


def _problem(vector_D: np.typing.NDArray[np.float64], norm: float) -> str:
    if np.isnan(vector_D).any():
        return "NaN"
    if np.isinf(vector_D).any():
        return "infinite values"
    if norm == 0:
        return "a zero vector"
    return f"a vector of length {norm:.4g}"
