"""A query as one unit vector."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rzen.errors import EncoderError, UsageError
from rzen.protocols import Encoder
from rzen.search.query import Query
from rzen.types import Content, Role

# Below this length nothing but rounding is left of a difference of unit vectors.
_NOTHING_LEFT = 1e-3


def query_vector(
    query: Query, encoder: Encoder, instruction: str | None = None
) -> NDArray[np.float32]:
    """Encodes a query: ``normalise(q - w * mean(minus))``, each encoded in the role of a query.

    Returns:
        (D,) unit vector.

    Raises:
        EncoderError: if a part cannot be opened or encoded.
        UsageError: if nothing is left once ``minus`` is taken away.
    """
    contents = [query.content, *query.away]
    vectors = encode_all(contents, encoder, role="query", instruction=instruction)
    asked: NDArray[np.float32] = vectors[0]
    if len(vectors) == 1:
        return asked
    left = asked - query.minus_weight * vectors[1:].mean(axis=0)
    if np.linalg.norm(left) < _NOTHING_LEFT:
        raise UsageError(
            "nothing is left of the query once its minus is taken away: they mean the same"
        )
    return unit_sum([left])


def encode_all(
    contents: Sequence[Content], encoder: Encoder, *, role: Role, instruction: str | None = None
) -> NDArray[np.float32]:
    """Encodes contents of a query, all or none.

    Returns:
        (B, D) unit rows.

    Raises:
        EncoderError: if one of them cannot be encoded, with the reason.
    """
    for content in contents:
        if content.modality not in encoder.modalities:
            known = ", ".join(sorted(encoder.modalities))
            raise EncoderError(
                f"the encoder {encoder.fingerprint.encoder} cannot encode a query with a "
                f"{content.modality}: it knows {known}; choose another with --encoder"
            )
    encoded = encoder.encode(contents, role=role, instruction=instruction)
    if encoded.failed:
        _, reason = next(iter(encoded.failed.items()))
        raise EncoderError(f"the query cannot be encoded: {reason}")
    return encoded.vectors


def unit_sum(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The direction that vectors have together, (D,); zero if they cancel each other out."""
    total: NDArray[np.float64] = np.stack(vectors).sum(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    return (total / length if length > 0 else total).astype(np.float32)
