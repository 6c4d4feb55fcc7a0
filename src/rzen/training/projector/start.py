"""Where a projector begins: in closed form, where least squares over its rows lead.

An encoder's vectors lie in a narrow cone, and steps along most directions of it are tiny. So what
all items of a modality share is taken off, and what tells them apart is spread evenly. Then the
last layer is a ridge regression onto the words of the answers about an item: its soft tokens begin
as a mixture of words that the language model knows. docs/LOG.md has what that gains.

Shape suffixes: I items, D dimensions of a vector, P pairs of a row and an item of it, K width of
the hidden layer, H width of the language model.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from rzen.rag.local.loading import Loaded
from rzen.rag.local.projector import Projector
from rzen.rag.local.prompts import answer_tokens
from rzen.training.projector.rows import QuestionRows
from rzen.types import MODALITIES

_SHRUNK = 0.1  # added to each direction's variance, in the mean of all: the last ones are noise
_APART = 0.3  # of an item's soft tokens from each other, in the size of the weights
_TOGETHER = 2048  # pairs


@torch.no_grad()
def start(projector: Projector, loaded: Loaded, rows: QuestionRows, *, zeroed: bool) -> None:
    """Sets a projector's weights to where its training begins.

    Args:
        projector: new.
        loaded: the language model that it is for.
        rows: to learn from.
        zeroed: whether vectors are zeros.
    """
    device = projector.out.weight.device
    vector_ID = torch.from_numpy(np.zeros_like(rows.vector_ID) if zeroed else rows.vector_ID)
    modality_I = torch.tensor([MODALITIES.index(name) for name in rows.modality_I])
    vector_ID, modality_I = vector_ID.to(device), modality_I.to(device)
    _whiten(projector, vector_ID, modality_I)
    _regress(projector, vector_ID, modality_I, loaded, rows)


def _whiten(projector: Projector, vector_ID: Tensor, modality_I: Tensor) -> None:
    wide_ID = vector_ID.double() * projector.shape.dim**0.5
    for number in modality_I.unique().tolist():
        own = modality_I == number
        mean_D = wide_ID[own].mean(0)
        projector.modality.weight[number] = -mean_D.float()
        wide_ID[own] -= mean_D
    variance_D, axis_DD = torch.linalg.eigh(wide_ID.T @ wide_ID / max(1, len(wide_ID)))
    floor = _SHRUNK * float(variance_D.mean())
    if floor > 0:  # items that are all alike stay as they are
        scale_D = (variance_D.clamp(min=0) + floor).rsqrt()
        projector.whiten.weight.copy_((axis_DD * scale_D) @ axis_DD.T)


def _regress(
    projector: Projector, vector_ID: Tensor, modality_I: Tensor, loaded: Loaded, rows: QuestionRows
) -> None:
    shape, device = projector.shape, vector_ID.device
    sum_K = torch.zeros(shape.hidden, dtype=torch.float64, device=device)
    sum_H = torch.zeros(shape.width, dtype=torch.float64, device=device)
    product_KK, product_KH = torch.outer(sum_K, sum_K), torch.outer(sum_K, sum_H)
    pairs = 0
    for items, word_PH in _pairs(loaded, rows):
        hidden_PK = projector.hidden(vector_ID[items], modality_I[items]).double()
        sum_K += hidden_PK.sum(0)
        sum_H += word_PH.sum(0)
        product_KK += hidden_PK.T @ hidden_PK
        product_KH += hidden_PK.T @ word_PH
        pairs += len(items)
    if not pairs:
        return
    mean_K, mean_H = sum_K / pairs, sum_H / pairs
    product_KK -= pairs * torch.outer(mean_K, mean_K)
    product_KH -= pairs * torch.outer(mean_K, mean_H)
    variance_K = product_KK.diagonal()
    variance_K += _SHRUNK * variance_K.mean().clamp(min=1e-6)
    weight_HK = torch.linalg.solve(product_KK, product_KH).T
    weight_THK = weight_HK.repeat(shape.tokens, 1, 1)
    weight_THK += _APART * weight_HK.std() * torch.randn_like(weight_THK)
    projector.out.weight.copy_(weight_THK.flatten(0, 1))
    projector.out.bias.copy_((mean_H - weight_HK @ mean_K).repeat(shape.tokens))


def _pairs(loaded: Loaded, rows: QuestionRows) -> Iterator[tuple[list[int], Tensor]]:
    """Items, each with the mean embedding of the words of an answer about it, (P, H)."""
    weight = loaded.network.get_input_embeddings().weight.float()  # once: it may be large
    pairs = [(item, row.answer) for row in rows.rows for item in row.items]
    for begun in range(0, len(pairs), _TOGETHER):
        chosen = pairs[begun : begun + _TOGETHER]
        tokens = [answer_tokens(loaded, answer)[:-1] for _, answer in chosen]  # without the end
        begins = np.cumsum([0, *map(len, tokens)])[:-1]
        word_PH = nn.functional.embedding_bag(
            torch.tensor([each for own in tokens for each in own], device=weight.device),
            weight,
            torch.from_numpy(begins).to(weight.device),
            mode="mean",
        )
        yield [item for item, _ in chosen], word_PH.double()
