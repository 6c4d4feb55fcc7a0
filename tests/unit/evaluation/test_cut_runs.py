"""Runs of an encoder of which only the first dimensions are used."""

from pathlib import Path

import pytest

from evaluation_sets import TableEncoder, suite, text_set
from rzen.encoders.cut import CutEncoder
from rzen.errors import UsageError
from rzen.evaluation.runner import run
from rzen.types import Calibration

# By the first dimension alone, the query is nearer to the wrong document.
VECTORS = {"which?": [0.6, 0.8], "right": [-0.1, 0.9], "wrong": [0.9, -0.1]}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


def test_a_cut_run_ranks_by_what_is_left_and_encodes_nothing_twice(tmp_path: Path) -> None:
    """Guards against --dim that changes nothing, and hours of encoding for each dimension."""
    asked = suite(
        tmp_path / "data",
        text_set({"which?": ("right",)}, {"right": "right", "wrong": "wrong"}, name="two"),
    )
    encoder = TableEncoder(VECTORS)
    assert run(asked, encoder, tmp_path / "whole").overall == 1.0
    count = len(encoder.asked)
    found = run(asked, CutEncoder(encoder, 1), tmp_path / "cut")
    assert found.overall == 0.0
    assert len(encoder.asked) == count == 3
    assert found.sets[0].cost.items == 0
    assert (found.encoder, found.fingerprint["dim"]) == ("table-dim1", 1)
    assert run(asked, encoder, tmp_path / "again").overall == 1.0, "whole vectors are kept"


def test_a_cut_run_goes_first_as_well(tmp_path: Path) -> None:
    """Guards against cut vectors in the cache of the whole ones."""
    asked = suite(
        tmp_path / "data",
        text_set({"which?": ("right",)}, {"right": "right", "wrong": "wrong"}, name="two"),
    )
    encoder = TableEncoder(VECTORS)
    assert run(asked, CutEncoder(encoder, 1), tmp_path / "cut").overall == 0.0
    assert run(asked, encoder, tmp_path / "whole").overall == 1.0
    assert len(encoder.asked) == 3


def test_runs_of_two_dimensions_keep_apart(tmp_path: Path) -> None:
    """Guards against a folder in which the figures of one dimension replace those of another."""
    asked = suite(
        tmp_path / "data",
        text_set({"which?": ("right",)}, {"right": "right", "wrong": "wrong"}, name="two"),
    )
    encoder = TableEncoder(VECTORS)
    run(asked, CutEncoder(encoder, 1), tmp_path / "out")
    for other in (encoder, CutEncoder(encoder, 2)):
        with pytest.raises(UsageError, match="table-dim1"):
            run(asked, other, tmp_path / "out")
    assert run(asked, CutEncoder(encoder, 1), tmp_path / "out").overall == 0.0


def test_a_calibration_of_whole_vectors_is_left_out(tmp_path: Path) -> None:
    """Guards against scores of the mixed pool by a calibration that does not hold."""
    asked = suite(
        tmp_path / "data",
        text_set(
            {"which?": ("right",)},
            {"right": "right", "wrong": "wrong"},
            name="two",
            group="mixed",
        ),
    )
    encoder = TableEncoder(VECTORS, calibration={"text": Calibration(slope=1.0, intercept=0.0)})
    found = run(asked, CutEncoder(encoder, 1), tmp_path / "out")
    assert "plain cosines" in " ".join(found.sets[0].notes)
