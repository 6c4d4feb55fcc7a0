"""rzen ask: an answer from what is indexed, with citations."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rzen.cli import output
from rzen.cli.options import (
    AfterOption,
    BeforeOption,
    CountOption,
    EncoderOption,
    HtmlOption,
    IndexOption,
    JsonOption,
    ModalityOption,
    OpenOption,
    PathOption,
    SetOption,
    WhereOption,
    open_index,
)
from rzen.cli.pages import show_page
from rzen.errors import RzenError, UsageError

if TYPE_CHECKING:
    from rzen.api import Index
    from rzen.types import Answer


def run(  # noqa: PLR0913 (one parameter an option)
    question: Annotated[
        str | None, typer.Argument(help="What you want to know. With --chat, the first of several.")
    ] = None,
    index: IndexOption = None,
    generator: Annotated[
        str | None,
        typer.Option(
            "--generator",
            help="Who writes: extractive (quotes, no model), smollm2, a GGUF file, a model's "
            "folder or hub name, or the address of an OpenAI-compatible endpoint.",
        ),
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option(
            "--fusion",
            help="How evidence enters: context, marginal, projector, or several joined by +.",
        ),
    ] = None,
    chat: Annotated[
        bool,
        typer.Option("--chat", help="Go on asking, a line a question; what came before counts."),
    ] = False,
    k: CountOption = None,
    modality: ModalityOption = None,
    path: PathOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    where: WhereOption = None,
    html: HtmlOption = None,
    open_page: OpenOption = False,
    encoder: EncoderOption = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Answer a question from what is indexed; every citation is checked against its evidence."""
    from rzen.cli.conditions import build_filters

    if question is None and not chat:
        raise UsageError('ask something:  rzen ask "who ...?",  or talk with  rzen ask --chat')
    if chat and (json or html or open_page):
        raise UsageError("--chat is for people: leave --json, --html and --open out")
    filters = build_filters(modality, path, after, before, where)
    with open_index(index, settings, encoder) as opened:
        if chat:
            talk(opened, question, generator=generator, fusion=fusion, filters=filters, k=k)
            return
        answer = opened.ask(
            question or "",
            generator=generator,
            fusion=fusion,
            filters=filters,
            k=k,
            on_text=None if json else say_piece,
        )
    if html or open_page:
        show_page(html, open_page, heading=answer.question, answer=answer)
    if json:
        output.emit(output.answer_document(answer))
    else:
        output.say()
        say_rest(answer)


def talk(index: "Index", question: str | None, **options: Any) -> None:
    """Asks line by line until there are no more; each question knows the ones before."""
    from rzen.types import Turn

    history: list[Turn] = []
    while (asked := question or _next_question()) is not None:
        question = None
        if not asked.strip():
            continue
        told: list[str] = []

        def say(text: str, told: list[str] = told) -> None:
            told.append(text)
            say_piece(text)

        try:
            answer = index.ask(asked, history=history, on_text=say, **options)
        except RzenError as error:
            if told:
                output.say()
            # A server that fails once must not end the conversation; what was said stays.
            output.complain(str(error))
            continue
        output.say()
        say_rest(answer)
        output.say()
        history.append(Turn(question=answer.question, answer=answer.text))


def say_piece(text: str) -> None:
    """Prints a sentence as soon as it is checked."""
    lines = text.split("\n")
    print("\n".join(map(output.printable, lines)), end="", flush=True)


def say_rest(answer: "Answer") -> None:
    """Prints notes, and what was cited."""
    from rzen.render.page import place

    for warning in answer.warnings:
        output.say(f"note: {warning}")
    if answer.citations:
        output.say()
    for cite in answer.citations:
        where = ", ".join(filter(None, [cite.hit.uri, place(cite.hit)]))
        output.say(f"[{cite.number}] {where}")


def _next_question() -> str | None:
    if sys.stdin.isatty():
        print("? ", end="", flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None
