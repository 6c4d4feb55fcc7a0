"""GradCache: the gradient of a large batch in a small one's memory (Gao et al., arXiv 2101.06983).

All chunks are encoded without a graph; the loss of the whole batch gives each vector its gradient;
then each chunk is encoded again, with a graph, and its vectors' gradients go backward through it.
Here the last chunk keeps its graph from the first time: a batch of one chunk is a plain step, and
one of C equal chunks costs (4C - 1) / 3C of a plain step instead of 4/3.

Random numbers (dropout) are drawn anew from a seed of the chunk's own both times, so the two passes
agree, and nothing of it has to be saved or restored.

Shape suffixes: N contents, D dimensions.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Chunk: TypeAlias = Sequence[int]
"""Numbers of contents that are encoded together."""


def backward(
    encode: Callable[[Chunk], Tensor],
    chunks: Sequence[Chunk],
    loss: Callable[[Tensor], Tensor],
    *,
    shape: tuple[int, int],
    device: str,
    seed: Callable[[int], int],
) -> Tensor:
    """Adds the gradient of a loss over all contents to every parameter that takes part.

    Args:
        encode: contents to (n, D) vectors, with a graph where gradients are on.
        chunks: together every content from 0 to N - 1 once; none where this rank has no content.
        loss: (N, D) vectors to a scalar; it may have parameters of its own.
        shape: N and D.
        device: of the vectors.
        seed: number of a chunk -> seed of its random numbers.

    Returns:
        The loss, without its graph.
    """
    vectors_ND = torch.zeros(shape, device=device)
    places = [torch.as_tensor(chunk, device=device) for chunk in chunks]
    live: Tensor | None = None
    for number, (chunk, place) in enumerate(zip(chunks, places, strict=True)):
        torch.manual_seed(seed(number))
        is_last = number == len(chunks) - 1
        with torch.set_grad_enabled(is_last):
            live = encode(chunk)
        vectors_ND[place] = live.detach()
    vectors_ND.requires_grad_()
    value = loss(vectors_ND)
    value.backward()
    gradient_ND = vectors_ND.grad
    if live is None or gradient_ND is None:
        return value.detach()

    live.backward(gradient_ND[places[-1]])
    del live
    for number, chunk in enumerate(chunks[:-1]):
        torch.manual_seed(seed(number))
        encode(chunk).backward(gradient_ND[places[number]])
    return value.detach()
