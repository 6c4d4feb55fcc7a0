"""rzen similar: what is nearest to a file."""

from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import (
    CountOption,
    EncoderOption,
    HtmlOption,
    IndexOption,
    JsonOption,
    ModalityOption,
    OpenOption,
    PathOption,
    SetOption,
    open_index,
)
from rzen.cli.pages import show_page


def run(  # noqa: PLR0913 (one parameter an option)
    file: Annotated[str, typer.Argument(help="A file, or a page of one: report.pdf#3.")],
    index: IndexOption = None,
    k: CountOption = None,
    modality: ModalityOption = None,
    path: PathOption = None,
    html: HtmlOption = None,
    open_page: OpenOption = False,
    encoder: EncoderOption = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Find what is like a file, which need not be in the index."""
    from rzen.cli.conditions import build_filters

    filters = build_filters(modality, path)
    with open_index(index, settings, encoder) as opened:
        hits = opened.similar(file, k=k, filters=filters)
    if html or open_page:
        show_page(html, open_page, heading=f"like {file}", pictures=[file], hits=hits)
    if json:
        output.emit({"query": file, "hits": [output.hit_document(hit) for hit in hits]})
    else:
        output.say_hits(hits)
