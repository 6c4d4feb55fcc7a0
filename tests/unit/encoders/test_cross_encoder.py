import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from rzen.encoders.cross_encoder import CrossEncoderReranker
from rzen.errors import EncoderError
from rzen.protocols import Reranker
from rzen.types import Hit

WORDS = ("the", "red", "blue", "boat", "harbour", "bread", "is", "baked", "from", "flour", "in")


def checkpoint(folder: Path, labels: int) -> Path:
    """A BERT cross-encoder with random weights, saved as the hub has them."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir()
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
    )
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.3,  # larger ones saturate: different texts, equal scores
    )
    config.num_labels = labels
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def hits(*texts: str) -> Sequence[Hit]:
    return [Hit(id=text, modality="text", uri="/x", score=1.0, text=text) for text in texts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("rerank") / "model", 1)


def test_scores_depend_on_query_and_text_but_not_on_neighbours(folder: Path) -> None:
    """Guards against scores in another order than the hits, and padding that leaks into them."""
    reranker = CrossEncoderReranker(folder, device="cpu")
    assert isinstance(reranker, Reranker)
    texts = ("the red boat", "bread is baked from flour in the harbour", "blue")
    together = reranker.scores("red boat", hits(*texts))
    assert len(set(together)) == 3
    alone = [reranker.scores("red boat", hits(text))[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert reranker.scores("bread", hits(*texts)) != together
    assert reranker.scores("bread", []) == []


def test_a_classifier_is_no_reranker(tmp_path: Path) -> None:
    """Guards against the first of three class scores being taken for relevance."""
    reranker = CrossEncoderReranker(checkpoint(tmp_path / "nli", 3), device="cpu")
    with pytest.raises(EncoderError, match="3 scores a pair"):
        reranker.scores("red", hits("boat"))


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """Guards against a traceback from deep inside transformers."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match="cannot load the reranker"):
        CrossEncoderReranker(tmp_path).scores("red", hits("boat"))


def test_every_failure_of_loading_is_translated(folder: Path, tmp_path: Path) -> None:
    """Guards against errors of safetensors and torch, which share no class with OSError."""
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    (damaged / "model.safetensors").write_bytes(b"\xff" * 100)
    for place, device in ((damaged, "cpu"), (folder, "nonsense")):
        with pytest.raises(EncoderError, match="cannot load the reranker") as caught:
            CrossEncoderReranker(place, device=device).scores("red", hits("boat"))
        assert str(place) in str(caught.value)
        assert device in str(caught.value)
