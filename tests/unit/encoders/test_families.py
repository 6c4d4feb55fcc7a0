"""Recognition by the fields that the families' real config.json files have.

Each config below was read in a public source, which is named; what no source had is left out. Where
a family's own file was not found, the row of the family says so (``missing``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rzen.encoders import create
from rzen.encoders.families import FAMILIES, alike, family_named, recognise
from rzen.encoders.templates import TEMPLATES
from rzen.errors import EncoderError

# onnx-community/Qwen2-VL-2B-Instruct and lightonai/MonoQwen2-VL-v0.1, config.json.
QWEN2_VL: Mapping[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_config": {"hidden_size": 1536, "in_chans": 3, "model_type": "qwen2_vl"},
}
# github.com/xorbitsai/inference, issue 4592: as transformers 5.1.0 prints that of the 2B.
QWEN3_VL_EMBEDDING: Mapping[str, Any] = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "image_token_id": 151655,
    "video_token_id": 151656,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
    "text_config": {"model_type": "qwen3_vl_text", "hidden_size": 2048, "num_hidden_layers": 28},
    "vision_config": {"model_type": "qwen3_vl", "depth": 24, "hidden_size": 1024},
}
# jinaai/jina-embeddings-v4, configuration_jina_embeddings_v4.py.
JINA_V4: Mapping[str, Any] = {
    "architectures": ["JinaEmbeddingsV4Model"],
    "model_type": "qwen2_5_vl",
    "single_vector_pool_strategy": "mean",
    "multi_vector_projector_dim": 128,
    "matryoshka_dims": [128, 256, 512, 1024, 2048],
    "task_names": ["retrieval", "text-matching", "code"],
}
# Copies of openai/clip-vit-base-patch32, config.json.
CLIP: Mapping[str, Any] = {
    "architectures": ["CLIPModel"],
    "model_type": "clip",
    "projection_dim": 512,
    "text_config": {"model_type": "clip_text_model"},
    "vision_config": {"model_type": "clip_vision_model"},
}
# google/siglip-base-patch16-256-multilingual; a mirror of google/siglip2-base-patch16-512.
SIGLIP: Mapping[str, Any] = {"architectures": ["SiglipModel"], "model_type": "siglip"}
SIGLIP_2: Mapping[str, Any] = {"model_type": "siglip", "text_config": {"vocab_size": 256000}}
# BAAI/bge-m3 and sentence-transformers/all-MiniLM-L6-v2, config.json.
BGE_M3: Mapping[str, Any] = {"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta"}
MINILM: Mapping[str, Any] = {"architectures": ["BertModel"], "model_type": "bert"}


@pytest.mark.parametrize(
    ("config", "files", "name", "family", "sure"),
    [
        (QWEN2_VL, (), "qihoo360/RzenEmbed", "RzenEmbed", True),
        (QWEN2_VL, (), "RzenAI/RzenEmbed-v2-7B", "RzenEmbed", True),
        (QWEN2_VL, ("rzen_embed_inference.py",), "/models/a", "RzenEmbed", True),
        (QWEN2_VL, (), "Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", "GME-Qwen2-VL", True),
        (QWEN2_VL, ("gme_inference.py",), "/models/a", "GME-Qwen2-VL", True),
        (QWEN2_VL, ("modeling_gme_qwen2vl.py",), "/models/a", "GME-Qwen2-VL", True),
        (QWEN2_VL, (), "VLM2Vec/VLM2Vec-V2.0", "VLM2Vec-V2", True),
        (QWEN2_VL, (), "OpenSearch-AI/Ops-MM-embedding-v1-7B", "Ops-MM-embedding", True),
        (QWEN2_VL, ("ops_mm_embedding_v1.py",), "/models/a", "Ops-MM-embedding", True),
        (QWEN2_VL, ("demo.py",), "/models/a", "RzenEmbed", False),
        (QWEN3_VL_EMBEDDING, (), "Qwen/Qwen3-VL-Embedding-8B", "Qwen3-VL-Embedding", True),
        (QWEN3_VL_EMBEDDING, (), "/models/a", "Qwen3-VL-Embedding", True),
        (JINA_V4, (), "jinaai/jina-embeddings-v4", "jina-embeddings-v4", True),
        (JINA_V4, (), "/models/a", "jina-embeddings-v4", True),
        (CLIP, (), "openai/clip-vit-base-patch32", "CLIP", True),
        (SIGLIP, (), "google/siglip-base-patch16-224", "SigLIP", True),
        (SIGLIP_2, (), "google/siglip2-base-patch16-512", "SigLIP", True),
        (BGE_M3, (), "BAAI/bge-m3", "E5 and other models with fixed prefixes", True),
        (MINILM, (), "sentence-transformers/all-MiniLM-L6-v2", "text models", False),
        ({"model_type": "qwen3"}, (), "Qwen/Qwen3-Embedding-0.6B", "Qwen3-Embedding", True),
        ({"model_type": "llama"}, (), "somebody/model", "text models", False),
        ({}, (), "somebody/model", "text models", False),
    ],
)
def test_families_are_recognised(
    config: Mapping[str, Any], files: tuple[str, ...], name: str, family: str, sure: bool
) -> None:
    """Another family's template gives vectors that look right and find little."""
    found = recognise(config, files, name)
    assert found.family.name == family, found.because
    assert found.sure == sure


