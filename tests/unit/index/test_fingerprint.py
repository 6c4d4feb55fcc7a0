"""Which encoder may search an index."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from rzen.errors import FingerprintError
from rzen.index import fingerprint, probes
from rzen.index.catalog import Catalog
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    Frames,
    MediaBudget,
    Modality,
    Page,
    Record,
    Role,
    Text,
)


class Fake:
    """An encoder whose vectors drift with its environment by a given angle."""

    dim = 8
    modalities: frozenset[Modality] = frozenset(MODALITIES)
    budget = MediaBudget()
    calibration: Mapping[Modality, Calibration] = MappingProxyType({})

    def __init__(self, print_: Fingerprint, angle: float = 0.0) -> None:
        self.fingerprint = print_
        self.angle = angle
        self.calls = 0
        self.broken: set[int] = set()

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        del role, instruction, dim
        self.calls += 1
        vectors = np.zeros((len(contents), self.dim), np.float32)
        vectors[:, 0], vectors[:, 1] = np.cos(self.angle), np.sin(self.angle)
        return Encoded(vectors=vectors, failed=dict.fromkeys(self.broken, "cannot"))


@pytest.fixture
def fingerprint_(catalog: Catalog) -> Fingerprint:
    return catalog.fingerprint


def elsewhere(print_: Fingerprint) -> Fingerprint:
    return replace(print_, environment={"device": "cuda", "numpy": "2"})


def test_the_same_environment_costs_nothing(catalog: Catalog, fingerprint_: Fingerprint) -> None:
    """Guards against encoding probes at every start."""
    encoder = Fake(fingerprint_)
    fingerprint.check(catalog, encoder)
    assert encoder.calls == 1, "the first check of a new index stores the probes"
    fingerprint.check(catalog, encoder)
    assert encoder.calls == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", "w2"),
        ("dim", 16),
        ("budget", MediaBudget(frames=5)),
        ("pooling", "mean"),
        ("template", "t2"),
    ],
)
def test_another_encoder_is_refused_with_the_way_out(
    catalog: Catalog, fingerprint_: Fingerprint, field: str, value: object
) -> None:
    """Guards against hits that mean nothing, and against a refusal nobody can act on."""
    other = replace(fingerprint_, encoder="other", **{field: value})  # type: ignore[arg-type]
    with pytest.raises(FingerprintError) as caught:
        fingerprint.check(catalog, Fake(other))
    message = str(caught.value)
    for part in ("'dummy'", "'other'", field, "--encoder dummy", "--index OTHER.rzen"):
        assert part in message


def test_a_near_environment_is_checked_once(
    catalog: Catalog, folder: Path, fingerprint_: Fingerprint
) -> None:
    """Guards against refusing an index from a GPU, and against checking it each time."""
    fingerprint.check(catalog, Fake(fingerprint_))
    catalog.close()
    encoder = Fake(elsewhere(fingerprint_), angle=0.05)
    with Catalog.open(folder) as reader:
        fingerprint.check(reader, encoder)
        assert encoder.calls == 1
        fingerprint.check(reader, encoder)
        assert encoder.calls == 1, "remembered, although the reader cannot write"


def test_a_far_environment_is_refused(catalog: Catalog, fingerprint_: Fingerprint) -> None:
    """Guards against a library update that changes how pictures are resized."""
    fingerprint.check(catalog, Fake(fingerprint_))
    far = Fake(elsewhere(fingerprint_), angle=0.2)
    for _ in range(2):
        with pytest.raises(FingerprintError, match=r"0\.98.*device cpu / cuda"):
            fingerprint.check(catalog, far)
    broken = Fake(elsewhere(fingerprint_))
    broken.broken = {2}
    with pytest.raises(FingerprintError, match="cosine"):
        fingerprint.check(catalog, broken)


def test_an_index_without_probes(catalog: Catalog, fingerprint_: Fingerprint) -> None:
    """Guards against trusting what cannot be checked; an empty index needs no check."""
    fingerprint.check(catalog, Fake(elsewhere(fingerprint_)))
    vector = np.eye(8, dtype=np.float32)[0]
    catalog.put("/a", 1, 1, "c", [Record(id="c", modality="text", vector=vector)])
    third = replace(fingerprint_, environment={"device": "tpu"})
    with pytest.raises(FingerprintError, match="holds no probes"):
        fingerprint.check(catalog, Fake(third))


def test_probes_are_the_same_for_ever() -> None:
    """Guards against a change to the probes, which would refuse every older index."""
    digest = hashlib.sha256()
    for name, content in probes.contents(frozenset(MODALITIES)).items():
        digest.update(name.encode())
        for part in content.parts:
            if isinstance(part, Text | Page):
                digest.update((part.text or "").encode())
            if not isinstance(part, Text):
                assert isinstance(part.source, Frames)
                for frame in part.source.pixels:
                    digest.update(frame.tobytes())
    assert digest.hexdigest()[:16] == "eff018452354c9d2"
    assert set(probes.contents(frozenset({"text"}))) == {f"text {n}" for n in range(4)}
