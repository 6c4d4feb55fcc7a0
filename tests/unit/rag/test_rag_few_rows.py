"""Products of a few rows: the same numbers as the plain layer's, and the layers that take part."""

import pytest
import torch
from torch import nn

from rzen.rag.local.few_rows import FewRowsLinear, for_few_rows


@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 6), (3, 1, 6), (2, 4, 6), (9, 1, 6), (0, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_plain_layer(shape: tuple[int, ...], bias: bool) -> None:
    """Guards against rows that are mixed up, and against a bias that is left out."""
    torch.manual_seed(0)
    plain = nn.Linear(6, 11, bias=bias)
    network = nn.Sequential(nn.Linear(6, 11, bias=bias))
    network[0].load_state_dict(plain.state_dict())
    for_few_rows(network)
    given = torch.randn(*shape)
    torch.testing.assert_close(network(given), plain(given), rtol=1e-5, atol=1e-6)
    network(given).sum().backward()
    plain(given).sum().backward()
    own = dict(network[0].named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(own[name].grad, parameter.grad, rtol=1e-5, atol=1e-6)


def test_weights_that_are_shared_stay_so() -> None:
    """Guards against a head that is no longer the table of words, and other layers changed."""

    class Own(nn.Linear):
        pass

    table, head, own = nn.Embedding(7, 5), nn.Linear(5, 7, bias=False), Own(5, 5)
    head.weight = table.weight
    network = nn.Sequential(table, own, head)
    before = set(network.state_dict())
    for_few_rows(network)
    assert network[2].weight is network[0].weight
    assert isinstance(network[2], FewRowsLinear)
    assert type(network[1]) is Own
    assert set(network.state_dict()) == before
