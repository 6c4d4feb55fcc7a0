"""A question and hits to an answer whose citations were checked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rzen.config import AskSettings
from rzen.protocols import Encoder, Generator
from rzen.rag import context
from rzen.rag.citations import NOT_FOUND, Checker
from rzen.rag.extractive import EXTRACTIVE
from rzen.types import Answer, Evidence, Hit, Turn


class Surroundings(Protocol):
    """What an index knows of a hit beside what the search told."""

    def beside(self, hit: Hit) -> context.Beside:
        """What lies before and behind it in its file."""

    def vectors(self, hits: Sequence[Hit]) -> Sequence[NDArray[np.float32] | None]:
        """The stored vector of each hit, (D,)."""


def answer(  # noqa: PLR0913 (what an answer is made of)
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    settings: AskSettings,
    *,
    judge: Encoder | None = None,
    index: Surroundings | None = None,
    history: Sequence[Turn] = (),
    asked: str = "",
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """Gathers evidence, lets a generator write, and keeps what the evidence bears out.

    Args:
        question: as asked.
        hits: best first.
        generator: writes from the evidence; not asked where there is none.
        settings: how much evidence.
        judge: ``mini``, which compares what is said with its evidence; ``None`` goes by words.
        index: where the hits come from; without it, hits have no neighbours and no vectors.
        history: what was asked and answered before, oldest first.
        asked: the question as it stands for itself, without the history.
        on_text: told of the answer sentence by sentence as it is written, each after its check:
            what it was told of, joined, is the answer's text.

    Raises:
        RzenError: if the generator cannot be reached or refuses.
    """
    whole = asked or question
    evidence, remarks = _gathered(whole, hits, generator, settings, index)
    # The extractive generator judges by itself what has to do with the question, and has no history
    # to read it with.
    is_quoting = generator.name == EXTRACTIVE
    about = "" if is_quoting else whole
    checker = Checker(evidence, judge, about, is_marking=settings.unsupported == "mark")
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if on_text is not None:
            on_text(text)

    if evidence:
        for piece in generator.generate(whole if is_quoting else question, evidence, history):
            for text in checker.feed(piece):
                tell(text)
        for text in checker.finish():
            tell(text)
    if not told:
        tell(NOT_FOUND)
    checked = checker.checked("".join(told))
    warnings = [*remarks, *checked.warnings]
    if NOT_FOUND in checked.text:
        reason = (
            "nothing was found" if not evidence else "the evidence does not answer the question"
        )
        warnings.insert(0, f"no answer: {reason}; ask in other words, or index more files")
    elif not any(one.text for one in evidence) and not generator.wants:
        warnings.insert(0, "none of what was found has a text, so only names could be cited")
    return Answer(
        question=question,
        text=checked.text,
        citations=checked.citations,
        unsupported=checked.unsupported,
        warnings=tuple(warnings),
        generator=generator.name,
        is_found=NOT_FOUND not in checked.text,
    )


def _gathered(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    settings: AskSettings,
    index: Surroundings | None,
) -> context.Gathered:
    budget = context.Budget(
        tokens=settings.context_tokens,
        count=generator.count,
        pixels=settings.context_pixels if "frames" in generator.wants else 0,
        frames=settings.frames,
    )
    found = context.gather(hits, budget, question, index.beside if index else None)
    if generator.name != EXTRACTIVE:  # which only quotes
        found = context.for_reading(found)
    if index is None or "vectors" not in generator.wants:
        return found
    vectors = index.vectors([one.hit for one in found.evidence])
    evidence: list[Evidence] = [
        replace(one, vector=vector) for one, vector in zip(found.evidence, vectors, strict=True)
    ]
    return found._replace(evidence=evidence)
