r"""OpenAI's /v1/embeddings: texts in its own form, all media in the chat form that vLLM adds.

Texts: ``{"model", "input": [...], "encoding_format": "float"}`` -> ``{"data": [{"index",
"embedding"}]}``; up to 2,048 texts and 300,000 tokens in a request, no empty strings, and
``dimensions`` where the model can be cut
(https://developers.openai.com/api/reference/resources/embeddings). Texts reach the model as they
are, so an instruction is put before a query as the model cards of Qwen3-Embedding do:
``Instruct: TASK\nQuery:TEXT``; documents have none there, and get none here. Without an instruction
nothing is added: whether a model wants a prefix cannot be asked.

Media: vLLM takes ``messages`` in place of ``input``, one content a request, and puts them through
the model's chat template (EmbeddingChatRequest in vllm/entrypoints/pooling/embed/protocol.py). The
instruction is the system message; without one, whatever the server's template says stands.
Pictures and clips come before texts, as in all of vLLM's
examples/pooling/embed/vision_embedding_online.py.

Qwen3-VL-Embedding's published vectors come about only if the prompt ends inside an answer, with the
special tokens added, and a system message always there (run_qwen3_vl in the same file; vLLM's issue
33167). It is known by its name: serve it under one that contains ``qwen3-vl-embedding``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.remote.form import Asked, Form, Pieces, joined, matrix
from rzen.encoders.templates import qwen3_vl_system


def text_body(contents: Sequence[Pieces], asked: Asked) -> Mapping[str, Any]:
    r"""The request for contents of text alone.

    >>> from rzen.encoders.remote.form import Piece
    >>> asked = Asked(model="m", role="query", instruction="Find it", dim=None)
    >>> text_body([[Piece("text", "a boat")]], asked)["input"]
    ['Instruct: Find it\nQuery:a boat']
    """
    texts = [joined(pieces) for pieces in contents]
    if asked.instruction and asked.role == "query":
        texts = [f"Instruct: {asked.instruction}\nQuery:{text}" for text in texts]
    return {"model": asked.model, "input": texts, **_common(asked)}


def chat_body(contents: Sequence[Pieces], asked: Asked) -> Mapping[str, Any]:
    """The request for one content of any media.

    >>> from rzen.encoders.remote.form import Piece
    >>> asked = Asked(model="m", role="document", instruction="", dim=None)
    >>> chat_body([[Piece("text", "a boat")]], asked)["messages"]
    [{'role': 'user', 'content': [{'type': 'text', 'text': 'a boat'}]}]
    """
    system = [_says("system", asked.instruction)] if asked.instruction else []
    return {"model": asked.model, "messages": [*system, _user(contents)], **_common(asked)}


def open_chat_body(contents: Sequence[Pieces], asked: Asked) -> Mapping[str, Any]:
    """The request for one content, as Qwen3-VL-Embedding is asked.

    >>> from rzen.encoders.remote.form import Piece
    >>> asked = Asked(model="m", role="document", instruction="Find it", dim=None)
    >>> body = open_chat_body([[Piece("text", "a boat")]], asked)
    >>> [message["role"] for message in body["messages"]], body["continue_final_message"]
    (['system', 'user', 'assistant'], True)
    """
    return {
        "model": asked.model,
        "messages": [
            _says("system", qwen3_vl_system(asked.instruction)),
            _user(contents),
            _says("assistant", ""),
        ],
        "continue_final_message": True,
        "add_special_tokens": True,
        **_common(asked),
    }


def vectors(document: object, count: int) -> NDArray[np.float64]:
    """(N, D), ordered by ``index``.

    Raises:
        ValueError: if there is not one vector for each content.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise ValueError("sent no vectors in the form of embeddings: check the address")
    if len(data) != count:
        raise ValueError(f"sent {len(data)} vectors for {count} contents")
    found = {each["index"]: each for each in data if type(each.get("index")) is int}
    if found.keys() != set(range(count)):
        raise ValueError(f"sent vectors whose indices are not 0 to {count - 1}")
    return matrix([found[index].get("embedding") for index in range(count)], count)


TEXT: Final = Form(
    path="/embeddings", template="openai-text-1", texts=64, body=text_body, vectors=vectors
)
CHAT: Final = Form(
    path="/embeddings", template="openai-chat-1", texts=1, body=chat_body, vectors=vectors
)
OPEN_CHAT: Final = Form(
    path="/embeddings", template="openai-open-chat-1", texts=1, body=open_chat_body, vectors=vectors
)


def form_for(model: str, *, sees: bool) -> Form:
    """The form that a model is asked in.

    >>> form_for("Qwen/Qwen3-VL-Embedding-2B", sees=True).template
    'openai-open-chat-1'
    """
    if not sees:
        return TEXT
    return OPEN_CHAT if "qwen3-vl-embedding" in model.lower() else CHAT


def _common(asked: Asked) -> Mapping[str, Any]:
    shorter = {} if asked.dim is None else {"dimensions": asked.dim}
    return {"encoding_format": "float", **shorter}


def _says(role: str, text: str) -> Mapping[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _user(contents: Sequence[Pieces]) -> Mapping[str, Any]:
    (pieces,) = contents
    media = [each for each in pieces if each.kind != "text"]
    content = [
        {"type": f"{each.kind}_url", f"{each.kind}_url": {"url": each.value}} for each in media
    ]
    if len(media) < len(pieces):
        return {"role": "user", "content": [*content, {"type": "text", "text": joined(pieces)}]}
    return {"role": "user", "content": content}
