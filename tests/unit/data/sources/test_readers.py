"""What rows mean: every kind of row as an example, and why one is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.caption_rows import CaptionRows
from rzen.data.sources.flat_rows import FlatRows
from rzen.data.sources.mmeb_rows import MmebRows
from rzen.data.sources.rzen_rows import RzenRows
from rzen.data.sources.vidore_rows import VidoreRows
from rzen.types import Content

HERE = Path("/data")
TEXT_TO_IMAGE = {"query_text": "caption", "positive_image": "image"}


def parts(content: Content) -> str:
    return " + ".join(map(repr, content.parts)).replace("PosixPath", "")


def flat(
    columns: Mapping[str, str], row: Mapping[str, Any], folder: Path | None = HERE
) -> tuple[str, list[str], list[str]]:
    found = FlatRows(columns, "t").example(row, folder)
    return (
        parts(found.query),
        [parts(each) for each in found.positives],
        [parts(each) for each in found.negatives],
    )


def test_a_mapping_says_which_column_is_what() -> None:
    columns = {**TEXT_TO_IMAGE, "negative_text": "hard"}
    row = {"caption": "a boat", "image": "a.png", "hard": ["a car", "a train"], "image2": "b"}
    assert flat(columns, row) == (
        "Text(text='a boat')",
        ["Image(source=('/data/a.png'))"],
        ["Text(text='a car')", "Text(text='a train')"],
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.png", "Image(source=('/data/a.png'))"),
        ("/data/x/a.png", "Image(source=('/data/x/a.png'))"),
        ({"bytes": b"png", "path": "a.png"}, "Image(source=b'png')"),
        ({"bytes": None, "path": "a.png"}, "Image(source=('/data/a.png'))"),
        (b"png", "Image(source=b'png')"),
        ("https://a.b/c.png", "Image(source='https://a.b/c.png')"),
    ],
)
def test_a_medium_is_bytes_a_path_or_an_address(value: Any, expected: str) -> None:
    """The bytes of a data set's picture lie beside a path that leads nowhere on this machine."""
    assert flat(TEXT_TO_IMAGE, {"caption": "a", "image": value})[1] == [expected]


def test_media_stand_before_the_text_and_a_query_is_one_content() -> None:
    columns = {
        "query_text": "q",
        "query_image": "qi",
        "positive_video": "v",
        "positive_page": "p",
        "negative_page": "n",
    }
    row = {"q": "the same", "qi": ["a.png", "b.png"], "v": None, "p": "r.PDF#12", "n": ["s.png"]}
    assert flat(columns, row) == (
        "Image(source=('/data/a.png')) + Image(source=('/data/b.png')) + Text(text='the same')",
        ["Page(source=('/data/r.PDF'), number=12, text=None)"],
        ["Page(source=('/data/s.png'), number=1, text=None)"],
    )


def test_lists_go_together_and_a_single_value_with_each() -> None:
    """Three pictures with three captions are three negatives, not six."""
    columns = {**TEXT_TO_IMAGE, "negative_text": "nt", "negative_image": "ni"}
    row = {"caption": "a", "image": "a.png", "nt": ["x", None, ""], "ni": ["b.png", "c.png", None]}
    assert flat(columns, row)[2] == [
        "Image(source=('/data/b.png')) + Text(text='x')",
        "Image(source=('/data/c.png'))",
    ]
    assert flat(columns, {**row, "nt": "x", "ni": ["b.png", "c.png"]})[2] == [
        "Image(source=('/data/b.png')) + Text(text='x')",
        "Image(source=('/data/c.png')) + Text(text='x')",
    ]


def test_an_element_of_a_list_is_named_by_its_number() -> None:
    """MegaPairs has three wordings of one question: together they are none of them."""
    columns = {
        "query_image": "q_img",
        "query_text": "q_texts[1]",
        "positive_image": "t_img",
        "negative_image": "hns",
    }
    reader = FlatRows(columns, "t")
    assert set(reader.wanted()) == set(reader.needed()) == {"q_img", "q_texts", "t_img", "hns"}
    row = {"q_img": "a.png", "q_texts": ["redder", "bluer"], "t_img": "b.png", "hns": ["c.png"]}
    query, positives, negatives = flat(columns, row)
    assert query == "Image(source=('/data/a.png')) + Text(text='bluer')"
    assert (len(positives), len(negatives)) == (1, 1)
    assert flat(columns, {**row, "q_texts": ["redder"]})[0] == "Image(source=('/data/a.png'))"
    with pytest.raises(BadRowError, match="'q_texts' is not a list"):
        flat(columns, {**row, "q_texts": "redder"})


