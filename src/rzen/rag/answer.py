"""A question and hits to an answer whose citations were checked."""

from collections.abc import Callable, Sequence

from rzen.config import AskSettings
from rzen.protocols import Encoder, Generator
from rzen.rag import context
from rzen.rag.citations import NOT_FOUND, Checker
from rzen.types import Answer, Hit


def answer(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    settings: AskSettings,
    *,
    encoder: Encoder | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """Gathers evidence, lets a generator write, and keeps what the evidence bears out.

    Args:
        question: as asked.
        hits: best first.
        generator: writes from the evidence; not asked where there is none.
        settings: how much evidence.
        encoder: helps to cut long texts to what the question is about.
        on_text: told of the answer sentence by sentence as it is written, each after its check:
            what it was told of, joined, is the answer's text.

    Raises:
        RzenError: if the generator cannot be reached or refuses.
    """
    evidence = context.gather(hits, settings.context_chars, question, encoder)
    checker = Checker(evidence)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if on_text is not None:
            on_text(text)

    if evidence:
        for piece in generator.generate(question, evidence):
            for text in checker.feed(piece):
                tell(text)
        for text in checker.finish():
            tell(text)
    if not told:
        tell(NOT_FOUND)
    checked = checker.checked("".join(told))
    warnings = list(checked.warnings)
    if NOT_FOUND in checked.text:
        reason = (
            "nothing was found" if not evidence else "the evidence does not answer the question"
        )
        warnings.insert(0, f"no answer: {reason}; ask in other words, or index more files")
    elif not any(one.text for one in evidence):
        warnings.insert(0, "none of what was found has a text, so only names could be cited")
    return Answer(
        question=question,
        text=checked.text,
        citations=checked.citations,
        unsupported=checked.unsupported,
        warnings=tuple(warnings),
        generator=generator.name,
    )
