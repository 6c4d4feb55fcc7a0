"""The trained layers of ``mini`` as an ONNX graph, written from their weights.

The same sums as :class:`rzen.encoders.mini.network.MiniNetwork`; a test holds the two together.
Shape suffixes are those of :mod:`rzen.encoders.mini.prepared`.
"""

from typing import TYPE_CHECKING

import numpy as np

from rzen.encoders.mini.architecture import FEATURES, Architecture
from rzen.encoders.mini.graphs import Graph, Weights, attention, feed_forward
from rzen.encoders.mini.prepared import LAYOUT
from rzen.encoders.mini.text import TEXT_DIM
from rzen.encoders.mini.trained_folder import EPSILON, HEADS, LAYOUT_SCALE

if TYPE_CHECKING:
    import onnx

_INPUTS: dict[str, list[str | int]] = {
    "words": ["R", TEXT_DIM],
    "sight": ["R", TEXT_DIM],
    "embeddings": ["R", "L", TEXT_DIM],
    "token_mask": ["R", "L"],
    "cells": ["R", "T", "K", FEATURES],
    "sights": ["R", "T", TEXT_DIM],
    "frame_mask": ["R", "T"],
    "layout": ["R", LAYOUT],
}


def fusion(weights: Weights, architecture: Architecture) -> "onnx.ModelProto":
    """Contents with pictures to vectors (R, D), not normalised.

    Inputs are those of a batch (:func:`rzen.encoders.mini.prepared.gathered`), all float32, with
    ``embeddings`` (R, L, D) in the place of ``tokens``, and ``words`` behind the adapter.

    Args:
        weights: the trained arrays.
        architecture: their sizes.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415

    g = Graph()
    layout = g.linear(
        g.add("Mul", "layout", g.floats(LAYOUT_SCALE)), *_of(weights, "layout_projection")
    )
    x, mask = _sequence(g, weights, architecture, layout)
    shut = g.add("Mul", g.add("Sub", mask, g.floats(1.0)), g.floats(1e9))  # 0 open, -1e9 shut
    shut = g.add("Unsqueeze", shut, g.integers(1, 2))
    for layer in range(architecture.layers):
        at = f"encoder.layer.{layer}"
        mixed = attention(g, x, shut, weights, f"{at}.attention", HEADS)
        x = g.norm(g.add("Add", mixed, x), weights, f"{at}.attention.output", EPSILON)
        bent = feed_forward(g, x, weights, at)
        x = g.norm(g.add("Add", bent, x), weights, f"{at}.output", EPSILON)
    weight = g.add("Unsqueeze", mask, g.integers(2))
    total = g.add("ReduceSum", g.add("Mul", x, weight), g.integers(1), keepdims=0)
    count = g.add("ReduceSum", mask, g.integers(1), keepdims=1)
    states = g.add("Add", g.add("Div", total, count), layout)
    gates = g.add("Add", g.linear(states, *_of(weights, "gates")), g.floats(1.0))
    of_words, of_sight = (
        g.add("Slice", gates, g.integers(at), g.integers(at + 1), g.integers(1)) for at in (0, 1)
    )
    base = g.add("Add", g.add("Mul", of_words, "words"), g.add("Mul", of_sight, "sight"))
    g.add("Add", base, g.linear(states, *_of(weights, "output")), output="vectors")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in _INPUTS.items()
    ]
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["R", TEXT_DIM])
    return g.model(inputs, [vectors])


def _sequence(
    g: Graph, weights: Weights, architecture: Architecture, layout: str
) -> tuple[str, str]:
    """All tokens (R, N, D) and their mask (R, N): [CLS], layout, frames, words, [SEP]."""
    length = g.add("Slice", g.add("Shape", "embeddings"), g.integers(1), g.integers(2))
    table = g.floats(weights["position_embeddings"])
    places = g.add("Slice", table, g.integers(0), length, g.integers(0))
    words = g.norm(g.add("Add", "embeddings", places), weights, "embeddings", EPSILON)
    first, last = g.integers(0), g.integers(np.iinfo(np.int64).max)
    one, axis = g.integers(1), g.integers(1)
    start, rest = g.add("Slice", words, first, one, axis), g.add("Slice", words, one, last, axis)
    start_mask = g.add("Slice", "token_mask", first, one, axis)
    rest_mask = g.add("Slice", "token_mask", one, last, axis)
    token = g.add("Unsqueeze", g.norm(layout, weights, "pictures", EPSILON), g.integers(1))
    frames = _frames(g, weights)
    # A frame's mask, once for each of its tokens.
    many = g.integers(1, 1, architecture.cells + 1)
    open_ = g.add("Expand", g.add("Unsqueeze", "frame_mask", g.integers(2)), many)
    open_ = g.add("Reshape", open_, g.integers(0, -1))
    x = g.add("Concat", start, token, frames, rest, axis=1)
    return x, g.add("Concat", start_mask, start_mask, open_, rest_mask, axis=1)


def _frames(g: Graph, weights: Weights) -> str:
    """Tokens of the frames, each its vector and its cells, (R, T * (K + 1), D)."""
    ones, zeros = g.floats(np.ones(FEATURES)), g.floats(np.zeros(FEATURES))
    scaled = g.add("LayerNormalization", "cells", ones, zeros, epsilon=1e-5)
    cells = g.linear(scaled, *_of(weights, "cell_projection"))
    sights = g.linear("sights", *_of(weights, "sight_projection"))
    tokens = g.add("Concat", g.add("Unsqueeze", sights, g.integers(2)), cells, axis=2)
    count = g.add("Slice", g.add("Shape", "sights"), g.integers(1), g.integers(2))
    times = g.floats(weights["frame_embeddings"][:, None])
    times = g.add("Slice", times, g.integers(0), count, g.integers(0))
    places = g.add("Add", times, g.floats(weights["cell_embeddings"]))
    tokens = g.norm(g.add("Add", tokens, places), weights, "pictures", EPSILON)
    return g.add("Reshape", tokens, g.integers(0, -1, TEXT_DIM))


def _of(weights: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]
