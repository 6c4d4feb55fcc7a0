"""The two networks of ``mini`` as ONNX graphs, written straight from their weights.

Why not an exporter of torch: the older one is deprecated, the newer one needs one more dependency
and takes longer than this file, and both change with every release of torch. The two architectures
are fixed, so their graphs are as well. Batch norms are folded into the convolutions, the three
projections of attention are one matrix product, and the pooling is inside the graph.

Shapes: B batch, L tokens, D hidden size, A heads, H height, W width, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

Weights = Mapping[str, NDArray[Any]]

OPSET = 17  # the first with LayerNormalization
_IR_VERSION = 8  # the one that goes with opset 17: older onnxruntimes read it as well


@dataclass
class Graph:
    """Nodes and constants under construction; every method returns the name of its output."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, values: NDArray[Any]) -> str:
        """An array."""
        from onnx import numpy_helper  # noqa: PLC0415

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def floats(self, values: Any) -> str:
        """An array or number, float32."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, *values: int) -> str:
        """A list of int64."""
        return self.constant(np.asarray(values, np.int64))

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of one output, which gets a name unless it has one."""
        from onnx import helper  # noqa: PLC0415

        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def linear(self, x: str, weight_OI: NDArray[Any], bias_O: NDArray[Any]) -> str:
        """A linear layer."""
        product = self.add("MatMul", x, self.floats(weight_OI.T))
        return self.add("Add", product, self.floats(bias_O))

    def norm(self, x: str, weights: Weights, at: str, epsilon: float) -> str:
        """The layer norm of a name."""
        scale, shift = weights[f"{at}.LayerNorm.weight"], weights[f"{at}.LayerNorm.bias"]
        return self.add(
            "LayerNormalization", x, self.floats(scale), self.floats(shift), epsilon=epsilon
        )

    def model(self, inputs: list[Any], outputs: list[Any]) -> "onnx.ModelProto":
        """The whole, checked."""
        import onnx  # noqa: PLC0415
        from onnx import helper  # noqa: PLC0415

        graph = helper.make_graph(self.nodes, "rzen", inputs, outputs, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="rzen",
        )
        onnx.checker.check_model(model)
        return model


