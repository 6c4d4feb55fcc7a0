"""Does an encoder give the vectors that were published for its model?

Re-implementations of one model have lost 7 to 9 points by pooling the wrong state, by an
instruction in the wrong turn, by instructed candidates, or by video that was given as something
else. Scores show that late and do not say why. Here a folder of inputs, with the vectors that the
model's own code gives for them, is encoded again and compared case by case; which cases differ
tells what is wrong.

Shape suffixes: N cases, D dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.errors import DataError, UsageError
from rzen.evaluation.fidelity.cases import Case, read_folder
from rzen.evaluation.fidelity.suspects import suspects, unseen
from rzen.protocols import Encoder
from rzen.types import Role

FLOAT32_TOLERANCE = 1e-4
"""Cosine distance that float32 on another machine or version stays below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How far an encoder is from the published vectors.

    Attributes:
        distances: case -> cosine distance in [0, 2], in the order of the cases.
        tolerance: the largest distance that passes.
        failed: case -> why it could not be encoded; such cases have no distance.
        warnings: case -> what the encoder said about it.
        suspects: likely causes of what differs, the likeliest first; sentences.
        unseen: defects that these cases could not show; sentences.
    """

    distances: Mapping[str, float]
    tolerance: float
    failed: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    suspects: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def faithful(self) -> bool:
        """Whether every case was encoded and none differs."""
        return not self.failed and not self.differing

    @property
    def differing(self) -> tuple[str, ...]:
        """The cases farther off than the tolerance.

        >>> Fidelity(distances={"text": 0.0, "image": 0.3}, tolerance=0.1).differing
        ('image',)
        """
        return tuple(name for name, far in self.distances.items() if far > self.tolerance)

    @property
    def worst(self) -> tuple[str, float] | None:
        """The case that is farthest off and its distance; ``None`` if none could be encoded.

        >>> Fidelity(distances={"text": 0.0, "image": 0.3}, tolerance=0.1).worst
        ('image', 0.3)
        """
        return max(self.distances.items(), key=lambda item: item[1], default=None)


def check(encoder: Encoder, folder: Path, *, tolerance: float = FLOAT32_TOLERANCE) -> Fidelity:
    """Encodes the cases of a folder and compares them with the vectors published for them.

    The folder's format is that of :mod:`rzen.evaluation.fidelity.cases`.

    Args:
        encoder: what is checked.
        folder: with ``cases.json``, ``inputs`` and ``reference.npy``.
        tolerance: cosine distance that still passes. The default is for float32; bfloat16 needs
            more, the more the deeper the model is: 1e-4 with three layers, up to 5e-3 with dozens.

    Raises:
        DataError: if the folder cannot be read, or its vectors have another dimension than the
            encoder's.
        UsageError: if ``tolerance`` is not above 0 and below 2.
    """
    if not 0.0 < tolerance < 2.0:
        raise UsageError(
            f"a tolerance of {tolerance} makes no sense for cosine distances, which run from 0 to "
            "2: give 1e-4 for float32, 5e-3 for bfloat16"
        )
    cases, reference_ND = read_folder(folder)
    if encoder.dim != reference_ND.shape[1]:
        raise DataError(
            f"{folder / 'reference.npy'}: vectors of {reference_ND.shape[1]} dimensions, but "
            f"{encoder.fingerprint.encoder} makes {encoder.dim}: give the encoder that they were "
            "published for, or the folder of this one"
        )
    vectors_ND, failed, warnings = _encode(cases, encoder)
    good = [row for row, case in enumerate(cases) if case.id not in failed]
    compared = [cases[row] for row in good]
    distances = _distances(vectors_ND[good], reference_ND[good])
    return Fidelity(
        distances={case.id: far for case, far in zip(compared, distances, strict=True)},
        tolerance=tolerance,
        failed=failed,
        warnings=warnings,
        suspects=tuple(suspects(compared, distances, tolerance)),
        unseen=tuple(unseen(compared)),
    )


def _encode(
    cases: Sequence[Case], encoder: Encoder
) -> tuple[NDArray[np.float64], dict[str, str], dict[str, Sequence[str]]]:
    """(N, D) vectors, and by case what failed and what the encoder warned of.

    There is one call for each role and instruction that the cases have.
    """
    vectors_ND = np.zeros((len(cases), encoder.dim))
    failed: dict[str, str] = {}
    warnings: dict[str, Sequence[str]] = {}
    calls: dict[tuple[Role, str | None], list[int]] = {}
    for row, case in enumerate(cases):
        calls.setdefault((case.role, case.instruction), []).append(row)
    for (role, instruction), rows in calls.items():
        contents = [cases[row].content for row in rows]
        # None would be the encoder's own default, and the published vectors have none.
        encoded = encoder.encode(contents, role=role, instruction=instruction or "")
        assert encoded.vectors.shape == (len(rows), encoder.dim), encoded.vectors.shape
        vectors_ND[rows] = encoded.vectors
        failed |= {cases[rows[at]].id: reason for at, reason in encoded.failed.items()}
        warnings |= {cases[rows[at]].id: tuple(told) for at, told in encoded.warnings.items()}
    norms_N = np.linalg.norm(vectors_ND, axis=1)
    for case, norm in zip(cases, norms_N.tolist(), strict=True):
        if not (np.isfinite(norm) and norm > 0):
            failed.setdefault(case.id, "the encoder gave no usable vector (zero or not finite)")
    return vectors_ND, failed, warnings


def _distances(vectors_ND: NDArray[np.float64], reference_ND: NDArray[np.float64]) -> list[float]:
    """Cosine distances, row by row.

    Half the squared chord of unit vectors is one minus their cosine, without its rounding.
    """
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return [float(far) for far in ((unit_ND - reference_ND) ** 2).sum(axis=1) / 2]
