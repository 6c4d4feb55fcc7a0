"""rzen ask: an answer from what is indexed, with citations."""

from typing import Annotated

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


def run(  # noqa: PLR0913 (one parameter an option)
    question: Annotated[str, typer.Argument(help="What you want to know.")],
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
    from rzen.render.page import place

    filters = build_filters(modality, path, after, before, where)
    with open_index(index, settings, encoder) as opened:
        answer = opened.ask(question, generator=generator, fusion=fusion, filters=filters, k=k)
    if html or open_page:
        show_page(html, open_page, heading=question, answer=answer)
    if json:
        output.emit(output.answer_document(answer))
    else:
        output.say_text(answer.text)
        for warning in answer.warnings:
            output.say(f"note: {warning}")
        output.say()
        for cite in answer.citations:
            output.say(
                f"[{cite.number}] " + ", ".join(filter(None, [cite.hit.uri, place(cite.hit)]))
            )
