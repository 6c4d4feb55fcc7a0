from pathlib import Path
from typing import Any

import pytest

from rzen.data.retrieval_set import Query
from rzen.errors import DataError
from rzen.evaluation.mmeb.rows import document_set, image_set
from rzen.types import Content, Image, Text

INSTRUCTION = "<|image_1|>\nRepresent the given image for classification"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of images (nothing is decoded here)."""
    for name in ("q/1.jpg", "q/2.jpg", "t/1.jpg", "t/2.jpg", "t/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"image")
    return tmp_path


def row(**fields: Any) -> dict[str, Any]:
    """A row of a classification task."""
    return {
        "qry_inst": INSTRUCTION,
        "qry_text": "",
        "qry_img_path": "q/1.jpg",
        "tgt_inst": "",
        "tgt_text": ["cat", "dog", "fish"],
        "tgt_img_path": ["", "", ""],
        **fields,
    }


def parts(content: Content, root: Path) -> list[str]:
    """A content as texts: images by their path."""
    told = []
    for part in content.parts:
        if isinstance(part, Image):
            assert isinstance(part.source, Path)
            told.append(part.source.relative_to(root).as_posix())
        else:
            assert isinstance(part, Text)
            told.append(part.text)
    return told


def ids(query: Query) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    return query.labels, query.candidates


def test_image_to_text(root: Path) -> None:
    """Classification: texts are their own ids, and get no instruction."""
    rows = [row(), row(qry_img_path="q/2.jpg", tgt_text=["dog", "cat"], tgt_img_path=None)]
    read = image_set("ImageNet-1K", rows, root)
    made = read.made
    assert (made.group, made.family, made.metric) == ("image", "classification", "hit@1")
    assert made.scope == "local"
    assert made.instruction == "Represent the given image for classification"
    assert made.document_instruction is None
    assert [query.id for query in made.queries] == ["1", "2"]
    assert [parts(query.content, root) for query in made.queries] == [["q/1.jpg"], ["q/2.jpg"]]
    assert [ids(query) for query in made.queries] == [
        (("cat",), ("cat", "dog", "fish")),
        (("dog",), ("dog", "cat")),
    ]
    assert {name: parts(each, root) for name, each in made.documents.items()} == {
        "cat": ["cat"],
        "dog": ["dog"],
        "fish": ["fish"],
    }
    assert read.notes == ()


def test_the_question_is_kept_apart_from_the_instruction(root: Path) -> None:
    """Guards against instructions that become part of what is asked, or of the marker's place."""
    asked = row(
        qry_inst="<|image_1|>\nRepresent the given image with the following question:",
        qry_text="What colour is it?",
    )
    made = image_set("GQA", [asked], root).made
    assert made.instruction == "Represent the given image with the following question:"
    assert parts(made.queries[0].content, root) == ["q/1.jpg", "What colour is it?"]


def test_rows_that_disagree_keep_their_own_instruction(root: Path) -> None:
    """As in the reference, it is put before the text with a space."""
    rows = [row(), row(qry_inst="<|image_1|>\nName it:", qry_text="please")]
    made = image_set("ImageNet-1K", rows, root).made
    assert made.instruction is None
    assert [parts(query.content, root) for query in made.queries] == [
        ["q/1.jpg", "Represent the given image for classification"],
        ["q/1.jpg", "Name it: please"],
    ]


def test_text_to_image(root: Path) -> None:
    """A query without an image: candidates are named by path alone, captions go along."""
    found = row(
        qry_inst="Find the picture:",
        qry_text="a red boat",
        qry_img_path=None,
        tgt_inst="<|image_1|>\nRepresent the given image",
        tgt_text=["a boat", "a tree"],
        tgt_img_path=["t/1.jpg", "t/2.jpg"],
    )
    again = {**found, "tgt_text": ["a mast", "a tree"]}
    read = image_set("WebQA", [found, again], root)
    made = read.made
    assert made.document_instruction == "Represent the given image"
    assert parts(made.queries[0].content, root) == ["a red boat"]
    assert ids(made.queries[0]) == (("t/1.jpg",), ("t/1.jpg", "t/2.jpg"))
    assert parts(made.documents["t/1.jpg"], root) == ["t/1.jpg", "a boat"]
    assert len(read.notes) == 1
    assert "1 candidates have a name that stood before with another caption" in read.notes[0]


def test_the_first_caption_of_a_list_is_kept(root: Path) -> None:
    """A path with two captions in one list is one candidate there, as in the whole set."""
    found = row(
        qry_text="a red boat",
        qry_img_path="",
        tgt_text=["a boat", "a mast"],
        tgt_img_path=["t/1.jpg", "t/1.jpg"],
    )
    made = image_set("WebQA", [found], root).made
    assert ids(made.queries[0]) == (("t/1.jpg",), ("t/1.jpg",))
    assert parts(made.documents["t/1.jpg"], root) == ["t/1.jpg", "a boat"]


