"""What a chunk of contents costs: operations, and numbers that are kept for the way back.

A position's product with a matrix of n numbers takes 2 n operations. On the way back the gradient
of the inputs takes as many, and that of the matrix as many again where it is trained: adapters
spare the latter. Scores and sums of attention take 4 positions^2 width, twice that on the way back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rzen.training.planning.lengths import Length
from rzen.training.planning.network import NetworkFacts, Part, Section

# Bytes kept for each number that a layer puts out, measured as the tensors that autograd saves over
# six networks (tests/unit/training/planning has them): what norms, activations and attention keep
# beside their inputs is in it.
_KEPT_FLOAT32 = 4 * 1.8
_KEPT_MIXED = 4 * 1.25
_KEPT_ATTENTION = 3 * 4  # for a score, where attention's own dropout forbids the fused kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCost:
    """Of contents that are encoded together.

    Attributes:
        forward: operations of encoding them once.
        backward: operations of the way back, without encoding them again.
        kept: bytes of the graph.
        whole: bytes of the graph if no activation were computed twice.
        moved: bytes that go through memory beside products, once: all that is put out.
        inputs: bytes of what goes in, on the device.
        tokens: with padding.
    """

    forward: float
    backward: float
    kept: int
    whole: int
    moved: int
    inputs: int
    tokens: int


def chunk_cost(facts: NetworkFacts, lengths: Sequence[Length]) -> ChunkCost:
    """What a chunk costs.

    Args:
        facts: of the network.
        lengths: of the contents in it.
    """
    forward = backward = 0.0
    kept = everything = largest_block = moved = 0.0
    for part, positions, squares in _positions(facts, lengths):
        section = facts.sections.get(part)
        if section is None or not positions:
            continue
        scores = 4.0 * squares * section.attention
        forward += 2.0 * positions * section.products + scores
        whole = _kept(facts, section, positions, squares)
        # An adapter's output is scaled, and added to that of its layer.
        moved += whole + 2.0 * positions * section.adapted * facts.state_bytes
        if not facts.has_graph(part):
            continue
        backward += 2.0 * positions * (section.products + section.trained_products) + 2 * scores
        everything += whole
        if facts.is_checkpointed and section.layers:
            kept += section.layers * section.width * positions * facts.state_bytes
            largest_block = max(largest_block, whole / section.layers)
        else:
            kept += whole
    rows, longest = len(lengths), max((each.words for each in lengths), default=0)
    pictures = sum(facts.positions(each) for length in lengths for each in length.pictures)
    return ChunkCost(
        forward=forward,
        backward=backward,
        kept=int(kept + largest_block),
        whole=int(everything),
        moved=int(moved),
        # Pixels, and a mask that says which position sees which.
        inputs=pictures * facts.inputs * facts.state_bytes + rows * longest**2,
        tokens=rows * longest,
    )


def _positions(facts: NetworkFacts, lengths: Sequence[Length]) -> Iterator[tuple[Part, int, float]]:
    """Section, positions that go through it, and the sum of squares that attention goes by."""
    pictures = [each for length in lengths for each in length.pictures]
    patches = [facts.positions(each) for each in pictures]
    yield "vision", sum(patches), float(sum(each**2 for each in patches))
    yield "bridge", sum(pictures), 0.0
    longest = max((each.words for each in lengths), default=0)
    rows = sum(each.words > 0 for each in lengths)
    yield "language", rows * longest, float(rows * longest**2)


def _kept(facts: NetworkFacts, section: Section, positions: int, squares: float) -> float:
    each = _KEPT_MIXED if facts.is_mixed else _KEPT_FLOAT32
    numbers = section.outputs * each + section.adapters * (2 if facts.is_mixed else 4)
    numbers += section.dropouts * section.width * 4
    found = positions * numbers
    if section.attention_dropout:
        found += squares * section.heads * _KEPT_ATTENTION
    return found
