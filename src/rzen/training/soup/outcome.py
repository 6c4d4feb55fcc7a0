"""What a soup is made of, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rzen.version import __version__

FORMAT = 1
SOUP = "soup.json"
"""What is written beside a soup for programs; its README.md says the same to people."""

Kind: TypeAlias = Literal["adapter", "merged adapter", "checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """One model of a soup.

    Attributes:
        folder: where it is.
        name: what cards call it: the end of its path.
        weight: its share; those of a soup sum to 1.
        hash: of its files.
        licence: that its card or rzen.json names; empty where they name none.
    """

    folder: Path
    name: str
    weight: float
    hash: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One soup that a greedy choice tried.

    Attributes:
        ingredients: names of those in it; one alone is the model itself.
        score: of the soup.
        is_kept: whether it was the best so far.
    """

    ingredients: tuple[str, ...]
    score: float
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Souped:
    """A soup.

    Attributes:
        folder: where it is.
        kind: an adapter, a checkpoint that adapters were merged into, or the mean of checkpoints.
        ingredients: in the order given; in the order of their scores after a greedy choice.
        base: of adapters: the model they go on top of.
        rank: of an adapter: the sum of the ingredients'.
        dtype: of the weights.
        temperatures: task -> learned temperature; empty where not all ingredients have them.
        notes: what a reader should know.
        steps: of a greedy choice; empty where there was none.
    """

    folder: Path
    kind: Kind
    ingredients: tuple[Ingredient, ...]
    base: str | None
    rank: int | None
    dtype: str
    temperatures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    def document(self) -> dict[str, Any]:
        """The soup as JSON, without paths of this machine."""
        return {
            "format": FORMAT,
            "rzen": __version__,
            "kind": self.kind,
            "base": None if self.base is None else public_name(self.base),
            "rank": self.rank,
            "dtype": self.dtype,
            "ingredients": [
                {
                    "name": each.name,
                    "weight": each.weight,
                    "hash": each.hash,
                    "licence": each.licence or None,
                }
                for each in self.ingredients
            ],
            "temperatures": dict(self.temperatures),
            "notes": list(self.notes),
            "steps": [
                {"ingredients": list(each.ingredients), "score": each.score, "kept": each.is_kept}
                for each in self.steps
            ],
        }


def public_name(name: str) -> str:
    """What a model is called elsewhere: no path of this machine.

    >>> public_name("/home/me/models/base"), public_name("Qwen/Qwen2-VL-2B-Instruct")
    ('base', 'Qwen/Qwen2-VL-2B-Instruct')
    """
    return Path(name).name if Path(name).is_absolute() else name
