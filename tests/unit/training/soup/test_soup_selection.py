"""The greedy choice, with made-up scores."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lora_files import PEFT_WARNINGS, farthest, mean_of, merged_by_peft
from rzen.errors import EncoderError, UsageError
from rzen.training.soup import greedy, soup

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

Table = Mapping[tuple[str, ...], float]


def by_table(table: Table, seen: list[tuple[str, ...]]) -> Callable[[Path], float]:
    """Scores by what is in a folder."""

    def score(folder: Path) -> float:
        soup_file = folder / "soup.json"
        names: tuple[str, ...] = (folder.name,)
        if soup_file.is_file():
            names = tuple(each["name"] for each in json.loads(soup_file.read_text())["ingredients"])
        seen.append(names)
        return table[names]

    return score


SCORES: Table = {
    ("run-0",): 0.5,
    ("run-1",): 0.7,
    ("run-2",): 0.6,
    ("run-1", "run-2"): 0.69,
    ("run-1", "run-0"): 0.7,
}


def test_takes_what_does_no_harm(adapters: list[Path], tmp_path: Path) -> None:
    """The order is not that of the scores, one that harms is kept, or one that changes nothing is
    not (Wortsman et al. keep it)."""
    seen: list[tuple[str, ...]] = []
    made = greedy(adapters, tmp_path / "soup", by_table(SCORES, seen))
    assert seen == [
        ("run-0",),
        ("run-1",),
        ("run-2",),
        ("run-1", "run-2"),
        ("run-1", "run-0"),
    ]
    assert [(each.name, each.weight) for each in made.ingredients] == [
        ("run-1", 0.5),
        ("run-0", 0.5),
    ]
    told = [(each.ingredients, each.score, each.is_kept) for each in made.steps]
    assert told == [
        (("run-1",), 0.7, True),
        (("run-2",), 0.6, False),
        (("run-0",), 0.5, False),
        (("run-1", "run-2"), 0.69, False),
        (("run-1", "run-0"), 0.7, True),
    ]
    document = json.loads((made.folder / "soup.json").read_text())
    assert [each["score"] for each in document["steps"]] == [0.7, 0.6, 0.5, 0.69, 0.7]
    assert "| run-1 + run-0 | 0.7000 | kept |" in (made.folder / "README.md").read_text()
    wanted = mean_of([merged_by_peft(adapters[number]) for number in (1, 0)], [0.5, 0.5])
    assert farthest(merged_by_peft(made.folder), wanted) < 1e-6
    assert [path.name for path in tmp_path.iterdir()] == ["soup"], "a candidate was left behind"


def test_the_best_alone_is_a_soup_too(adapters: list[Path], tmp_path: Path) -> None:
    """Nothing helps, and nothing is written."""
    table = {**SCORES, ("run-1", "run-0"): 0.1}
    made = greedy(adapters, tmp_path / "soup", by_table(table, []), merge=True)
    assert [each.name for each in made.ingredients] == ["run-1"]
    assert made.kind == "merged adapter"
    assert made.rank is None


def test_candidates_are_what_the_soup_will_be(adapters: list[Path], tmp_path: Path) -> None:
    """What was scored has other weights than what is written."""
    hashes: list[bytes] = []

    def score(folder: Path) -> float:
        hashes.append((folder / "adapter_model.safetensors").read_bytes())
        return float(len(hashes))  # each is better than all before

    made = greedy(adapters, tmp_path / "soup", score)
    assert (made.folder / "adapter_model.safetensors").read_bytes() == hashes[-1]
    assert len(made.ingredients) == 3


def test_an_interrupt_leaves_nothing(adapters: list[Path], tmp_path: Path) -> None:
    """Candidates of many gigabytes fill the disk."""
    seen: list[Path] = []

    def score(folder: Path) -> float:
        seen.append(folder)
        if len(seen) > 3:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        greedy(adapters, tmp_path / "soup", score)
    assert seen[-1].parent.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_is_no_number(adapters: list[Path], tmp_path: Path) -> None:
    """NaN is less than nothing and more than nothing, so everything goes in."""
    with pytest.raises(UsageError, match="the score of run-0 is nan"):
        greedy(adapters, tmp_path / "soup", lambda _: float("nan"))


def test_what_cannot_be_written_is_not_scored(adapters: list[Path], tmp_path: Path) -> None:
    """Hours of scoring, and then the folder is in the way."""

    def score(_: Path) -> float:
        raise AssertionError("it was scored")

    (tmp_path / "soup").mkdir()
    (tmp_path / "soup" / "mine").write_text("")
    with pytest.raises(EncoderError, match="is there already"):
        greedy(adapters, tmp_path / "soup", score)
    with pytest.raises(UsageError, match="no such folder"):
        greedy([*adapters, tmp_path / "slip"], tmp_path / "new", score)


def test_models_of_one_name_are_told_apart(adapters: list[Path], tmp_path: Path) -> None:
    """All runs end in a folder named final, and the card says final, final, final."""
    import shutil

    folders = []
    for number, each in enumerate(adapters[:2]):
        folders.append(tmp_path / f"run-{number}" / "final")
        shutil.copytree(each, folders[-1])
    made = soup(folders, tmp_path / "soup")
    assert [each.name for each in made.ingredients] == ["run-0/final", "run-1/final"]
