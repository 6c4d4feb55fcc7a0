"""The files of an exported folder that are no weights."""

import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rzen.encoders.export.chat import written
from rzen.encoders.families import Family
from rzen.encoders.loading import NOTE
from rzen.encoders.templates import Template
from rzen.errors import EncoderError

CHAT_TEMPLATE = "chat_template.jinja"
_AS_THEY_ARE = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "video_preprocessor_config.json",
    "generation_config.json",
    "LICENSE*",
    "NOTICE*",
)
_MODULES = {
    "": "sentence_transformers.base.modules.transformer.Transformer",
    "1_Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "2_Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
_LIBRARIES = {
    "sentence_transformers": "sentence-transformers",
    "transformers": "transformers",
    "pytorch": "torch",
}


def write(
    source: Path,
    target: Path,
    family: Family,
    template: Template,
    *,
    dim: int,
    dtype: str | None,
) -> None:
    """Writes configuration, tokenizer, processor and chat template beside the weights.

    Args:
        source: the checkpoint.
        target: the exported folder.
        family: of the checkpoint; one that rzen runs itself.
        template: that prompts are written by.
        dim: of its vectors.
        dtype: of the weights; ``None`` means as config.json has it.

    Raises:
        EncoderError: if the checkpoint lacks a file.
    """
    assert family.look is not None, "sentence-transformers runs the other families"
    for pattern in _AS_THEY_ARE:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)
    write_json(target / "config.json", with_dtype(_read(source / "config.json"), dtype))
    tokenizer = _read(source / "tokenizer_config.json")
    tokenizer.pop("chat_template", None)
    write_json(target / "tokenizer_config.json", tokenizer)
    write_json(
        target / "preprocessor_config.json",
        _preprocessor(_read(source / "preprocessor_config.json"), family),
    )
    chat = written(template, family.instructions, _special(target))
    (target / CHAT_TEMPLATE).write_text(chat, encoding="utf-8")
    _write_modules(target, dim, family.look.tokens)
    write_json(target / "config_sentence_transformers.json", _prompts(family))


def write_note(
    target: Path,
    family: Family,
    template: Template | None,
    *,
    look: Mapping[str, Any] | None = None,
    differs: str | None = None,
) -> None:
    """Writes what rzen itself reads: whose the model is, and how it is asked for its true vectors.

    Args:
        target: the exported folder.
        family: of the model.
        template: its template; ``None`` where sentence-transformers runs it.
        look: how it was trained to look, where that is not as its family does.
        differs: what plain sentence-transformers gives otherwise.
    """
    note: dict[str, Any] = {"family": family.name}
    if template is not None:
        note["template"] = template.name
    if look:
        note["look"] = dict(look)
    if differs:
        note["plain_sentence_transformers"] = differs
    write_json(target / NOTE, note)


def with_dtype(config: dict[str, Any], dtype: str | None) -> dict[str, Any]:
    """A config.json whose weights are of another dtype; ``None`` means as it is."""
    if dtype is None:
        return config
    kept = {
        name: with_dtype(value, dtype) if name in {"text_config", "vision_config"} else value
        for name, value in config.items()
        if name != "torch_dtype"
    }
    return {**kept, "dtype": dtype}


def write_json(file: Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Writes a file of a model."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")


def versions() -> dict[str, str]:
    """Of the libraries, as sentence-transformers calls them."""
    return {name: importlib.metadata.version(each) for name, each in _LIBRARIES.items()}


def _preprocessor(config: dict[str, Any], family: Family) -> dict[str, Any]:
    """Bounds as the template's family has them: the last ones, if it resizes several times."""
    assert family.look is not None
    bounds = family.look.picture[-1]
    for old in ("min_pixels", "max_pixels"):
        config.pop(old, None)
    size = {"shortest_edge": bounds.low, "longest_edge": bounds.high}
    # These two are pixels, not edges, in the processors of the Qwen family.
    return {**config, "do_resize": True, "size": size}


def _special(target: Path) -> list[str]:
    from transformers import AutoTokenizer  # noqa: PLC0415

    auto: Any = AutoTokenizer
    found = auto.from_pretrained(str(target), trust_remote_code=False, local_files_only=True)
    return sorted(found.all_special_tokens)


def _write_modules(target: Path, dim: int, tokens: int) -> None:
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (path, kind) in enumerate(_MODULES.items())
    ]
    call = {"method": "forward", "method_output_name": "last_hidden_state"}
    transformer = {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": call,
            "image": call,
            "message": {**call, "format": "structured"},
        },
        "module_output_name": "token_embeddings",
        "max_seq_length": tokens,
        "unpad_inputs": False,  # these architectures do not take flattened texts
    }
    pooling = {
        "embedding_dimension": dim,
        "pooling_mode": "lasttoken",
        "include_prompt": True,
    }
    normalize = {
        "module_input_name": "sentence_embedding",
        "module_output_name": "sentence_embedding",
    }
    write_json(target / "modules.json", modules)
    write_json(target / "sentence_bert_config.json", transformer)
    for path, config in (("1_Pooling", pooling), ("2_Normalize", normalize)):
        (target / path).mkdir()
        write_json(target / path / "config.json", config)


def _prompts(family: Family) -> dict[str, Any]:
    prompts = {"query": "", "document": ""}
    for task, (query, document) in family.tasks.items():
        told = {f"{task}, query": query, f"{task}, document": document}
        prompts |= {name: words for name, words in told.items() if words}
    return {
        "__version__": versions(),
        "model_type": "SentenceTransformer",
        "prompts": prompts,
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(
            f"{file}: cannot be read: {error}: fetch the model again, then export it"
        ) from error
    if not isinstance(found, dict):
        raise EncoderError(f"{file}: holds no object: fetch the model again")
    return found