def test_image_to_image(root: Path) -> None:
    """One image holds several targets: path and caption tell them apart."""
    found = row(
        qry_text="the left one",
        tgt_inst="Represent the object:",
        tgt_text=['"left dog"', "right dog", ""],
        tgt_img_path=["t/1.jpg", "t/1.jpg", "t/2.jpg"],
    )
    made = image_set("RefCOCO-Matching", [found], root).made
    assert ids(made.queries[0]) == (
        ("t/1.jpg:left dog",),
        ("t/1.jpg:left dog", "t/1.jpg:right dog", "t/2.jpg:"),
    )
    assert parts(made.documents["t/1.jpg:left dog"], root) == ["t/1.jpg", '"left dog"']
    assert parts(made.documents["t/2.jpg:"], root) == ["t/2.jpg"]
    assert made.document_instruction == "Represent the object:"


def test_targets_that_disagree_keep_their_own_instruction(root: Path) -> None:
    """Guards against one row's instruction for all documents."""
    images = {"tgt_text": ["", ""], "tgt_img_path": ["t/1.jpg", "t/2.jpg"]}
    rows = [row(**images, tgt_inst="Look:"), row(tgt_text=["x"], tgt_img_path=["t/3.jpg"])]
    made = image_set("NIGHTS", rows, root).made
    assert made.document_instruction is None
    assert parts(made.documents["t/1.jpg:"], root) == ["t/1.jpg", "Look:"]
    assert parts(made.documents["t/3.jpg:x"], root) == ["t/3.jpg", "x"]


def test_candidates_that_stand_twice_are_counted(root: Path) -> None:
    """The right one among them: the first place is kept, or it would be its own rival."""
    rows = [row(), row(tgt_text=["cat", "dog", "cat", "dog", "cat"], tgt_img_path=[""] * 5)]
    read = image_set("ImageNet-1K", rows, root)
    assert ids(read.made.queries[1]) == (("cat",), ("cat", "dog"))
    assert len(read.notes) == 1
    assert "3 candidates stand twice in their list (1 of 2 lists)" in read.notes[0]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"qry_text": None}, "'qry_text' is None, not a text"),
        ({"qry_img_path": ""}, "the query has neither text nor image"),
        ({"tgt_text": "cat"}, "'tgt_text' is 'cat', not a list of texts"),
        ({"tgt_text": ["cat", 1, "x"]}, "not a list of texts"),
        ({"tgt_text": [], "tgt_img_path": []}, "0 texts and 0 images"),
        ({"tgt_img_path": ["t/1.jpg"]}, "3 texts and 1 images"),
        ({"tgt_text": ["", "dog", "cat"]}, "the right target has neither text nor image"),
    ],
)
def test_a_damaged_row_is_named(root: Path, broken: dict[str, Any], problem: str) -> None:
    """Guards against a set that is read with rows left out."""
    with pytest.raises(DataError) as caught:
        image_set("ImageNet-1K", [row(), row(**broken)], root)
    assert "set 'ImageNet-1K', row 2" in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "q/../../x.jpg", "q\0.jpg"])
def test_paths_stay_in_the_folder(root: Path, path: str) -> None:
    """Guards against rows that read other files of the machine."""
    with pytest.raises(DataError, match="leads out of"):
        image_set("ImageNet-1K", [row(qry_img_path=path)], root)
    with pytest.raises(DataError, match="leads out of"):
        image_set("NIGHTS", [row(tgt_text=[""], tgt_img_path=[path])], root)


def test_missing_images_are_counted_before_the_run(root: Path) -> None:
    """Guards against a run that fails after hours, image by image."""
    rows = [row(), row(qry_img_path="q/8.jpg"), row(qry_img_path="q/9.jpg")]
    with pytest.raises(DataError, match=r"2 of 3 images are not there \(first: .*q/8.jpg\)"):
        image_set("ImageNet-1K", rows, root)


def test_names_and_rows_that_do_not_fit(root: Path) -> None:
    """An unknown name, a set of another modality, and no rows."""
    with pytest.raises(DataError, match="did you mean ImageNet-1K"):
        image_set("imageNet-1K", [row()], root)
    with pytest.raises(DataError, match="of modality visdoc, not image"):
        image_set("ViDoRe_docvqa", [row()], root)
    with pytest.raises(DataError, match="of modality image, not visdoc"):
        document_set("GQA", [], [], [], root)
    with pytest.raises(DataError, match="has no rows"):
        image_set("GQA", [], root)


QUERIES: list[dict[str, Any]] = [
    {"query-id": 7, "query": "How much?"},
    {"query-id": "b", "query": "Who?"},
]
QRELS: list[dict[str, Any]] = [
    {"query-id": 7, "corpus-id": 1, "score": 1},
    {"query-id": 7, "corpus-id": 2, "score": 2.0},
    {"query-id": 7, "corpus-id": 1, "score": 3},
    {"query-id": 7, "corpus-id": 2, "score": 1},
    {"query-id": 7, "corpus-id": 3, "score": 0},
    {"query-id": "b", "corpus-id": 3, "score": 1},
]


