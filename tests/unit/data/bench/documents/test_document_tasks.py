from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from rzen.data.bench.documents import pool as document_pool
from rzen.data.bench.documents import tasks
from rzen.data.bench.documents.manuals import draw, read_manuals
from rzen.data.bench.documents.pool import STRONGEST
from rzen.data.bench.documents.questions import Question
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Page, Text

NAMES = ["manuals-t2p", "manuals-index-t2p", "manuals-p2p", "scans-t2p"]
CHAPTERS: dict[Split, range] = {
    "test": range(3, 8),
    "validation": range(8, 13),
    "train": range(13, 18),
}
ONE = "R-one-"


def shop_at(folder: Path, package: Path) -> Workshop:
    return Workshop(folder, lambda _: package)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, manuals_package: Path
) -> dict[Split, dict[str, RetrievalSet]]:
    """All sets of all splits; none has pages left for scans."""
    shop = shop_at(tmp_path_factory.mktemp("suite"), manuals_package)
    return {split: {each.name: each for each in tasks.sets(shop, split)} for split in STRONGEST}


@pytest.fixture
def scans(tmp_path: Path, manuals_package: Path, monkeypatch: pytest.MonkeyPatch) -> RetrievalSet:
    """The scans of the test, where all pages are kept for them."""
    monkeypatch.setattr(document_pool, "_POOL_PAGES", dict.fromkeys(STRONGEST, 0))
    return tasks.sets(shop_at(tmp_path, manuals_package), "test")[3]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, manuals_package: Path) -> list[Example]:
    return list(tasks.examples(shop_at(tmp_path_factory.mktemp("suite"), manuals_package)))


def page(content: Content) -> Page:
    (part,) = content.parts
    assert isinstance(part, Page)
    return part


def text(content: Content) -> str:
    (part,) = content.parts
    assert isinstance(part, Text)
    return part.text


def file(content: Content) -> Path:
    source = page(content).source
    assert isinstance(source, Path)
    return source


def graded(query: Query) -> dict[str, int]:
    assert query.grades is not None
    return dict(zip(query.labels, query.grades, strict=True))


def of_small_manual(names: Sequence[str]) -> list[int]:
    return sorted(int(name.removeprefix(ONE)) for name in names if name.startswith(ONE))


def test_each_split_searches_its_own_pages(made: dict[Split, dict[str, RetrievalSet]]) -> None:
    """Guards against a page in two splits."""
    for split, sets in made.items():
        assert [*sets] == NAMES
        for name in NAMES[:2]:
            assert of_small_manual([*sets[name].documents]) == [*CHAPTERS[split]]
    everything = [name for sets in made.values() for name in sets["manuals-t2p"].documents]
    assert len(everything) == len(set(everything))


def test_documents_are_the_pages_of_their_ids(
    made: dict[Split, dict[str, RetrievalSet]], manuals_package: Path
) -> None:
    """Guards against pictures and texts that slipped by one page."""
    (manual,) = (each for each in read_manuals(manuals_package) if each.name == "R-one")
    documents = made["test"]["manuals-t2p"].documents
    for sheet, grey_HW in draw(manual, CHAPTERS["test"]):
        assert page(documents[sheet.id]).text == sheet.text
        with Pillow.open(file(documents[sheet.id])) as picture:
            assert (np.asarray(picture) == grey_HW[..., None]).all()


def test_headings_ask_for_the_page_they_begin_on(
    made: dict[Split, dict[str, RetrievalSet]], manuals_package: Path
) -> None:
    """Guards against answers of the next section, and continuations that count as much."""
    (manual,) = (each for each in read_manuals(manuals_package) if each.name == "R-one")
    whole, a, b, c, d = (each.title for each in manual.sections if each.first < 8)
    queries = made["test"]["manuals-t2p"].queries
    found = {text(query.content): graded(query) for query in queries}
    assert found.pop(a) == {f"{ONE}3": 2, f"{ONE}4": 1}
    assert found.pop(b) == {f"{ONE}4": 2}
    assert found.pop(c) == {f"{ONE}5": 2, f"{ONE}6": 1, f"{ONE}7": 1}
    assert found.pop(d) == {f"{ONE}7": 2}
    assert whole not in found
    assert not any(name.startswith(ONE) for grades in found.values() for name in grades)


def test_no_page_shows_what_it_is_asked_for_by(
    made: dict[Split, dict[str, RetrievalSet]],
) -> None:
    """Guards against a search for words that finds every heading."""
    for sets in made.values():
        asked = sets["manuals-t2p"]
        for query in asked.queries:
            for name in query.labels:
                shown = page(asked.documents[name]).text
                assert shown
                assert text(query.content).lower() not in " ".join(shown.lower().split())


def test_index_terms_ask_for_the_pages_named(
    made: dict[Split, dict[str, RetrievalSet]],
) -> None:
    """Guards against printed numbers for pages of the file, and pages that say the same."""
    found = {}
    for split, sets in made.items():
        for query in sets["manuals-index-t2p"].queries:
            found[text(query.content)] = split, graded(query)
    found.pop("axis range", None)
    assert found == {
        "moving average": ("test", {f"{ONE}3": 2, f"{ONE}6": 1}),
        "moving window": ("validation", {f"{ONE}8": 2, f"{ONE}11": 1}),
        "moving target": ("train", {f"{ONE}13": 2, f"{ONE}16": 1}),
        "loadHooks": ("test", {f"{ONE}5": 2}),
        "loadTables": ("validation", {f"{ONE}10": 2}),
        "loadFonts": ("train", {f"{ONE}15": 2}),
    }


