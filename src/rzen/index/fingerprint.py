"""Refusing an encoder whose vectors do not belong into an index.

Equal fingerprints promise comparable vectors. Device, number format and library versions are not
part of them, because an index built on a GPU is searched on a laptop; but when they are others than
those the index has met, a few probe contents are encoded once and compared with their vectors
from the index's first day.
"""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from rzen.errors import CatalogError, FingerprintError
from rzen.index import probes
from rzen.index.catalog import Catalog
from rzen.protocols import Encoder
from rzen.types import Fingerprint

_log = logging.getLogger(__name__)

# Least cosine between a probe's vectors. The same weights in bfloat16 and float32 stay above about
# 0.998; another way to resize pictures or int8 weights fall below 0.99.
TOLERANCE = 0.995

_PROBES, _ENVIRONMENTS = "probes", "environments"


def check(catalog: Catalog, encoder: Encoder) -> None:
    """Makes sure that an encoder's vectors are comparable to those of an index.

    Costs nothing when neither fingerprint nor environment has changed. The first check of a
    writable index stores the probes.

    Raises:
        FingerprintError: if they are not; it says what differs, and the way out.
    """
    stored, present = catalog.fingerprint, encoder.fingerprint
    if stored != present:
        raise FingerprintError(_difference(catalog, stored, present))
    environment = dict(present.environment)
    if environment in _known_environments(catalog):
        if catalog.is_writable and catalog.meta(_PROBES) is None:
            catalog.set_meta(_PROBES, _encoded(encoder))
        return
    text = catalog.meta(_PROBES)
    if text is not None:
        _compare(catalog, encoder, json.loads(text))
    elif catalog.counts().records:
        raise FingerprintError(
            f"the index {catalog.folder} cannot be checked: it was made in another environment "
            f"({_changes(stored.environment, environment)}) and holds no probes: open it once "
            "where it was made, with `rzen index FOLDER`, or index into a new one with "
            "--index OTHER.rzen"
        )
    _remember(catalog, environment)


def _difference(catalog: Catalog, stored: Fingerprint, present: Fingerprint) -> str:
    names = [
        field.name
        for field in fields(Fingerprint)
        if field.compare and getattr(stored, field.name) != getattr(present, field.name)
    ]
    parts = [f"{name} {getattr(stored, name)} / {getattr(present, name)}" for name in names]
    way_out = (
        f"index your folders again with --index OTHER.rzen, or delete {catalog.folder} first"
        if stored.encoder == present.encoder
        else f"use the index's own with --encoder {stored.encoder}, or make another index with "
        f"--encoder {present.encoder} --index OTHER.rzen"
    )
    return (
        f"the index {catalog.folder} was made with the encoder {stored.encoder!r}, not with "
        f"{present.encoder!r} as it is here; their vectors cannot be compared (index / here: "
        f"{'; '.join(parts)}): {way_out}"
    )


def _known_environments(catalog: Catalog) -> list[Mapping[str, str]]:
    return [dict(catalog.fingerprint.environment), *_checked(catalog)]


def _checked(catalog: Catalog) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = json.loads(catalog.meta(_ENVIRONMENTS) or "[]")
    return found


def _encoded(encoder: Encoder) -> str:
    """The probes' vectors as JSON; those that cannot be encoded are left out."""
    contents = probes.contents(encoder.modalities)
    encoded = encoder.encode(list(contents.values()), role="document")
    for row, reason in encoded.failed.items():
        _log.warning("cannot encode the probe %r: %s", list(contents)[row], reason)
    return json.dumps(
        {
            name: base64.b64encode(np.asarray(encoded.vectors[row], "<f4").tobytes()).decode()
            for row, name in enumerate(contents)
            if row not in encoded.failed
        }
    )


def _compare(catalog: Catalog, encoder: Encoder, stored: Mapping[str, str]) -> None:
    present: Mapping[str, str] = json.loads(_encoded(encoder))
    cosines = {
        name: float(_vector(text) @ _vector(present[name])) if name in present else 0.0
        for name, text in stored.items()
    }
    worst = min(cosines, key=lambda name: cosines[name], default=None)
    if worst is None or cosines[worst] >= TOLERANCE:
        return
    fingerprint = encoder.fingerprint
    changes = _changes(catalog.fingerprint.environment, fingerprint.environment)
    raise FingerprintError(
        f"the encoder {fingerprint.encoder!r} makes other vectors here than where the index "
        f"{catalog.folder} was made: the cosine for the probe {worst!r} is {cosines[worst]:.4f}, "
        f"at least {TOLERANCE} is needed (index / here: {changes}): restore these versions and "
        "settings, or index into a new one with --index OTHER.rzen"
    )


def _vector(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), "<f4")


def _changes(stored: Mapping[str, str], present: Mapping[str, str]) -> str:
    names = sorted({*stored, *present})
    return "; ".join(
        f"{name} {stored.get(name, '-')} / {present.get(name, '-')}"
        for name in names
        if stored.get(name) != present.get(name)
    )


def _remember(catalog: Catalog, environment: Mapping[str, str]) -> None:
    """So that the probes are not encoded again in this environment."""
    if not catalog.is_writable:
        try:
            with Catalog.open(catalog.folder, write=True) as writable:
                _remember(writable, environment)
        except CatalogError as error:
            _log.info("the probes will be encoded again next time: %s", error)
        return
    if environment not in _checked(catalog):
        environments = [*_checked(catalog), dict(environment)]
        catalog.set_meta(_ENVIRONMENTS, json.dumps(environments))
