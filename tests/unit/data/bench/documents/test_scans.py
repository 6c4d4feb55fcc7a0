import numpy as np
import pytest
from numpy.typing import NDArray

from rzen.data.bench.documents.scans import scanned


@pytest.fixture
def page() -> NDArray[np.uint8]:
    """White, with black bars where lines of text may be."""
    page_HW = np.full((240, 180), 255, np.uint8)
    for row in range(30, 210, 12):
        page_HW[row : row + 4, 20:160] = 0
    return page_HW


def test_a_scan_is_its_page_and_legible(page: NDArray[np.uint8]) -> None:
    """Guards against noise in which the page is lost, and a turn that cuts it off."""
    for seed in range(5):
        scan_HW = scanned(page, np.random.default_rng(seed))
        assert scan_HW.shape == page.shape
        assert scan_HW.dtype == np.uint8
        assert scan_HW[:20].mean() - scan_HW[102:106, 60:120].mean() > 90
        assert np.corrcoef(scan_HW.ravel(), page.ravel())[0, 1] > 0.5


def test_a_scan_does_not_look_printed(page: NDArray[np.uint8]) -> None:
    """Guards against a scan that is the page itself: it must be read, not compared."""
    scan_HW = scanned(page, np.random.default_rng(1))
    assert np.unique(scan_HW[:20]).size > 1
    assert np.abs(scan_HW.astype(int) - page).mean() > 10


def test_scans_depend_on_the_dice_alone(page: NDArray[np.uint8]) -> None:
    """Guards against a suite with another hash every time, and scans that are all askew alike."""
    first, again, other = (scanned(page, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_scans_have_few_greys(page: NDArray[np.uint8]) -> None:
    """Guards against noise that no PNG can compress."""
    assert np.unique(scanned(page, np.random.default_rng(1))).size <= 16
