"""Does an exported folder give rzen's vectors? Asked in a process that cannot import rzen."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.export import plain
from rzen.encoders.export.probes import Probe
from rzen.encoders.vision_language.pixels import Pixels
from rzen.errors import EncoderError
from rzen.protocols import Encoder

TOLERANCE = 1e-4
"""Cosine distance that is the same vector: libraries resize and add up in other orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one probe.

    Attributes:
        name: of the probe.
        distance: cosine distance between the folder's vector and the encoder's.
        expressed: the same to the vector that can be expressed in such a folder.
        because: why the two may differ; empty where they may not.
    """

    name: str
    distance: float
    expressed: float
    because: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the folder gives what it should."""
        near = self.distance <= TOLERANCE or bool(self.because)
        return self.expressed <= TOLERANCE and near


def without_rzen(
    folder: Path,
    probes: Sequence[Probe],
    prompts: Sequence[str | None],
    pictures: Mapping[str, Any],
) -> NDArray[np.float32]:
    """(N, D): the vectors that plain sentence-transformers makes.

    Args:
        folder: the exported one.
        probes: N contents.
        prompts: N prompts; ``None`` means none.
        pictures: by name.

    Raises:
        EncoderError: if it cannot load the folder, or cannot encode.
    """
    with tempfile.TemporaryDirectory(prefix="rzen-export-") as place:
        job, vectors = Path(place, "job.json"), Path(place, "vectors.npy")
        np.savez(Path(place, "pictures.npz"), **pictures)
        cases = [
            {"parts": probe.parts, "prompt": prompt, "role": probe.role}
            for probe, prompt in zip(probes, prompts, strict=True)
        ]
        document = {
            "folder": str(folder),
            "pictures": str(Path(place, "pictures.npz")),
            "vectors": str(vectors),
            "cases": cases,
        }
        job.write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-I", str(plain.__file__), str(job)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise EncoderError(
                "plain sentence-transformers cannot use the exported model: "
                f"{said[-1] if said else f'it ended with status {done.returncode}'}: nothing was "
                "written; this combination of model and library versions cannot be exported"
            )
        found: NDArray[np.float32] = np.load(vectors)
    return found


def by_rzen(
    encoder: Encoder, probes: Sequence[Probe], pictures: Mapping[str, Pixels], default: str | None
) -> NDArray[np.float32]:
    """(N, D): rzen's vectors.

    Args:
        encoder: rzen's.
        probes: N contents.
        pictures: by name.
        default: instruction of probes that have neither an instruction nor a role.

    Raises:
        EncoderError: if it cannot encode one.
    """
    vectors = []
    for probe in probes:
        said = probe.instruction
        encoded = encoder.encode(
            [probe.content(pictures)],
            role=probe.role or "query",
            instruction=said if said is not None or probe.role else default,
        )
        vectors.append(np.asarray(encoded)[0])
    return np.stack(vectors)


def distances(one_ND: NDArray[np.float32], other_ND: NDArray[np.float32]) -> list[float]:
    """N cosine distances; infinite where there is no vector.

    >>> distances(np.array([[1, 0], [0, 0]], np.float32), np.array([[2, 0], [1, 0]], np.float32))
    [0.0, inf]
    """
    one_ND, other_ND = one_ND.astype(np.float64), other_ND.astype(np.float64)
    lengths_N = np.linalg.norm(one_ND, axis=1) * np.linalg.norm(other_ND, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found_N = 1 - (one_ND * other_ND).sum(1) / lengths_N
    return [max(0.0, float(each)) if np.isfinite(each) else float("inf") for each in found_N]


def demand(outcomes: Sequence[Outcome]) -> None:
    """Raises EncoderError if a folder does not give what it should, and names the probes."""
    bad = [each for each in outcomes if not each.agrees]
    if bad:
        named = ", ".join(
            f"{each.name} ({max(each.expressed, 0 if each.because else each.distance):.1e})"
            for each in bad
        )
        raise EncoderError(
            f"plain sentence-transformers gives other vectors than rzen: {named}; at most "
            f"{TOLERANCE:.0e} of cosine distance is allowed: nothing was written; please report "
            "this with the names of the model and the template"
        )
