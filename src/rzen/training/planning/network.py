"""A network as a plan sees it: three sections, and what each costs for a position."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn

from rzen.training.backbone import Backbone
from rzen.training.settings import NetworkSettings

Part: TypeAlias = Literal["vision", "bridge", "language"]
PARTS: tuple[Part, ...] = ("vision", "bridge", "language")
"""In the order in which a picture goes through them; a text goes through the last alone."""

_BRIDGES = ("merger", "projector", "projection", "connector")
_TOWERS = ("visual", "vision", "image")
# What scores and sums of attention are as wide as: a query's width.
_QUERIES, _JOINT = ("q_proj", "query", "q_lin", "q"), ("qkv", "Wqkv", "query_key_value", "c_attn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One of the three.

    Attributes:
        parameters: how many.
        trained: how many of them are.
        bytes: of all.
        products: numbers of the matrices that a position is multiplied with.
        trained_products: of those whose matrices are trained.
        attention: summed width of its layers' queries.
        heads: summed over its layers.
        layers: with attention.
        outputs: numbers that its layers put out for a position.
        width: of the states between its layers.
        adapters: summed ranks.
        adapted: numbers that adapters put out for a position.
        dropouts: that are on.
        attention_dropout: whether attention's is.
    """

    parameters: int
    trained: int
    bytes: int
    products: int
    trained_products: int
    attention: int
    heads: int
    layers: int
    outputs: int
    width: int
    adapters: int
    adapted: int
    dropouts: int
    attention_dropout: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """All of it.

    Attributes:
        sections: what there is of them.
        dim: of its vectors.
        inputs: numbers that a position of the vision tower takes in.
        per_token: positions of the vision tower for a token of a picture.
        per_picture: positions for any picture, where its size does not count; else 0.
        largest: out and in of its largest matrix that is no table.
        modules: that are called when a content goes through.
        state_bytes: of a number between layers.
        is_mixed: whether arithmetic is in bfloat16.
        is_checkpointed: whether activations are computed twice.
    """

    sections: dict[Part, Section]
    dim: int
    inputs: int
    per_token: int
    per_picture: int
    largest: tuple[int, int]
    modules: int
    state_bytes: int
    is_mixed: bool
    is_checkpointed: bool

    @property
    def parameters(self) -> int:
        """All in all."""
        return sum(each.parameters for each in self.sections.values())

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        return sum(each.trained for each in self.sections.values())

    @property
    def bytes(self) -> int:
        """Of all weights, in the dtype that each has."""
        return sum(each.bytes for each in self.sections.values())

    def has_graph(self, part: Part) -> bool:
        """Whether a gradient goes through a section: something in it or before it is trained."""
        before = PARTS[: PARTS.index(part) + 1]
        return any(self.sections[each].trained for each in before if each in self.sections)

    def positions(self, picture: int) -> int:
        """Of the vision tower, for a picture of so many tokens."""
        return self.per_picture or picture * self.per_token


def facts_of(backbone: Backbone, settings: NetworkSettings) -> NetworkFacts:
    """Looks at a network, with or without its weights."""
    network: Any = backbone.network
    config = _config(network)
    vision = getattr(config, "vision_config", None)
    merge = getattr(vision, "spatial_merge_size", 0)
    found = {part: _section(network, part, config) for part in PARTS}
    return NetworkFacts(
        sections={part: each for part, each in found.items() if each.parameters},
        dim=backbone.dim,
        inputs=_inputs(network),
        per_token=merge**2 or 1,
        per_picture=0 if merge else _fixed(vision),
        largest=_largest(network),
        modules=sum(1 for each in network.modules() if not list(each.children())),
        state_bytes=_state_bytes(network),
        is_mixed=settings.arithmetic(backbone.device) == "bfloat16",
        is_checkpointed=settings.gradient_checkpointing,
    )


