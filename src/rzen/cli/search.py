"""rzen search: find by text, image, video, page, or any combination."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rzen.cli import output
from rzen.cli.options import (
    AfterOption,
    BeforeOption,
    CountOption,
    EncoderOption,
    ExplainOption,
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
from rzen.cli.pages import explained, show_page
from rzen.errors import UsageError


def run(  # noqa: PLR0913 (one parameter an option)
    text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    index: IndexOption = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", help="A picture to look for. May be repeated.")
    ] = None,
    video: Annotated[list[str] | None, typer.Option("--video", help="A clip to look for.")] = None,
    page: Annotated[
        list[str] | None, typer.Option("--page", help="A page to look for: report.pdf#3.")
    ] = None,
    minus: Annotated[
        list[str] | None,
        typer.Option("--minus", help="What hits should be far from: words or a file."),
    ] = None,
    k: CountOption = None,
    mode: Annotated[
        Literal["hybrid", "dense", "text"] | None,
        typer.Option(
            "--mode", help="By meaning and words, by meaning (dense), or by words (text)."
        ),
    ] = None,
    modality: ModalityOption = None,
    path: PathOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    where: WhereOption = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="Drop hits that score lower.")
    ] = None,
    no_group: Annotated[
        bool, typer.Option("--no-group", help="Every page and passage by itself.")
    ] = False,
    rerank: Annotated[
        str | None, typer.Option("--rerank", metavar="MODEL", help="A cross-encoder to order hits.")
    ] = None,
    html: HtmlOption = None,
    open_page: OpenOption = False,
    explain: ExplainOption = False,
    encoder: EncoderOption = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Find what is nearest to words, pictures, clips and pages, or a combination of them."""
    from rzen.cli.conditions import build_filters
    from rzen.search.query import build_query

    if explain and not (html or open_page or json):
        raise UsageError(
            "--explain draws on a page: add --open or --html FILE, or --json for the figures"
        )
    filters = build_filters(modality, path, after, before, where)
    with open_index(index, settings, encoder) as opened:
        reranker = None
        if rerank:
            from rzen.encoders.cross_encoder import CrossEncoderReranker

            reranker = CrossEncoderReranker(rerank, device=opened.settings.device)
        query = build_query(text, image=image, video=video, page=page, minus=minus or ())
        hits = opened.find(
            query,
            k=k,
            mode=mode,
            filters=filters,
            min_score=min_score,
            group=not no_group,
            reranker=reranker,
        )
        explanations = explained(opened, hits, query) if explain else {}
    media = {"image": image or [], "video": video or [], "page": page or []}
    if html or open_page:
        pictures = [name for names in media.values() for name in names]
        heading = " + ".join(filter(None, [text, *(Path(name).name for name in pictures)]))
        show_page(
            html,
            open_page,
            heading=heading,
            pictures=pictures,
            minus=minus,
            hits=hits,
            explanations=explanations,
        )
    if json:
        output.emit(
            {
                "query": text,
                **media,
                "minus": minus or [],
                "hits": [
                    output.hit_document(hit)
                    | ({"explanation": output.why(explanations.get(hit.id))} if explain else {})
                    for hit in hits
                ],
            }
        )
    else:
        output.say_hits(hits)
