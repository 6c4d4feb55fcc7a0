"""Clips of one video as hard negatives of each other."""

import json
from pathlib import Path
from typing import Any

import pytest

from rzen.data.sources.caption_rows import CaptionRows
from rzen.data.sources.json_lines import JsonLines
from rzen.data.sources.siblings import Direction, SiblingClips
from rzen.data.sources.source import LEFT_OUT
from rzen.data.sources.table_source import TableSource
from rzen.types import Content, Video


def clip(video: str, number: int, **changes: Any) -> dict[str, Any]:
    return {
        "video": f"{video}.mp4",
        "start": 10 * number,
        "end": 10 * number + 8,
        "caption": f"{video} {number}",
        **changes,
    }


def clips(
    folder: Path, *rows: dict[str, Any], direction: Direction = "text-to-video", **options: int
) -> SiblingClips:
    file = folder / f"{direction}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SiblingClips(TableSource("c", [JsonLines(file)], CaptionRows({})), direction, **options)


def place(content: Content) -> tuple[str, float | None]:
    (part,) = content.parts
    assert isinstance(part, Video)
    assert isinstance(part.source, Path)
    return part.source.stem, part.t_start


ROWS = [clip(video, number) for number in range(6) for video in ("a", "b")] + [clip("c", 0)]


def test_siblings_are_of_the_same_video_and_never_the_clip_itself(tmp_path: Path) -> None:
    """The right answer among its own negatives would be pushed away at every step."""
    source = clips(tmp_path, *ROWS, negatives=3)
    for row in range(12):
        found = source[row]
        video, start = place(found.positives[0])
        negatives = [place(each) for each in found.negatives]
        assert [name for name, _ in negatives] == [video] * 3
        assert (video, start) not in negatives
        assert len(set(negatives)) == 3
    assert source[12].negatives == ()
    assert len(clips(tmp_path, *ROWS, negatives=99)[0].negatives) == 5


def test_the_draw_is_each_rows_own_and_always_the_same(tmp_path: Path) -> None:
    """A draw from a common generator would differ from worker to worker, and after a resume."""
    drawn = [
        [place(each) for each in clips(tmp_path, *ROWS, negatives=2)[row].negatives]
        for row in (0, 2, 0)
    ]
    assert drawn[0] == drawn[2]
    sets = {
        frozenset(place(each) for each in clips(tmp_path, *ROWS, negatives=2)[row].negatives)
        for row in range(0, 12, 2)
    }
    assert len(sets) > 2
    other = clips(tmp_path, *ROWS, negatives=2, seed=1)
    assert any(
        [place(each) for each in other[row].negatives]
        != [place(each) for each in clips(tmp_path, *ROWS, negatives=2)[row].negatives]
        for row in range(12)
    )


def test_rows_of_one_video_draw_on_their_own(tmp_path: Path) -> None:
    """One draw for all rows would show the same two clips of a long video for ever."""
    both = clips(tmp_path, *ROWS, direction="both", negatives=2)
    pairs = [
        (
            {int((start or 0) // 10) for _, start in map(place, both[row].negatives)},
            {int(each.text[2:]) for each in both[13 + row].negatives},
        )
        for row in range(12)
    ]
    assert sum(there != back for there, back in pairs) >= 6


def test_both_directions(tmp_path: Path) -> None:
    """The keys of positives must follow: captions are the positives of the way back."""
    both = clips(tmp_path, *ROWS, direction="both")
    back = clips(tmp_path, *ROWS, direction="video-to-text")
    assert (len(both), len(back)) == (26, 13)
    asked, answered = both[2], both[13 + 2]
    assert place(asked.positives[0]) == place(answered.query) == ("a", 10.0)
    assert answered.positives[0].text == "a 1"
    assert {each.text for each in answered.negatives} <= {f"a {n}" for n in (0, 2, 3, 4, 5)}
    assert len(answered.negatives) == 4
    assert both.positive_N[13:].tolist() == back.positive_N.tolist()
    assert len(set(both.positive_N.tolist())) == 26
    assert both.where(15) == both.where(2)
    assert set(both.direction_N.tolist()) == {2, 8}
    assert set(back.direction_N.tolist()) == {8}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"caption": "A"}, False),
        ({"start": 1, "end": 9}, False),
        ({"start": 6, "end": 14}, True),
        ({"start": None, "end": None}, False),
        ({"start": 0, "end": 8}, False),
        ({"video": "y.mp4", "start": 0}, True),
    ],
)
def test_what_shows_or_says_the_same_is_no_negative(
    tmp_path: Path, other: dict[str, Any], expected: bool
) -> None:
    """Captions of overlapping stretches are true of both; so is one caption of two clips."""
    rows = [
        clip("x", 0, caption="A", video_id="v"),
        {**clip("x", 1, caption="B", video_id="v"), **other},
    ]
    assert bool(clips(tmp_path, *rows)[0].negatives) is expected


def test_one_caption_stands_once_among_the_negatives(tmp_path: Path) -> None:
    rows = [clip("x", 0), *[clip("x", number, caption="same") for number in range(1, 5)]]
    for direction in ("text-to-video", "video-to-text"):
        assert len(clips(tmp_path, *rows, direction=direction)[0].negatives) == 1


def test_rows_that_are_left_out_are_nobodys_sibling(tmp_path: Path) -> None:
    source = clips(tmp_path, clip("x", 0), clip("x", 1, caption=""), clip("x", 2), direction="both")
    assert source.task_N.tolist() == [0, LEFT_OUT, 0] * 2
    assert [place(each) for each in source[0].negatives] == [("x", 20.0)]


def test_a_first_row_that_is_left_out_shifts_no_keys(tmp_path: Path) -> None:
    """Keys of videos began with the first whole row: each clip had its neighbour's siblings."""
    source = clips(tmp_path, clip("x", 0, caption=""), *ROWS, negatives=9)
    assert {place(each)[0] for each in source[1].negatives} == {"a"}
    assert {place(each)[0] for each in source[2].negatives} == {"b"}


def test_clips_with_no_whole_row(tmp_path: Path) -> None:
    """The arrays of keys are empty then: the mixture says what is wrong, not an index error."""
    assert clips(tmp_path, clip("x", 0, caption="")).skipped.total == 1