def _section(network: nn.Module, part: Part, config: Any) -> Section:
    weights = [each for name, each in network.named_parameters() if _part_of(name) == part]
    matrices = list(_matrices(network, part))
    own = [(name, each) for name, each in matrices if "lora_" not in name]
    trained = [each for _, each in matrices if each.requires_grad]
    norms = [
        each.shape[0]
        for name, each in network.named_parameters()
        if _part_of(name) == part and each.ndim == 1 and name.endswith("weight")
    ]
    queries = [each.shape[0] for name, each in own if _layer(name) in _QUERIES]
    queries += [each.shape[0] // 3 for name, each in own if _layer(name) in _JOINT]
    drops = [
        (name, each.p)
        for name, each in network.named_modules()
        if isinstance(each, nn.Dropout) and _part_of(name) == part and "lora_" not in name
    ]
    about = getattr(config, "vision_config" if part == "vision" else "text_config", None) or config
    heads = getattr(about, "num_attention_heads", None) or getattr(about, "num_heads", None) or 1
    return Section(
        parameters=sum(each.numel() for each in weights),
        trained=sum(each.numel() for each in weights if each.requires_grad),
        bytes=sum(each.numel() * each.element_size() for each in weights),
        products=sum(each.numel() for _, each in matrices),
        trained_products=sum(each.numel() for each in trained),
        attention=sum(queries),
        heads=len(queries) * int(heads),
        layers=len(queries),
        outputs=sum(each.shape[0] for _, each in own) + sum(norms),
        width=max(set(norms), key=norms.count) if norms else 0,
        adapters=sum(each.shape[0] for name, each in matrices if "lora_A" in name),
        adapted=sum(each.shape[0] for name, each in matrices if "lora_B" in name),
        dropouts=sum(p > 0 for name, p in drops if "self" not in name.split(".")),
        attention_dropout=any(p > 0 for name, p in drops if "self" in name.split(".")),
    )


def _matrices(network: nn.Module, part: Part) -> Iterator[tuple[str, nn.Parameter]]:
    """Weights that every position of a section is multiplied with, (out, in) or more dimensions."""
    seen: set[int] = set()  # an adapted layer shows the weight of the one within it as its own
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter) or weight.ndim < 2 or _part_of(name) != part:
            continue
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        # A pooler sees one position of a content.
        if not isinstance(module, nn.Embedding) and "pooler" not in name.split("."):
            yield name, weight


def _part_of(name: str) -> Part:
    lower = name.lower()
    if not any(each in lower for each in _TOWERS):
        return "language"
    return "bridge" if any(each in lower for each in _BRIDGES) else "vision"


def _layer(name: str) -> str:
    return name.removesuffix(".base_layer").rsplit(".", 1)[-1]


def _config(network: Any) -> Any:
    own = getattr(network, "config", None)
    if own is not None:
        return own
    try:
        return getattr(network[0], "config", None)  # sentence-transformers' first module
    except (TypeError, IndexError, KeyError):
        return None


def _largest(network: nn.Module) -> tuple[int, int]:
    shapes = [
        (each.shape[0], each[0].numel()) for part in PARTS for _, each in _matrices(network, part)
    ]
    return max(shapes, key=lambda shape: shape[0] * shape[1], default=(64, 64))


def _inputs(network: nn.Module) -> int:
    """Numbers that the first product of the vision tower takes in."""
    first = next(_matrices(network, "vision"), None)
    return 0 if first is None else first[1][0].numel()


def _fixed(vision: Any) -> int:
    """Positions of a tower that scales every picture to one size."""
    size, patch = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
    if not isinstance(size, int) or not isinstance(patch, int):
        return 0
    return (size // patch) ** 2 + 1


def _state_bytes(network: nn.Module) -> int:
    """States between layers have the dtype of the weights that are not adapters."""
    sizes = [
        each.element_size() for name, each in network.named_parameters() if "lora_" not in name
    ]
    return max(set(sizes), key=sizes.count) if sizes else 4
