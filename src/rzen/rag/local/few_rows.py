"""Products of a few rows with a large table of weights, on a processor.

Decoding K conversations together multiplies K rows at a time with each table. For two to eight of
them PyTorch's ``x @ W.T`` takes two to three times as long as ``(W @ x.T).T``, which reads the
table once (``python -m benchmarks rag_speed`` has what a token costs); for one row and for many
both are alike.

Shape suffixes: R rows, I width in, O width out.
"""

import torch
from torch import Tensor, nn

_MOST = 8


class FewRowsLinear(nn.Linear):
    """A linear layer with the table on the left where the rows are few."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        rows = input.shape[:-1].numel()
        is_measured = input.device.type == "cpu" and input.dtype == torch.float32
        if not is_measured or not 2 <= rows <= _MOST:
            return super().forward(input)
        out_RO = (self.weight @ input.reshape(rows, -1).T).T
        out = out_RO.reshape(*input.shape[:-1], self.out_features)
        return out if self.bias is None else out + self.bias


def for_few_rows(network: nn.Module) -> None:
    """Has all plain linear layers of a network work so; their weights stay where they are."""
    for module in network.modules():
        if type(module) is nn.Linear:  # not adapters, and nothing quantised
            module.__class__ = FewRowsLinear
