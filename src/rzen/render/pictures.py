"""Pictures of what was searched with, for the head of a result page."""

from collections.abc import Iterable
from pathlib import Path

from rzen import media
from rzen.config import Limits
from rzen.errors import RzenError
from rzen.media import preview
from rzen.render.page import QueryImage
from rzen.search.query import media_content, split_page
from rzen.types import MediaBudget

SIDE = 192
_BUDGET = MediaBudget(
    image_pixels=4 * SIDE * SIDE,
    page_pixels=4 * SIDE * SIDE,
    frame_pixels=4 * SIDE * SIDE,
    frames=1,
)


def query_images(names: Iterable[str]) -> list[QueryImage]:
    """Thumbnails of pictures, videos and pages (``report.pdf#3``); a text file has none."""
    return [image for name in names if (image := _query_image(name)) is not None]


def _query_image(name: str) -> QueryImage | None:
    path, number = split_page(name)
    content = media_content(path, number)
    if content is None:
        return None
    try:
        opened = media.open(content.parts[0], budget=_BUDGET, limits=Limits())
    except RzenError:
        # The search itself reports a file that cannot be opened; the page only goes without.
        return None
    caption = Path(name).name
    assert opened.frames is not None
    return QueryImage(jpeg=preview.jpeg(opened.frames.pixels[0], SIDE), caption=caption)
