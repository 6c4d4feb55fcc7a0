"""Language models in GGUF files of some hundred kilobytes, made for a test.

Two kinds, both Llamas of two layers that llama.cpp and transformers read. A *scripted* one looks at
the last token alone and says what the test wants; a *random* one looks at the whole conversation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPECIAL = ("<unk>", "<s>", "</s>")
UNKNOWN, BEGIN, END = range(3)
BLANK = "\u2581"  # how SentencePiece writes a blank
TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)

WINDOW = 512
WIDTH, HEADS, LAYERS, INNER = 64, 4, 2, 96

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # of gguf.TokenType


def scripted(
    file: Path,
    script: Sequence[str],
    *,
    template: str | None = TEMPLATE,
    window: int | None = WINDOW,
    again: bool = False,
) -> Path:
    """A model that says the pieces of a script, one token each, whatever it is asked.

    Args:
        file: to be written.
        script: pieces, all different, such as "The", " boat", or "<0xFF>" for a single byte.
        template: the chat template, whose prompt must end with "]"; ``None`` leaves it out, and the
            prompt must end with ":".
        window: tokens of context that it claims to be made for; ``None`` leaves it out.
        again: whether it begins again at the end, for ever.
    """
    pieces = [piece.replace(" ", BLANK) for piece in script]
    words = _vocabulary(pieces)
    steps = [words.index(piece) for piece in pieces]
    before = [words.index(":" if template is None else "]"), *steps]
    after = [*steps, steps[0] if again else END]
    assert len(set(before)) == len(before), "a token can be followed by one other only"
    embedding_VD = _directions(len(words))
    output_VD = np.zeros_like(embedding_VD)
    np.add.at(output_VD, after, embedding_VD[before])
    tensors = _layers(np.random.default_rng(0), spread=0.0)
    tensors |= {"token_embd.weight": embedding_VD, "output.weight": output_VD}
    return _write(file, words, tensors, template, window)


def random(
    file: Path, *, seed: int = 0, template: str | None = TEMPLATE, window: int = WINDOW
) -> Path:
    """A model whose answer depends on all of the conversation, in letters without a sense."""
    rng = np.random.default_rng(seed)
    words = _vocabulary([f"{BLANK}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"])
    tensors = _layers(rng, spread=0.3)
    output_VD = rng.normal(size=(len(words), WIDTH)).astype(np.float32)
    # Neither the end nor half a character.
    output_VD[[at for at, word in enumerate(words) if word.startswith("<")]] = 0
    tensors |= {"token_embd.weight": _directions(len(words)), "output.weight": output_VD}
    return _write(file, words, tensors, template, window)


def _vocabulary(pieces: Sequence[str]) -> list[str]:
    """Special tokens, all bytes, what can be typed, the blank, and the pieces."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = [chr(code) for code in range(33, 127)]
    return list(dict.fromkeys([*SPECIAL, *bytes_, *letters, BLANK, *pieces]))


def _directions(count: int) -> NDArray[np.float32]:
    """(V, D) vectors of length one, none near to another."""
    vectors_VD = np.random.default_rng(1).normal(size=(count, WIDTH))
    vectors_VD /= np.linalg.norm(vectors_VD, axis=1, keepdims=True)
    return vectors_VD.astype(np.float32)


def _layers(rng: np.random.Generator, *, spread: float) -> dict[str, NDArray[np.float32]]:
    """Weights between the embeddings and the output; with spread 0 they change nothing."""
    tensors = {"output_norm.weight": np.ones(WIDTH, np.float32)}
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, WIDTH),
        "attn_v": (WIDTH, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (INNER, WIDTH),
        "ffn_up": (INNER, WIDTH),
        "ffn_down": (WIDTH, INNER),
    }
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"blk.{layer}.{name}.weight"] = np.ones(WIDTH, np.float32)
        for name, shape in shapes.items():
            values = rng.normal(scale=spread, size=shape) if spread else np.zeros(shape)
            tensors[f"blk.{layer}.{name}.weight"] = values.astype(np.float32)
    return tensors


def _kind(word: str) -> int:
    if word == SPECIAL[UNKNOWN]:
        return _UNKNOWN
    if word in SPECIAL:
        return _CONTROL
    return _BYTE if word.startswith("<0x") else _NORMAL


def _write(
    file: Path,
    words: Sequence[str],
    tensors: dict[str, NDArray[np.float32]],
    template: str | None,
    window: int | None,
) -> Path:
    import gguf

    writer: Any = gguf.GGUFWriter(str(file), "llama")
    if window is not None:
        writer.add_context_length(window)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(words))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([word.encode() for word in words])
    writer.add_token_scores([-float(at) for at in range(len(words))])
    writer.add_token_types([_kind(word) for word in words])
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_space_prefix(False)  # llama.cpp would put a blank first, transformers not
    if template is not None:
        writer.add_chat_template(template)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
