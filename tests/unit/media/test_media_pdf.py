"""PDF pages: pixels, text, headings, limits, damage."""

import threading
from pathlib import Path

import numpy as np
import pytest

from media_files import ENCRYPTED, pdf, quadrants, scanned_pdf
from rzen.config import Limits
from rzen.errors import MediaError
from rzen.media import ocr
from rzen.media.pdf import Pdf, Sheet, sheet

LIMITS = Limits()


def read(
    data: bytes | Path, number: int = 1, pixels: int = 100_000, limits: Limits = LIMITS
) -> Sheet:
    return sheet(data, number=number, pixels=pixels, limits=limits, read_pixels=False)


def test_pixels_and_text_of_a_page(tmp_path: Path) -> None:
    path = tmp_path / "two.pdf"
    path.write_bytes(pdf(["first page of two", "second page\nwith two lines"]))
    found = read(path, 2)
    assert found.number == 2
    assert found.text == "second page\nwith two lines"
    height, width = found.pixels.shape[:2]
    assert width / height == pytest.approx(1.5, abs=0.02)
    assert found.pixels.dtype == np.uint8
    assert found.pixels[-1, -1].tolist() == [255, 255, 255]
    assert found.pixels.min() < 60


def test_colours_are_in_order() -> None:
    """PDFium draws BGR unless told otherwise."""
    found = read(pdf([b"1 0 0 rg 0 0 150 200 re f 0 0 1 rg 150 0 150 200 re f"])).pixels
    assert found[50, 10].tolist() == [255, 0, 0]
    assert found[50, -10].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    "size", [(14_400, 14_400), (14_400, 3), (1, 1), (612, 792), (300.7, 200.3)]
)
@pytest.mark.parametrize("pixels", [1, 5_000, 1_003_520])
def test_pages_are_capped_before_they_are_drawn(size: tuple[float, float], pixels: int) -> None:
    """A page of 14,400 points must not ask for gigabytes, nor rounding for a pixel more."""
    found = read(pdf(["big"], size=size), pixels=pixels)
    height, width = found.pixels.shape[:2]
    assert 1 <= width * height <= pixels
    capped = read(pdf(["big"], size=size), pixels=10**9, limits=Limits(page_pixels=5_000))
    assert capped.pixels.shape[0] * capped.pixels.shape[1] <= 5_000


def test_title_and_headings() -> None:
    data = pdf(["a", "b", "c"], title="The Manual", headings={1: "Start", 3: "End"})
    with Pdf(data, LIMITS) as document:
        assert [document.metadata(number) for number in (1, 2, 3)] == [
            {"pages": 3, "title": "The Manual", "section": "Start"},
            {"pages": 3, "title": "The Manual", "section": "Start"},
            {"pages": 3, "title": "The Manual", "section": "End"},
        ]


def test_encrypted_documents_say_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    path.write_bytes(pdf(["x"], encrypt=ENCRYPTED))
    with pytest.raises(MediaError, match=r"secret\.pdf: the PDF is encrypted"):
        read(path)


def test_page_count_is_limited() -> None:
    with pytest.raises(MediaError, match=r"3 pages are more than the limit of 2"):
        read(pdf(["a", "b", "c"]), limits=Limits(pages=2))


@pytest.mark.parametrize("number", [0, 3])
def test_there_is_no_such_page(number: int) -> None:
    with pytest.raises(MediaError, match=f"no page {number}, the last is 2"):
        read(pdf(["a", "b"]), number)


def test_garbage_behind_the_magic(tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\n" + b"garbage " * 100)
    with pytest.raises(MediaError, match=r"broken\.pdf: the PDF is damaged or truncated"):
        read(path)


def test_a_missing_end_is_remarked() -> None:
    """PDFium rebuilds what it can, silently: what it could not is missed by nobody else."""
    data = pdf(["first page, whole", "second page, whole"])
    with Pdf(data, LIMITS) as document:
        assert document.remark == ""
    with Pdf(data[:-8], LIMITS) as document:
        assert "the end of the file is missing" in document.remark
        assert document.sheet(1, pixels=9_000, read_pixels=False).text == "first page, whole"


def test_half_a_document_is_none(tmp_path: Path) -> None:
    data = pdf(["first page", "second page"])
    path = tmp_path / "half.pdf"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"half\.pdf: the PDF is damaged or truncated"):
        read(path)


def test_many_threads_take_turns() -> None:
    """PDFium crashes the process when two threads are in it, even on two documents."""
    data = [pdf([f"document {number}, page {page}" for page in range(5)]) for number in range(4)]
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        with Pdf(data[number], LIMITS) as document:
            sheets = [
                document.sheet(page, pixels=40_000, read_pixels=False) for page in range(1, 6)
            ]
        found[number] = [sheet.text for sheet in sheets]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        number: [f"document {number}, page {page}" for page in range(5)] for number in range(4)
    }


def test_the_same_pixels_every_time() -> None:
    data = pdf(["same"])
    np.testing.assert_array_equal(read(data).pixels, read(data).pixels)


def test_blank_pages_are_not_read_with_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of OCR for each empty page of a book."""
    monkeypatch.setattr(ocr, "read", lambda _: pytest.fail("OCR of a blank page"))
    assert sheet(pdf([b""]), number=1, pixels=9_000, limits=LIMITS, read_pixels=True).text == ""


def test_pages_with_a_text_layer_are_not_read_with_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "read", lambda _: pytest.fail("OCR of a page with text"))
    data = pdf(["there is enough text on this page"])
    found = sheet(data, number=1, pixels=9_000, limits=LIMITS, read_pixels=True)
    assert found.text == "there is enough text on this page"


def test_without_the_extra_a_scan_has_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "available", lambda: False)
    data = scanned_pdf(quadrants(40, 40), (100, 100))
    assert sheet(data, number=1, pixels=9_000, limits=LIMITS, read_pixels=True).text == ""


def test_a_scan_is_read() -> None:
    pytest.importorskip("rapidocr")
    page = read(pdf(["The overdue invoice is 4711"], size=(260, 60)), pixels=500_000).pixels
    data = scanned_pdf(page, (260, 60))
    assert read(data).text == ""
    found = sheet(data, number=1, pixels=9_000, limits=LIMITS, read_pixels=True)
    assert "invoice" in found.text
    assert "4711" in found.text