def corpus() -> list[dict[str, Any]]:
    return [
        {"corpus-id": 1, "image": "t/1.jpg"},
        {"corpus-id": 2, "image": {"bytes": b"png", "path": "elsewhere.png"}},
        {"corpus-id": 3, "image": {"bytes": None, "path": "t/3.jpg"}},
    ]


def test_documents(root: Path) -> None:
    """Graded labels; a score of 0 is no label, and the higher of two counts."""
    read = document_set("ViDoRe_docvqa", QUERIES, corpus(), QRELS, root)
    made = read.made
    assert (made.group, made.family, made.metric) == ("visdoc", "ViDoRe-v1", "ndcg_linear@5")
    assert made.scope == "global"
    assert [(query.id, query.labels, query.grades) for query in made.queries] == [
        ("7", ("1", "2"), (3, 2)),
        ("b", ("3",), (1,)),
    ]
    assert made.queries[0].candidates is None
    assert parts(made.queries[0].content, root) == ["How much?"]
    assert made.instruction == "Find a document image that matches the given query:"
    assert list(made.documents) == ["1", "2", "3"]
    assert parts(made.documents["3"], root) == ["t/3.jpg"]
    image = made.documents["2"].parts[0]
    assert isinstance(image, Image)
    assert image.source == b"png"
    assert read.notes == ()


def test_pages_that_the_reference_evaluator_saved(root: Path) -> None:
    """Without images in the rows: its names, which cut VisRAG's ids at 50 letters and hash them."""
    (root / "9.png").write_bytes(b"image")
    pages: list[dict[str, Any]] = [{"corpus-id": 9}]
    labels: list[dict[str, Any]] = [{"query-id": 7, "corpus-id": 9, "score": 1}]
    made = document_set("ViDoSeek-doc", QUERIES[:1], pages, labels, root).made
    assert parts(made.documents["9"], root) == ["9.png"]

    name = "x" * 60 + ".jpg"
    saved = f"{'x' * 50}_6a1e9009.jpg"
    (root / saved).write_bytes(b"image")
    labels = [{"query-id": 7, "corpus-id": name, "score": 1}]
    made = document_set("VisRAG_ChartQA", QUERIES[:1], [{"corpus-id": name}], labels, root).made
    assert parts(made.documents[name], root) == [saved]


def test_what_is_left_out_of_documents_is_told(root: Path) -> None:
    """Pages whose id stood before, and labels of queries of another language."""
    labels = [*QRELS, {"query-id": "c", "corpus-id": 1, "score": 1}]
    pages = [*corpus(), {"corpus-id": "1", "image": "t/2.jpg"}]
    read = document_set("ViDoRe_docvqa", QUERIES, pages, labels, root)
    assert parts(read.made.documents["1"], root) == ["t/1.jpg"]
    assert read.notes == (
        "set 'ViDoRe_docvqa': 1 pages have an id that stood before: left out",
        "set 'ViDoRe_docvqa': labels of 1 queries that are not asked: left out",
    )


@pytest.mark.parametrize(
    ("queries", "pages", "labels", "problem"),
    [
        (QUERIES, corpus(), QRELS[:1], "query 'b': it has no label"),
        (QUERIES, corpus()[:1], QRELS, "is not among the candidates"),
        (QUERIES, corpus(), [{**QRELS[0], "score": 0.5}], "label 1: its score 0.5 is no whole"),
        (QUERIES, corpus(), [{**QRELS[0], "score": float("nan")}], "score nan is no whole"),
        (QUERIES, corpus(), [{"query-id": 7, "score": 1}], "label 1: its 'corpus-id' is None"),
        ([{"query-id": 7}], corpus(), QRELS, "query 1: 'query' is None"),
        (QUERIES, [{"corpus-id": ""}], QRELS, "page 1 of the corpus: its 'corpus-id' is ''"),
        (QUERIES, [{"corpus-id": 1, "image": 5}], QRELS, "its image is of type int"),
        (QUERIES, [{"corpus-id": 1, "image": "../x"}], QRELS, "leads out of"),
        (QUERIES, [{"corpus-id": "../x"}], QRELS, "leads out of"),
        (QUERIES, [*corpus(), {"corpus-id": 4}], QRELS, "1 of 3 images are not there"),
    ],
)
def test_damaged_documents(
    root: Path,
    queries: list[dict[str, Any]],
    pages: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    problem: str,
) -> None:
    """Each names the row and what is wrong with it."""
    with pytest.raises(DataError) as caught:
        document_set("ViDoRe_docvqa", queries, pages, labels, root)
    assert problem in str(caught.value)
    assert "ViDoRe_docvqa" in str(caught.value) or "leads out of" in str(caught.value)