def test_without_a_mapping_columns_have_our_names() -> None:
    row = {
        "query_text": "a",
        "positive_text": ["b", "c"],
        "task": "t",
        "instruction": "Say it.",
        "document_instruction": "",
    }
    found = FlatRows({}).example(row, HERE)
    assert (found.task, found.instruction, found.document_instruction) == ("t", "Say it.", "")
    assert [each.text for each in found.positives] == ["b", "c"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"caption": None}, "no query"),
        ({"caption": "  "}, "no query"),
        ({"caption": 3}, "'caption' is not a text"),
        ({"caption": float("nan")}, "'caption' is not a text"),
        ({"image": None}, "no positive"),
        ({"image": {"bytes": None, "path": None}}, "no positive"),
        ({"image": []}, "no positive"),
        ({"image": 3}, "'image' holds no medium"),
        ({"image": "../a.png"}, "'image' leads out of the folder of media"),
        ({"image": "/etc/passwd"}, "'image' leads out of the folder of media"),
        ({"image": "a\0.png"}, "'image' leads out of the folder of media"),
        ({"nt": ["a"], "ni": ["b.png", "c.png"]}, "are of different lengths"),
    ],
)
def test_a_row_that_is_no_example_says_why(changes: Mapping[str, Any], reason: str) -> None:
    """Rows are counted by their reason: it must not hold what only this row has."""
    columns = {**TEXT_TO_IMAGE, "negative_text": "nt", "negative_image": "ni"}
    with pytest.raises(BadRowError) as caught:
        FlatRows(columns, "t").example({"caption": "a", "image": "a.png", **changes}, HERE)
    assert reason in caught.value.reason


def test_a_row_without_a_task_or_a_folder_says_so() -> None:
    with pytest.raises(BadRowError, match="no task: set the source's task"):
        FlatRows(TEXT_TO_IMAGE).example({"caption": "a", "image": "a.png"}, HERE)
    with pytest.raises(BadRowError, match="set the source's media"):
        flat(TEXT_TO_IMAGE, {"caption": "a", "image": "a.png"}, None)


ROW = {
    "task": "t",
    "query": {"parts": [{"text": "a"}]},
    "positives": [{"parts": [{"image": "media/a.png"}]}],
}


