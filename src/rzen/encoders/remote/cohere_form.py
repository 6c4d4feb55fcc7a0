"""Cohere's /v2/embed, which vLLM serves too.

``{"model", "input_type", "embedding_types": ["float"]}`` with ``texts``, or with ``inputs`` for
models that see, such as embed-v4.0 (each ``{"content": [{"type": "text", "text"}, {"type":
"image_url", "image_url": {"url"}}]}``), and ``output_dimension`` where the model can be cut ->
``{"embeddings": {"float": [...]}}``; 96 texts in a request, five megabytes a picture
(https://docs.cohere.com/reference/embed; for the blocks also CohereEmbedInput in vLLM's
vllm/entrypoints/pooling/embed).

``input_type`` is ``search_query`` or ``search_document``, for pictures too, as
https://docs.cohere.com/docs/embeddings advises for embed-v4.0. It stands where other forms have an
instruction: there is no field for one, and one that is given is left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.remote.form import Asked, Form, Piece, Pieces, joined, matrix


def body(contents: Sequence[Pieces], asked: Asked) -> Mapping[str, Any]:
    """The request for contents of text alone, or for contents of which some have pictures.

    >>> asked = Asked(model="m", role="query", instruction="", dim=256)
    >>> body([[Piece("text", "a boat")]], asked)["texts"]
    ['a boat']
    """
    is_text = all(each.kind == "text" for pieces in contents for each in pieces)
    given = (
        {"texts": [joined(pieces) for pieces in contents]}
        if is_text
        else {"inputs": [{"content": [_block(each) for each in pieces]} for pieces in contents]}
    )
    shorter = {} if asked.dim is None else {"output_dimension": asked.dim}
    return {
        "model": asked.model,
        "input_type": f"search_{asked.role}",
        "embedding_types": ["float"],
        **given,
        **shorter,
    }


def vectors(document: object, count: int) -> NDArray[np.float64]:
    """(N, D), in the order of the contents.

    Raises:
        ValueError: if there is not one vector for each content.
    """
    embeddings = document.get("embeddings") if isinstance(document, dict) else None
    if not isinstance(embeddings, dict) or "float" not in embeddings:
        raise ValueError("sent no vectors in the form of Cohere's embeddings: check the address")
    return matrix(embeddings["float"], count)


FORM: Final = Form(path="/embed", template="cohere-2", texts=96, body=body, vectors=vectors)


def _block(piece: Piece) -> Mapping[str, Any]:
    if piece.kind == "text":
        return {"type": "text", "text": joined([piece])}
    return {"type": "image_url", "image_url": {"url": piece.value}}