def test_a_page_that_asks_is_no_document(made: dict[Split, dict[str, RetrievalSet]]) -> None:
    """Guards against a query that finds itself, and queries whose answers all ask."""
    related = {3: {4: 2}, 4: {3: 2}, 5: {6: 2, 7: 1}, 6: {5: 2, 7: 2}, 7: {6: 2, 5: 1}}
    for split, sets in made.items():
        asked = sets["manuals-p2p"]
        whole = sets["manuals-t2p"].documents
        queries = {query.id: query for query in asked.queries}
        assert not queries.keys() & asked.documents.keys()
        assert queries.keys() | asked.documents.keys() == whole.keys()
        assert len(of_small_manual([*queries])) in {2, 3}
        files = {file(content) for content in asked.documents.values()}
        offset = CHAPTERS[split][0] - 3
        for name, query in queries.items():
            assert file(query.content) == file(whole[name])
            assert file(query.content) not in files
            if name.startswith(ONE):
                others = related[int(name.removeprefix(ONE)) - offset]
                possible = {f"{ONE}{other + offset}": grade for other, grade in others.items()}
                assert graded(query) == {
                    other: grade for other, grade in possible.items() if other in asked.documents
                }


def test_a_page_that_is_the_only_answer_does_not_ask(
    tmp_path: Path, manuals_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against queries whose answers all ask: of three pages, the middle one is of both."""
    related: dict[str, dict[str, int]] = {}
    for letter in "abcdefgh":
        first, middle, last = (f"{letter}{place}" for place in "123")
        related |= {first: {middle: 2}, middle: {first: 2, last: 2}, last: {middle: 2}}
    monkeypatch.setattr(tasks, "partners", lambda _: related)
    shop = shop_at(tmp_path, manuals_package)
    pool, _ = document_pool.pools(manuals_package, "test")
    pages = {name: Content(Text(name)) for name in related}
    found = tasks._related_pages(shop, pool, pages, "test")
    assert len(found.queries) >= 8
    assert len({query.id[0] for query in found.queries}) == 8


def test_scans_have_no_text_layer(scans: RetrievalSet) -> None:
    """Guards against scans that can be read without looking at them."""
    assert scans.documents
    for content in scans.documents.values():
        assert page(content).text is None
        assert page(content).number == 1
        assert file(content).suffix == ".png"


def test_scans_are_pages_of_the_split_and_answer_one_question_each(scans: RetrievalSet) -> None:
    """Guards against a scan that two headings ask for, and labels that are no document."""
    assert set(of_small_manual([*scans.documents])) == {3, 4, 5, 7}
    best = [query.labels[graded_best] for query in scans.queries for graded_best in _best(query)]
    assert sorted(best) == sorted(scans.documents)


def _best(query: Query) -> list[int]:
    assert query.grades is not None
    return [place for place, grade in enumerate(query.grades) if grade == 2]


def test_scans_look_like_the_page_asked_for(scans: RetrievalSet, manuals_package: Path) -> None:
    """Guards against scans under the ids of other pages, and pages that are not scanned."""
    (manual,) = (each for each in read_manuals(manuals_package) if each.name == "R-one")
    printed = {sheet.id: grey_HW for sheet, grey_HW in draw(manual, CHAPTERS["test"])}

    def alike(name: str, other: str) -> float:
        with Pillow.open(file(scans.documents[name])) as picture:
            scan_HW = np.asarray(picture)[..., 0]
        return float(np.corrcoef(scan_HW.ravel(), printed[other].ravel())[0, 1])

    for name in (name for name in scans.documents if name.startswith(ONE)):
        assert max(printed, key=lambda other: alike(name, other)) == name
        assert alike(name, name) < 0.99


def test_training_shows_pages_of_training_alone(
    made: dict[Split, dict[str, RetrievalSet]], trained: list[Example]
) -> None:
    """Guards against the one mistake that makes every score of a trained model worthless."""
    measured = {
        page(content).text
        for split in ("test", "validation")
        for content in made[split]["manuals-t2p"].documents.values()
    }
    own = {page(content).text for content in made["train"]["manuals-t2p"].documents.values()}
    shown = {
        page(content).text
        for example in trained
        for content in (example.query, *example.positives)
        if isinstance(content.parts[0], Page)
    }
    assert shown
    assert shown <= own
    assert not shown & measured


def test_training_has_headings_terms_and_pages(trained: list[Example]) -> None:
    """Guards against a task that is measured and not trained, and continuations as positives."""
    texts = {text(each.query): each for each in trained if isinstance(each.query.parts[0], Text)}
    assert {"moving target", "loadFonts"} <= texts.keys()
    assert len(texts["moving target"].positives) == 1
    asking = [each for each in trained if isinstance(each.query.parts[0], Page)]
    assert len(asking) >= 5
    for each in asking:
        assert page(each.query).text not in {page(one).text for one in each.positives}


def test_names_are_no_more_than_half_of_the_terms(tmp_path: Path) -> None:
    """Guards against an index task about functions alone: there are many more of them."""
    shop = shop_at(tmp_path, tmp_path)
    questions = [
        Question(text=str(number), grades={"x": 2}, is_name=number > 3) for number in range(20)
    ]
    found = tasks._mixed_terms(shop, questions, "test")
    assert [each.is_name for each in found].count(True) == 4
    assert [each.is_name for each in found].count(False) == 4


def test_sets_are_built_the_same_every_time(
    made: dict[Split, dict[str, RetrievalSet]], tmp_path: Path, manuals_package: Path
) -> None:
    """Guards against a suite with another hash every time."""
    again = tasks.sets(shop_at(tmp_path, manuals_package), "test")
    for before, now in zip(made["test"].values(), again, strict=True):
        assert [each.id for each in before.queries] == [each.id for each in now.queries]
        assert [each.labels for each in before.queries] == [each.labels for each in now.queries]
        assert [*before.documents] == [*now.documents]
