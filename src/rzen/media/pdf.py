"""PDF pages: pixels and text, through PDFium.

PDFium must not be used from two threads, not even on two documents, so every call is made under
one lock, which is never held while the caller has control.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import ocr
from rzen.media.size import fit
from rzen.media.source import decoding, label, opened
from rzen.types import MetadataValue

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage  # type: ignore[import-untyped]

_PDFIUM = threading.RLock()
_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_MAX_SCALE = 200 / 72  # pages are drawn at 200 dpi at most, however small
_OCR_SCALE = 150 / 72
_TEXT_LAYER_CHARS = 16  # fewer than this is a page number or a watermark, not a text layer
_BLANK_RANGE = 24  # grey levels; a page of scanned white paper stays below
_TITLE_CHARS = 300
_OUTLINE_ENTRIES = 20_000
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """One page.

    Attributes:
        number: counted from 1.
        pixels: (H, W, 3) RGB.
        text: the text layer, else what OCR read.
    """

    number: int
    pixels: NDArray[np.uint8]
    text: str


@dataclass(slots=True, eq=False)
class Pdf:
    """An open document; a context manager.

    Attributes:
        pages: how many there are.
        title: from the document's own data; may be empty.
        remark: what is wrong with the file as a whole; empty when nothing is.
    """

    source: Path | bytes
    limits: Limits
    pages: int = 0
    title: str = ""
    remark: str = ""
    _document: "PdfDocument | None" = field(default=None, repr=False)
    _outline: list[tuple[int, str]] = field(default_factory=list, repr=False)

    def __enter__(self) -> Self:
        """Opens it.

        Raises:
            MediaError: if it is encrypted, damaged, or has too many pages.
        """
        with opened(self.source, limit=self.limits.file_bytes) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            if b"%%EOF" not in file.read():
                self.remark = "the end of the file is missing: pages may be lost"
        with _PDFIUM:
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; may be called twice."""
        with _PDFIUM:
            document, self._document = self._document, None
            if document is not None:
                document.close()

    def sheet(self, number: int, *, pixels: int, read_pixels: bool) -> Sheet:
        """Draws a page and reads its text.

        Args:
            number: counted from 1.
            pixels: how many the result may have, at most; ``limits.page_pixels`` caps it too. The
                size is fixed before anything is drawn.
            read_pixels: whether OCR reads a page without a text layer (if it is installed).

        Raises:
            MediaError: if there is no such page, or it is damaged.
        """
        if not 1 <= number <= self.pages:
            raise MediaError(
                f"{label(self.source)}: there is no page {number}, the last is {self.pages}"
            )
        with decoding(self.source, f"page {number}"):
            with _PDFIUM, self._page(number) as page:
                drawn = self._draw(page, pixels, _MAX_SCALE)
                text = _text_layer(page)
                wanted = read_pixels and len("".join(text.split())) < _TEXT_LAYER_CHARS
                wanted = wanted and ocr.available() and not _is_blank(drawn)
                legible = self._draw(page, self.limits.page_pixels, _OCR_SCALE) if wanted else None
            if legible is not None:
                text = ocr.read(legible) or text
        return Sheet(number=number, pixels=drawn, text=text)

    def metadata(self, number: int) -> dict[str, MetadataValue]:
        """Title of the document, pages in it, and the outline's heading in force on a page."""
        about: dict[str, MetadataValue] = {"pages": self.pages}
        if self.title:
            about["title"] = self.title
        headings = [heading for page, heading in self._outline if page <= number]
        if headings:
            about["section"] = headings[-1]
        return about

    def _open(self) -> None:
        from pypdfium2 import PdfDocument, PdfiumError

        try:
            self._document = PdfDocument(self.source)
            self.pages = len(self._document)
        except PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD_ERROR:
                raise MediaError(
                    f"{label(self.source)}: the PDF is encrypted with a password: save a copy "
                    "without one"
                ) from None
            raise MediaError(
                f"{label(self.source)}: the PDF is damaged or truncated ({error}): replace the "
                "file by a whole copy"
            ) from error
        if self.pages > self.limits.pages:
            raise MediaError(
                f"{label(self.source)}: {self.pages:,} pages are more than the limit of "
                f"{self.limits.pages:,}: split it, or raise the setting limits.pages"
            )
        if self.pages == 0:
            raise MediaError(f"{label(self.source)}: the PDF has no pages: it may be truncated")
        self._document.init_forms()
        self.title = _clean(self._document.get_metadata_value("Title"))[:_TITLE_CHARS]
        self._outline = _outline(self._document)

    @contextmanager
    def _page(self, number: int) -> "Iterator[PdfPage]":
        assert self._document is not None, "the document is closed"
        page = self._document[number - 1]
        try:
            yield page
        finally:
            page.close()

    def _draw(self, page: "PdfPage", pixels: int, scale: float) -> NDArray[np.uint8]:
        width, height = page.get_size()
        if not (0 < width < float("inf") and 0 < height < float("inf")):
            raise MediaError(f"{label(self.source)}: a page has no size ({width} x {height})")
        wanted = max(1, int(width * scale)), max(1, int(height * scale))
        columns, rows = fit(*wanted, min(pixels, self.limits.page_pixels))
        # PDFium's wrapper rounds up: stay a hair below the whole number.
        exact = min(columns / width, rows / height) * (1 - 1e-9)
        bitmap = page.render(scale=exact, rev_byteorder=True)
        try:
            array = bitmap.to_numpy()
            gray = array.ndim == 2 or array.shape[2] == 1
            copy = np.repeat(array.reshape(*array.shape[:2], 1), 3, 2) if gray else array[..., :3]
            return np.array(copy, dtype=np.uint8, order="C")
        finally:
            bitmap.close()


def sheet(
    source: Path | bytes, *, pixels: int, limits: Limits, number: int, read_pixels: bool
) -> Sheet:
    """Opens a document for the sake of one page (see :meth:`Pdf.sheet`).

    Raises:
        MediaError: as :class:`Pdf`.
    """
    with Pdf(source, limits) as document:
        return document.sheet(number, pixels=pixels, read_pixels=read_pixels)


def _outline(document: "PdfDocument") -> list[tuple[int, str]]:
    """Page number and heading of each entry that leads to a page, by page."""
    found: list[tuple[int, str]] = []
    for count, entry in enumerate(document.get_toc()):
        if count >= _OUTLINE_ENTRIES:
            break
        target = entry.get_dest()
        index = target.get_index() if target is not None else None
        heading = _clean(entry.get_title())[:_TITLE_CHARS]
        if index is not None and index >= 0 and heading:
            found.append((index + 1, heading))
    return sorted(found, key=lambda entry: entry[0])


def _text_layer(page: "PdfPage") -> str:
    textpage = page.get_textpage()
    try:
        return _clean(textpage.get_text_bounded())
    finally:
        textpage.close()


def _clean(text: str) -> str:
    # PDFium writes a hyphen at the end of a line as U+0002 or U+FFFE: the word goes on.
    text = re.sub("[\x02\ufffe]\\s*\n?", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(char for char in text if char >= " " or char in "\n\t").strip()


def _is_blank(pixels: NDArray[np.uint8]) -> bool:
    return int(pixels.max()) - int(pixels.min()) < _BLANK_RANGE
