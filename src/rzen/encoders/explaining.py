"""What encoders that explain themselves have in common.

Shape suffixes: X cells or tokens, in any shape; D dimensions; K of them that are compared.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.opening import OpenPart
from rzen.encoders.rows import unit
from rzen.errors import EncoderError
from rzen.protocols import Encoder
from rzen.types import Content


def asked(
    query: Content | NDArray[np.float32], encoder: Encoder, instruction: str | None
) -> NDArray[np.float32]:
    """The query's unit vector, (K,).

    Args:
        query: to be encoded, or a vector.
        encoder: which may be asked, and whose dimension the vector must have, or fewer.
        instruction: of a query that is encoded here.

    Raises:
        EncoderError: if it cannot be encoded, or is no vector of this encoder's.
    """
    if isinstance(query, Content):
        encoded = encoder.encode([query], role="query", instruction=instruction)
        if encoded.failed:
            raise EncoderError(f"the query cannot be encoded: {encoded.failed[0]}")
        return np.asarray(encoded.vectors[0], np.float32)
    vector_K = np.asarray(query)
    if vector_K.ndim != 1 or not 1 <= len(vector_K) <= encoder.dim:
        raise EncoderError(
            f"a query of shape {vector_K.shape} is no vector of this encoder: give a content, or "
            f"one vector of at most {encoder.dim} dimensions"
        )
    if not np.isfinite(vector_K).all() or not vector_K.any():
        raise EncoderError("the query's vector is zero or not finite: nothing is like it")
    return unit(vector_K)


def cosines(states_XD: NDArray[np.floating], query_K: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each state and the query, as many of its dimensions as the query has.

    >>> cosines(np.array([[3.0, 4.0, 9.0], [0.0, -2.0, 0.0]]), np.array([0.0, 1.0])).round(1)
    array([ 0.8, -1. ], dtype=float32)
    """
    return np.asarray(unit(states_XD[..., : len(query_K)]) @ query_K, np.float32)


def check_seen(parts: Sequence[OpenPart]) -> None:
    """Raises where there is no picture in a content.

    Raises:
        EncoderError: then.
    """
    if not any(part.pixels for part in parts):
        raise EncoderError("a text has no map: only pictures, pages and videos can be explained")


def time_of(part: OpenPart, frame: int) -> float | None:
    """When a frame is, in seconds from the start of the file; ``None`` where nobody says."""
    assert part.frames is not None, "a text has no frames"
    times = part.frames.times
    return times[frame] if frame < len(times) else None
