"""The arms: what a generator gets to see of what was retrieved, and how."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.rag_experiment.cases import Cases
from benchmarks.rag_experiment.recipes import KINDS, PICTURES, SEEDS
from rzen.rag import context
from rzen.types import Evidence, Hit

TEXTS = ("manuals", "glosses")
FAMILIES = (*TEXTS, *PICTURES)
Shown = Literal["retrieved", "gold", "shuffled", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to answer.

    Attributes:
        name: unique.
        families: it is tried on.
        fusion: how evidence enters; empty: the question alone, without a word of sources.
        shown: which evidence.
        k: pieces of it.
        projector: name of the run that trained it; empty for none.
        zeroed: whether vectors are zeros.
        captions: whether pictures come with the names that the image network gives them.
    """

    name: str
    families: tuple[str, ...]
    fusion: str = "context"
    shown: Shown = "retrieved"
    k: int = 1
    projector: str = ""
    zeroed: bool = False
    captions: bool = False


def arms() -> Iterator[Arm]:
    """All of them, the cheapest questions of principle first."""
    yield Arm(name="question only", families=FAMILIES, fusion="", shown="nothing")
    yield Arm(name="no retrieval", families=FAMILIES, shown="nothing")
    yield Arm(name="context, gold", families=TEXTS, shown="gold")
    yield Arm(name="context, k=1", families=TEXTS)
    yield Arm(name="context, shuffled", families=TEXTS, shown="shuffled")
    for k in (3, 5, 10):
        yield Arm(name=f"context, k={k}", families=TEXTS, k=k)
        yield Arm(name=f"marginal, k={k}", families=TEXTS, fusion="marginal", k=k)
    yield Arm(name="captions, gold", families=PICTURES, shown="gold", captions=True)
    yield Arm(name="captions, k=1", families=PICTURES, captions=True)
    for seed in SEEDS:
        for kind in KINDS:
            yield from _projected(kind, seed)


def _projected(kind: str, seed: int) -> Iterator[Arm]:
    run, zeroed = f"{kind}-{seed}", KINDS[kind][2]

    def arm(what: str, shown: Shown, k: int = 1, fusion: str = "projector") -> Arm:
        return Arm(
            name=f"{kind}, {what}, seed {seed}",
            families=PICTURES,
            fusion=fusion,
            shown=shown,
            k=k,
            projector=run,
            zeroed=zeroed,
        )

    yield arm("k=1", "retrieved")
    if kind == "twin":
        return
    yield arm("gold", "gold")
    yield arm("shuffled", "shuffled")
    if kind == "projector":
        yield arm("k=3", "retrieved", 3)
        yield arm("marginal k=3", "retrieved", 3, "marginal+projector")


def evidence_for(
    arm: Arm,
    cases: Cases,
    question: int,
    *,
    tokens: int,
    count: Callable[[str], int],
    caption: Callable[[Path], str],
) -> list[Evidence]:
    """What an arm shows for a question.

    Args:
        arm: says which.
        cases: of the family.
        question: its row.
        tokens: of all evidence, at most.
        count: tokens of a text.
        caption: of a picture or clip.
    """
    hits = _hits(arm, cases, question)
    if not hits:
        return []
    if arm.captions:
        return [
            Evidence(number=number, hit=hit, text=caption(_path(cases, hit)))
            for number, hit in enumerate(hits, 1)
        ]
    if arm.projector:
        bare = [Evidence(number=number, hit=hit, text="") for number, hit in enumerate(hits, 1)]
        return cases.with_vectors(bare, zeroed=arm.zeroed)
    budget = context.Budget(tokens=tokens, count=count)
    return context.gather(hits, budget, cases.questions[question].text).evidence


def _hits(arm: Arm, cases: Cases, question: int) -> Sequence[Hit]:
    match arm.shown:
        case "nothing":
            return []
        case "gold":
            return [cases.hit(cases.gold(question), 1.0)]
        case "shuffled":
            return cases.others(question, arm.k)
        case "retrieved":
            return cases.retrieved(question, arm.k)


def _path(cases: Cases, hit: Hit) -> Path:
    part = next(item for item in cases.items if item.id == hit.id).content.parts[0]
    source = getattr(part, "source", None)
    assert isinstance(source, Path)
    return source