def test_rows_of_our_own() -> None:
    found = RzenRows().example({**ROW, "instruction": "Say it."}, HERE)
    assert (found.task, found.instruction, found.document_instruction) == ("t", "Say it.", None)
    assert (parts(found.positives[0]), found.negatives) == (
        "Image(source=('/data/media/a.png'))",
        (),
    )
    assert RzenRows("u").example(ROW, HERE).task == "u"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"query": None}, "no query"),
        ({"positives": []}, "no positive"),
        ({"positives": None}, "no positive"),
        ({"task": None}, "no task"),
        ({"task": 3}, "it is not an example"),
        ({"query": {"parts": []}}, "it is not an example"),
        ({"query": {"text": "a"}}, "'parts' is missing"),
        ({"query": "a"}, "it is not an example"),
        ({"negatives": "a"}, "it is not an example"),
        ({"positives": [{"parts": [{"image": "../a.png"}]}]}, "it is not an example"),
        ({"instruction": 3}, "it is not an example"),
    ],
)
def test_a_damaged_row_of_our_own_says_why(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(BadRowError) as caught:
        RzenRows().example({**ROW, **changes}, HERE)
    assert caught.value.reason.startswith(reason)


MMEB = {
    "qry": "<|image_1|>\nWhat is this dog good at?\n",
    "qry_image_path": "images/A/1.jpg",
    "pos_text": "herding sheep",
    "pos_image_path": "",
    "neg_text": "",
    "neg_image_path": "",
}


def test_rows_of_mmeb_train() -> None:
    """The marker is no text, and an empty negative is none."""
    found = MmebRows("image qa").example(MMEB, HERE)
    assert parts(found.query) == (
        "Image(source=('/data/images/A/1.jpg')) + Text(text='What is this dog good at?')"
    )
    assert [parts(each) for each in found.positives] == ["Text(text='herding sheep')"]
    assert (found.task, found.negatives) == ("image qa", ())
    # The text brings its own: the encoder's default must not be said on top of it.
    assert (found.instruction, found.document_instruction) == ("", "")


def test_negatives_that_are_lists_written_as_text_are_lists() -> None:
    """mmE5-synthetic: the list as one negative would be the text "['a cat', 'a cow']"."""
    row = {
        "qry": "what is it",
        "qry_image_path": "q.jpg",
        "pos_text": "a dog",
        "pos_image_path": "",
        "neg_text": "['a cat', \"a cow's calf\"]",
        "neg_image_path": "['', 'n.jpg']",
    }
    found = MmebRows("image qa").example(row, HERE)
    assert [parts(each) for each in found.negatives] == [
        "Text(text='a cat')",
        "Image(source=('/data/n.jpg')) + Text(text=\"a cow's calf\")",
    ]
    plain = MmebRows("image qa").example({**row, "neg_image_path": ""}, HERE)
    assert [parts(each) for each in plain.negatives] == [f"Text(text={row['neg_text']!r})"]


def test_an_instruction_of_mmeb_train_is_cut_off_where_it_is_known() -> None:
    """An encoder that puts instructions into the system turn got it in the user's, a second one
    beside it, or "Represent the given image." as part of every document."""
    row = {
        **MMEB,
        "qry": "Find me an image that matches the given caption: A man with a red helmet.",
        "qry_image_path": None,
        "pos_text": "<|image_1|>\nRepresent the given image.",
        "pos_image_path": "images/B/2.jpg",
        "neg_text": ["<|image_1|>\nRepresent the given image.", "another"],
        "neg_image_path": ["images/B/3.jpg", ""],
    }
    found = MmebRows(
        "image retrieval",
        ["Find me", "Find me an image that matches the given caption:"],
        ["Represent the given image."],
    ).example(row, HERE)
    assert parts(found.query) == "Text(text='A man with a red helmet.')"
    assert found.instruction == "Find me an image that matches the given caption:"
    assert found.document_instruction == "Represent the given image."
    assert [parts(each) for each in found.positives] == ["Image(source=('/data/images/B/2.jpg'))"]
    assert [parts(each) for each in found.negatives] == [
        "Image(source=('/data/images/B/3.jpg'))",
        "Text(text='another')",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qry": "", "qry_image_path": ""}, "no query"),
        ({"qry": ["a", "b"], "qry_image_path": None}, "several queries"),
        ({"pos_text": None}, "no positive"),
        ({"neg_text": ["a", "b"], "neg_image_path": ["c"]}, "are of different lengths"),
        ({"qry": 3}, "'qry' is not a text"),
    ],
)
def test_a_damaged_row_of_mmeb_train_says_why(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(BadRowError) as caught:
        MmebRows("t").example({**MMEB, **changes}, HERE)
    assert reason in caught.value.reason


def test_rows_of_vidore() -> None:
    row = {"query": "How much?", "image": {"bytes": b"png", "path": None}, "answer": "9"}
    found = VidoreRows().example({**row, "negatives": [{"bytes": b"x", "path": None}, None]}, HERE)
    assert found.task == "document retrieval"
    assert parts(found.positives[0]) == "Page(source=b'png', number=1, text=None)"
    assert [parts(each) for each in found.negatives] == ["Page(source=b'x', number=1, text=None)"]
    for changes, reason in (
        ({"query": None}, "no query"),
        ({"image": None}, "no positive"),
        ({"negatives": "x"}, "'negatives' is not a list"),
    ):
        with pytest.raises(BadRowError, match=reason):
            VidoreRows().example({**row, **changes}, HERE)


def test_rows_of_clips() -> None:
    columns = {"video": "file", "start": "from", "end": "to"}
    row = {"file": "v.mp4", "from": 1, "to": 2.5, "caption": "a dog runs"}
    found = CaptionRows(columns).example(row, HERE)
    assert parts(found.positives[0]) == "Video(source=('/data/v.mp4'), t_start=1.0, t_end=2.5)"
    for changes, reason in (
        ({"caption": ""}, "no query"),
        ({"file": None}, "no positive"),
        ({"to": 0.5}, "the clip ends before it starts"),
        ({"from": "1"}, "'from' is no number of seconds"),
        ({"from": float("nan")}, "'from' is no number of seconds"),
    ):
        with pytest.raises(BadRowError, match=reason):
            CaptionRows(columns).example({**row, **changes}, HERE)