def test_what_rzen_wrote_beside_a_model_comes_first() -> None:
    """A trained model in a folder of any name keeps its family."""
    found = recognise(QWEN2_VL, ("gme_inference.py",), "/models/rzenembed", "VLM2Vec-V2")
    assert found.family.name == "VLM2Vec-V2"
    with pytest.raises(EncoderError, match="there is no family 'XYZ': rzen knows RzenEmbed, "):
        recognise(QWEN2_VL, (), "x", "XYZ")


def test_families_that_look_alike_are_named() -> None:
    """Four families share the architecture of Qwen2-VL, and no config.json tells them apart."""
    assert alike(family_named("GME-Qwen2-VL")) == ["RzenEmbed", "VLM2Vec-V2", "Ops-MM-embedding"]
    assert alike(family_named("Qwen3-VL-Embedding")) == []


def test_rows_are_whole() -> None:
    """A row without an origin is hearsay; a template that is not there fails at the first load."""
    for family in FAMILIES:
        assert family.origin, family.name
        if family.look is not None:
            assert family.look.template in TEMPLATES
            assert family.look.picture
            assert all(family.look.frames(count) for count in (1, 2, 7, 64))
            assert family.pooling == "last token"
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_all_frames_of_qwen3_have_a_budget_together() -> None:
    """64 frames of 768 tokens would be 24,576 tokens, three times what a prompt may have."""
    look = family_named("Qwen3-VL-Embedding").look
    assert look is not None
    assert [look.frames(count)[-1].high // 1024 for count in (2, 20, 40, 64)] == [
        768,
        768,
        384,
        240,
    ]
    assert look.frames(7)[-1] == look.frames(8)[-1]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config.json": "{"}, "config.json: cannot be read"),
        ({"config.json": "[]"}, "config.json: holds no object"),
        ({"config.json": "{}", "pytorch_model.bin": "x"}, "rzen reads safetensors only"),
        ({"config.json": json.dumps(dict(QWEN2_VL))}, "the model cannot be loaded"),
        (
            {"config.json": json.dumps({"model_type": "nothing-known"})},
            "the model cannot be loaded: .*nothing-known",
        ),
    ],
)
def test_what_cannot_be_loaded_says_why(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """A traceback of a library names neither the folder nor the way out."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(EncoderError, match=said) as caught:
        create(str(tmp_path), device="cpu")
    assert str(tmp_path) in str(caught.value)
