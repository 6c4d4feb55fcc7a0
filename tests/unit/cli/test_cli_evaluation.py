"""Parts of rzen eval that need no process of their own."""

from pathlib import Path

import pytest

from evaluation_sets import TableEncoder, suite, text_set
from rzen.cli.evaluation import fetch
from rzen.cli.evaluation.run import _folder
from rzen.data.bench import suite as bench
from rzen.types import MediaBudget


def test_every_encoder_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """The same weights with another template, pooling or budget are another encoder: its run
    deleted that of the first."""
    data = suite(tmp_path, text_set({"q": ("a",)}, {"a": "1"}))
    plain, other, elsewhere = (TableEncoder({}) for _ in range(3))
    other.budget = MediaBudget(image_pixels=64)
    elsewhere.environment = {"device": "cuda"}
    folders = [_folder(data, each, None, is_part=False) for each in (plain, other, elsewhere)]
    assert len(set(folders)) == 3
    assert _folder(data, TableEncoder({}), None, is_part=False) == folders[0]
    assert {folder.parent for folder in folders} == {Path("rzen-eval") / data.filed_under}
    assert _folder(data, plain, 5, is_part=True).name.startswith(f"{folders[0].name}-limit5-part-")


def test_another_build_than_the_published_one_may_be_an_old_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards against Debian being blamed for a suite that was built by an older rzen."""
    about = {"suite": "rzen-bench", "version": "old", "edition": 1, "sets": {}, "examples": {}}
    monkeypatch.setattr(bench, "manifest", lambda _: about)
    fetch.run()
    assert "rzen eval fetch --force" in capsys.readouterr().err
    monkeypatch.setattr(bench, "PUBLISHED", "old")
    fetch.run()
    assert capsys.readouterr().err == ""
