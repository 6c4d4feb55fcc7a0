"""Models of sentence-transformers small enough to be made for a test: texts alone, and CLIP."""

from pathlib import Path
from typing import Any, Literal

import torch

_LETTERS = [chr(code) for code in range(33, 127)]


def bert(
    folder: Path, *, padding: Literal["left", "right"] = "right", include_prompt: bool = True
) -> Path:
    """A text encoder that pools by the mean, and knows letters alone."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    from rzen.encoders.loading import quiet

    plain = folder.with_name(f"{folder.name}-plain")
    special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"]  # a filler that is not zero
    words = [*special, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    tokenizer: Any = BertTokenizer(
        vocab={word: at for at, word in enumerate(words)}, padding_side=padding
    )
    config = BertConfig(
        vocab_size=len(words),
        pad_token_id=special.index("[PAD]"),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    with quiet():
        BertModel(config).save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        tower = Transformer(str(plain), max_seq_length=48)
        pooling = Pooling(16, pooling_mode="mean", include_prompt=include_prompt)
        SentenceTransformer(modules=[tower, pooling, Normalize()], device="cpu").save_pretrained(
            str(folder), create_model_card=False
        )
    return folder


def clip(folder: Path) -> Path:
    """A model of two towers, for texts and pictures."""
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        CLIPTokenizer,
    )

    from rzen.encoders.loading import quiet

    words = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    end = len(words) - 1
    layers = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 12,
    }
    text = {
        **layers,
        "vocab_size": len(words),
        "max_position_embeddings": 32,
        "bos_token_id": end - 1,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = {**layers, "image_size": 28, "patch_size": 14}
    tokenizer: Any = CLIPTokenizer(vocab={word: at for at, word in enumerate(words)}, merges=[])
    pictures: Any = CLIPImageProcessor
    processor: Any = CLIPProcessor
    torch.manual_seed(0)
    with quiet():
        CLIPModel(
            CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
        ).save_pretrained(folder)
        processor(pictures(size={"shortest_edge": 28}, crop_size=28), tokenizer).save_pretrained(
            folder
        )
    return folder