def bert(weights: Weights, *, heads: int, epsilon: float) -> "onnx.ModelProto":
    """A BERT encoder with mean pooling.

    Inputs ``ids`` (B, L) int64 and ``mask`` (B, L) float32 (1 token, 0 padding); output ``vectors``
    (B, D), not normalised. GELU is the exact one, by the error function.

    Args:
        weights: the state dictionary of a BertModel, float32.
        heads: attention heads.
        epsilon: of the layer norms.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415

    g = Graph()
    hidden = weights["embeddings.word_embeddings.weight"].shape[1]
    positions = weights["embeddings.position_embeddings.weight"]
    # Everything is of token type 0, so its embedding is a part of the positions'.
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    words = g.add("Gather", g.floats(weights["embeddings.word_embeddings.weight"]), "ids")
    length = g.add("Slice", g.add("Shape", "ids"), g.integers(1), g.integers(2))
    places = g.add("Slice", g.floats(positions), g.integers(0), length, g.integers(0))
    x = g.norm(g.add("Add", words, places), weights, "embeddings", epsilon)

    shut = g.add("Mul", g.add("Sub", "mask", g.floats(1.0)), g.floats(1e9))  # 0 open, -1e9 shut
    shut = g.add("Unsqueeze", shut, g.integers(1, 2))  # (B, 1, 1, L)
    for layer in range(sum(name.endswith("attention.self.query.weight") for name in weights)):
        at = f"encoder.layer.{layer}"
        mixed = attention(g, x, shut, weights, f"{at}.attention", heads)
        x = g.norm(g.add("Add", mixed, x), weights, f"{at}.attention.output", epsilon)
        bent = feed_forward(g, x, weights, at)
        x = g.norm(g.add("Add", bent, x), weights, f"{at}.output", epsilon)

    mask = g.add("Unsqueeze", "mask", g.integers(2))
    total = g.add("ReduceSum", g.add("Mul", x, mask), g.integers(1), keepdims=0)
    count = g.add("ReduceSum", "mask", g.integers(1), keepdims=1)
    g.add("Div", total, count, output="vectors")
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", "L"])
    mask_info = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["B", "L"])
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["B", hidden])
    return g.model([ids, mask_info], [vectors])


def attention(g: Graph, x: str, shut: str, weights: Weights, at: str, heads: int) -> str:
    """The attention of a layer of BERT, before its residual.

    Args:
        g: where it goes.
        x: tokens (B, L, D).
        shut: (B, 1, 1, L), 0 for tokens and -1e9 for padding.
        weights: by BertModel's names.
        at: what they begin with.
        heads: their number.
    """
    hidden = weights[f"{at}.self.query.weight"].shape[0]
    size = hidden // heads
    parts = [f"{at}.self.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([weights[f"{part}.weight"] for part in parts])
    shift = np.concatenate([weights[f"{part}.bias"] for part in parts])
    matrix[:hidden] /= np.sqrt(size)  # the scale of attention, paid once
    shift[:hidden] /= np.sqrt(size)
    joint = g.add("Reshape", g.linear(x, matrix, shift), g.integers(0, 0, 3 * heads, size))
    joint = g.add("Transpose", joint, perm=[0, 2, 1, 3])  # (B, 3A, L, size)
    query, key, value = (
        g.add("Slice", joint, g.integers(i * heads), g.integers((i + 1) * heads), g.integers(1))
        for i in range(3)
    )
    logits = g.add("MatMul", query, g.add("Transpose", key, perm=[0, 1, 3, 2]))
    shares = g.add("Softmax", g.add("Add", logits, shut), axis=-1)
    mixed = g.add("Transpose", g.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    mixed = g.add("Reshape", mixed, g.integers(0, 0, hidden))
    dense = f"{at}.output.dense"
    return g.linear(mixed, weights[f"{dense}.weight"], weights[f"{dense}.bias"])


def feed_forward(g: Graph, x: str, weights: Weights, at: str) -> str:
    """The feed-forward part of a layer of BERT, before its residual."""
    up, down = f"{at}.intermediate.dense", f"{at}.output.dense"
    wide = g.linear(x, weights[f"{up}.weight"], weights[f"{up}.bias"])
    bent = g.add("Add", g.add("Erf", g.add("Div", wide, g.floats(np.sqrt(2.0)))), g.floats(1.0))
    wide = g.add("Mul", g.add("Mul", wide, bent), g.floats(0.5))
    return g.linear(wide, weights[f"{down}.weight"], weights[f"{down}.bias"])


# Strides and repeats of the stages of EfficientNet-B0 (Tan & Le 2019, table 1); the Lite variants
# scale widths and repeats, drop squeeze-and-excitation and use ReLU6. Widths and kernels are read
# from the weights.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_REPEATS = (1, 2, 2, 3, 3, 4, 1)


def efficientnet_lite(weights: Weights, *, depth: float, epsilon: float) -> "onnx.ModelProto":
    """EfficientNet-Lite, batch norms folded.

    Input ``pixels`` (B, H, W, C) uint8, RGB, of the network's own size, or another one; outputs
    ``logits`` (B, 1000) and the features that they are made from, ``features`` (B, D, H/32, W/32),
    before the mean over all places. The scaling to (x - 127) / 128 is inside.

    Why features and not logits of every place: onnxruntime computes all outputs, asked for or not,
    and the last layer at 49 places costs a plain encoding 8 % more. The features are there anyway.

    Args:
        weights: the state dictionary of efficientnet_lite_pytorch.
        depth: the multiplier of the repeats (1.0 for lite0, 1.2 for lite2).
        epsilon: of the batch norms.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415

    g = Graph()

    def convolve(
        x: str, conv: str, norm: str, *, stride: int = 1, relu: bool = True, output: str = ""
    ) -> str:
        kernel, shift = _folded(weights, conv, norm, epsilon)
        groups = len(kernel) if kernel.shape[1] == 1 else 1  # depthwise, or not
        x = g.add(
            "Conv",
            x,
            g.floats(kernel),
            g.floats(shift),
            strides=[stride, stride],
            auto_pad="SAME_UPPER",  # TensorFlow's padding, which the weights were trained with
            group=groups,
        )
        return g.add("Clip", x, g.floats(0.0), g.floats(6.0), output=output) if relu else x

    x = g.add("Cast", "pixels", to=TensorProto.FLOAT)
    x = g.add("Div", g.add("Sub", x, g.floats(127.0)), g.floats(128.0))
    x = g.add("Transpose", x, perm=[0, 3, 1, 2])
    x = convolve(x, "_conv_stem", "_bn0", stride=2)
    for number, stride in enumerate(_block_strides(depth)):
        at = f"_blocks.{number}"
        before, expands = x, f"{at}._expand_conv.weight" in weights
        if expands:
            x = convolve(x, f"{at}._expand_conv", f"{at}._bn0")
        x = convolve(x, f"{at}._depthwise_conv", f"{at}._bn1", stride=stride)
        x = convolve(x, f"{at}._project_conv", f"{at}._bn2", relu=False)
        narrow = weights.get(f"{at}._expand_conv.weight", weights[f"{at}._depthwise_conv.weight"])
        entering = narrow.shape[1] if expands else narrow.shape[0]
        if stride == 1 and entering == weights[f"{at}._project_conv.weight"].shape[0]:
            x = g.add("Add", x, before)
    x = convolve(x, "_conv_head", "_bn1", output="features")
    x = g.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    x = g.add("MatMul", x, g.floats(weights["_fc.weight"].T))
    g.add("Add", x, g.floats(weights["_fc.bias"]), output="logits")
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", "H", "W", 3])
    classes = weights["_fc.bias"].shape[0]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", classes])
    depth_of_features = weights["_fc.weight"].shape[1]
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, ["B", depth_of_features, "h", "w"]
    )
    return g.model([pixels], [logits, features])


def _folded(
    weights: Weights, conv: str, norm: str, epsilon: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel and shift of a convolution without bias and the batch norm behind it, as one."""
    spread = np.sqrt(weights[f"{norm}.running_var"].astype(np.float64) + epsilon)
    scale = weights[f"{norm}.weight"] / spread
    shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return weights[f"{conv}.weight"] * scale[:, None, None, None], shift


def _block_strides(depth: float) -> list[int]:
    """The stride of every block; first and last stage keep their repeats in the Lite variants.

    >>> len(_block_strides(1.0)), len(_block_strides(1.2))
    (16, 21)
    """
    strides = []
    for stage, (stride, repeats) in enumerate(zip(_STRIDES, _REPEATS, strict=True)):
        scaled = repeats if stage in {0, 6} else int(np.ceil(depth * repeats))
        strides += [stride] + [1] * (scaled - 1)
    return strides
