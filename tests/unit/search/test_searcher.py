from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_world import DirectedEncoder, World, record

from rzen.encoders.dummy import DummyEncoder
from rzen.errors import CatalogError, EncoderError, UsageError
from rzen.index.filters import Filters
from rzen.search.query import Query, build_query
from rzen.search.searcher import OTHERS, Mode, Searcher
from rzen.types import Calibration, Content, Hit, Image, Modality, Record, Text

Directed = Callable[[Mapping[Modality, Calibration]], World]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "text")


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.uri.rsplit("/", 1)[-1] for hit in hits]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty index of the dummy encoder."""
    with World(tmp_path / "dummy.rzen", DummyEncoder()) as made:
        yield made


@pytest.fixture
def directed(tmp_path: Path) -> Iterator[Directed]:
    """Makes an empty index whose vectors are given by hand, with a calibration."""
    with ExitStack() as stack:
        yield lambda fitted: stack.enter_context(
            World(tmp_path / "directed.rzen", DirectedEncoder(fitted))
        )


@pytest.fixture
def library(world: World) -> World:
    """Files about boats and bread; one document of many pages."""
    world.file("/x/boat.txt", record("the red boat left the harbour"))
    world.file("/x/bread.txt", record("bread is baked from flour and water"))
    world.file("/x/sea.txt", record("a harbour by the sea"))
    pages = [record(f"harbour report number {n}", "page", page=n) for n in range(1, 31)]
    world.file("/y/report.pdf", *pages)
    return world


@pytest.mark.parametrize("mode", MODES)
def test_finds_what_was_asked_for(library: World, mode: Mode) -> None:
    """Guards against a mode that ignores the query."""
    hits = library.searcher().search(build_query("red boat"), mode=mode)
    assert names(hits)[0] == "boat.txt"
    expected = {"hybrid": ("dense", "text"), "dense": ("dense",), "text": ("text",)}
    assert hits[0].lists == expected[mode]
    assert (hits[0].similarity is None) == (mode == "text")
    assert hits[0].text == "the red boat left the harbour"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("group", [True, False])
def test_scores_fall_and_repeat(library: World, mode: Mode, group: bool) -> None:
    """Guards against hits out of order, also inside groups, and order that changes."""
    searcher = library.searcher()
    for text in ("harbour", "report number 7", "bread water", "number"):
        hits = searcher.search(build_query(text), mode=mode, group=group, k=20)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        for hit in hits:
            inside = [hit.score, *(other.score for other in hit.others)]
            assert inside == sorted(inside, reverse=True)
        again = library.searcher().search(build_query(text), mode=mode, group=group, k=20)
        assert [hit.id for hit in again] == [hit.id for hit in hits]


@pytest.mark.parametrize("mode", MODES)
def test_min_score_is_the_score_that_is_shown(library: World, mode: Mode) -> None:
    """Guards against a cut by another number than the one people read."""
    searcher = library.searcher()
    query = build_query("harbour boat")
    everything = searcher.search(query, mode=mode, group=False, k=100)
    cut = everything[len(everything) // 2].score
    kept = searcher.search(query, mode=mode, group=False, k=100, min_score=cut)
    assert [hit.id for hit in kept] == [hit.id for hit in everything if hit.score >= cut]
    assert 0 < len(kept) <= len(everything)
    assert searcher.search(query, mode=mode, min_score=1.1) == []


def test_one_large_file_does_not_hide_the_others(directed: Directed) -> None:
    """k files must come out when they exist, though one file fills the first lists."""
    world = directed({})
    pages = [record("p", "page", [1, 0.001 * n], page=n) for n in range(1, 120)]
    world.file("/x/long.pdf", *pages)
    for number in range(3):
        world.file(f"/x/{number}.jpg", record("", "image", [1, 2 + number]))
    world.settings = world.settings.model_copy(update={"candidates": 5})
    searcher = world.searcher()
    hits = searcher.search(build_query("1 0"), mode="dense", k=4)
    assert names(hits) == ["long.pdf", "0.jpg", "1.jpg", "2.jpg"]
    assert len(hits[0].others) == OTHERS
    single = searcher.search(build_query("1 0"), mode="dense", k=4, group=False)
    assert names(single) == ["long.pdf"] * 4
    assert all(hit.others == () for hit in single)


def test_calibrated_scores_let_pictures_stand_beside_texts(directed: Directed) -> None:
    """The modality gap: 50 mediocre texts have larger cosines than the right picture.

    Guards against candidates that are cut by raw cosine before they are calibrated.
    """
    fitted: dict[Modality, Calibration] = {
        "text": Calibration(slope=20.0, intercept=-16.0),  # 0.8 is even odds
        "image": Calibration(slope=40.0, intercept=-12.0),  # 0.3 is
    }
    world = directed(fitted)
    for number in range(50):
        world.file(f"/x/{number}.txt", record("t", "text", [0.7, 0.7 + 0.001 * number]))
    world.file("/x/right.jpg", record("", "image", [0.5, 0, 0.86]))
    world.file("/x/wrong.jpg", record("", "image", [0.1, 0, 0.99]))
    world.settings = world.settings.model_copy(update={"candidates": 5})
    hits = world.searcher().search(build_query("1 0"), mode="dense", k=5)
    assert names(hits)[0] == "right.jpg"
    assert hits[0].score > 0.9
    assert hits[0].similarity == pytest.approx(0.5, abs=0.01)
    assert (hits[1].similarity or 0.0) > 0.6


def test_calibration_is_for_text_queries_and_all_or_none(directed: Directed) -> None:
    """Guards against one list that mixes probabilities and cosines."""
    fitted: dict[Modality, Calibration] = {"text": Calibration(slope=9.0, intercept=0.0)}
    world = directed(fitted)
    world.file("/x/a.txt", record("t", "text", [1, 1]))
    text = world.searcher().search(build_query("1 0"), mode="dense")
    assert text[0].score == pytest.approx(1 / (1 + np.exp(-9 * 0.5**0.5)), abs=1e-4)
    still = np.zeros((2, 2, 3), np.uint8)
    picture = world.searcher().search(build_query(image=still))
    assert picture[0].score == picture[0].similarity == pytest.approx(0.5**0.5, abs=1e-4)
    world.file("/x/b.jpg", record("", "image", [1, 0]))
    mixed = world.searcher().search(build_query("1 0"), mode="dense")
    assert [hit.score for hit in mixed] == [hit.similarity for hit in mixed]


def test_minus_turns_the_query_away(directed: Directed) -> None:
    """q - w * mean(minus), by hand; guards against minus being ignored, or added."""
    world = directed({})
    world.file("/x/both.jpg", record("", "image", [1, 1]))
    world.file("/x/one.jpg", record("", "image", [1, -1]))
    searcher = world.searcher()
    assert names(searcher.search(build_query("1 0.1"), mode="dense"))[0] == "both.jpg"
    query = build_query("1 0.1", minus=["0 1"])
    hits = searcher.search(query, mode="dense")
    assert names(hits)[0] == "one.jpg"
    asked = np.array([1, 0.1]) / np.linalg.norm([1, 0.1]) - 0.5 * np.array([0, 1])
    expected = asked @ np.array([1, -1]) / np.sqrt(2) / np.linalg.norm(asked)
    assert hits[0].similarity == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UsageError, match="nothing is left"):
        searcher.search(Query(text="1 0", minus=("1 0",), minus_weight=1.0), mode="dense")


def test_filters_hold_in_every_mode(library: World) -> None:
    """Guards against a list that forgets the filters."""
    searcher = library.searcher()
    for mode in MODES:
        hits = searcher.search(
            build_query("harbour"), mode=mode, filters=Filters(modalities=frozenset({"page"}))
        )
        assert {hit.modality for hit in hits} == {"page"}
        hits = searcher.search(build_query("harbour"), mode=mode, filters=Filters(glob="*/sea.txt"))
        assert set(names(hits)) == {"sea.txt"}


def test_words_need_no_encoder_and_vectors_do(library: World) -> None:
    """Guards against loading a model for words, and against silent fall-backs."""
    searcher = library.searcher(encoder=False)
    assert names(searcher.search(build_query("flour"), mode="text")) == ["bread.txt"]
    for mode in ("dense", "hybrid"):
        with pytest.raises(UsageError, match="needs an encoder"):
            searcher.search(build_query("flour"), mode=mode)
    still = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(UsageError, match="needs a text"):
        searcher.search(build_query(image=still), mode="text")
    with pytest.raises(UsageError, match="minus"):
        searcher.search(build_query("flour", minus="x"), mode="text")
    with pytest.raises(UsageError, match="at least one"):
        searcher.search(build_query("flour"), mode="text", k=0)


def test_records_without_a_vector_are_found_by_words(library: World) -> None:
    """Guards against losing what the encoder could not read, and against splitting its file."""
    vectorless = Record(id="feed", modality="text", text="unreadable zebra", vector=None)
    library.catalog.put("/z/zebra.txt", 1, 1, "feed", [vectorless])
    library.file("/x/zebra2.txt", record("a zebra and a boat"))
    for mode in ("text", "hybrid"):
        hits = library.searcher().search(build_query("zebra"), mode=mode)
        assert {"zebra.txt", "zebra2.txt"} <= set(names(hits))


def test_an_empty_index_has_no_hits(world: World) -> None:
    """Guards against arithmetic on no rows."""
    for mode in MODES:
        assert world.searcher().search(build_query("x"), mode=mode) == []
    assert world.searcher().duplicates() == []


def test_stale_after_a_change(library: World) -> None:
    """Guards against answers from vectors that are gone; a removed record is left out."""
    searcher = library.searcher()
    assert not searcher.is_stale()
    library.catalog.remove(["/x/boat.txt"])
    assert searcher.is_stale()
    assert "boat.txt" not in names(searcher.search(build_query("red boat"), mode="dense"))


def test_similar_to_what_was_indexed_anew_meanwhile(library: World) -> None:
    """Guards against an assertion where another process changed the index."""
    searcher = library.searcher()
    library.file("/x/boat.txt", record("the red boat came back"))
    with pytest.raises(CatalogError, match="changed meanwhile: search again"):
        searcher.similar("/x/boat.txt")
    assert "sea.txt" in names(library.searcher().similar("/x/boat.txt"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("group", [True, False])
def test_more_hits_than_anyone_can_count(library: World, mode: Mode, group: bool) -> None:
    """Guards against numbers that SQLite cannot hold, and a search that never ends."""
    searcher = library.searcher()
    query = build_query("harbour")
    expected = names(searcher.search(query, mode=mode, group=group, k=1000))
    assert names(searcher.search(query, mode=mode, group=group, k=10**30)) == expected


def test_what_cannot_be_encoded_is_named(library: World, tmp_path: Path) -> None:
    """Guards against a zero vector standing for a damaged picture."""
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    with pytest.raises(EncoderError, match="cannot be encoded"):
        library.searcher().search(build_query(image=damaged))


def test_reranker_orders_texts_only(library: World) -> None:
    """Guards against scores that no longer fall and texts the reranker could not see."""

    class Shortest:
        name = "shortest"

        def scores(self, query: str, hits: Sequence[Hit]) -> Sequence[float]:
            assert query == "harbour"
            assert all(hit.text for hit in hits)
            return [-len(hit.text) for hit in hits]

    searcher = library.searcher()
    plain = searcher.search(build_query("harbour"), k=4)
    hits = searcher.search(build_query("harbour"), k=4, reranker=Shortest())
    assert names(hits)[0] == "sea.txt"
    assert [hit.score for hit in hits] == [hit.score for hit in plain]
    assert sorted(names(hits)) == sorted(names(plain))


def test_similar_uses_stored_vectors_and_leaves_itself_out(directed: Directed) -> None:
    """The file need not be on disk; guards against finding oneself, or an average of nothing."""
    world = directed({})
    world.file(
        "/x/two.pdf",
        record("a", "page", [1, 0, 0], page=1),
        record("b", "page", [0, 1, 0], page=2),
    )
    world.file("/x/first.jpg", record("", "image", [1, 0, 0]))
    world.file("/x/second.jpg", record("", "image", [0, 1, 0]))
    world.file("/x/middle.jpg", record("", "image", [1, 1, 0]))
    searcher = world.searcher(encoder=False)
    assert names(searcher.similar("/x/two.pdf"))[0] == "middle.jpg"
    assert searcher.similar("/x/two.pdf")[0].score == pytest.approx(1.0, abs=1e-5)
    assert names(searcher.similar("/x/two.pdf#2"))[0] == "second.jpg"
    assert "two.pdf" not in names(searcher.similar("/x/two.pdf#2", k=10))
    only = Filters(modalities=frozenset({"page"}))
    assert names(searcher.similar("/x/first.jpg", filters=only)) == ["two.pdf"]
    with pytest.raises(UsageError, match="neither in the index nor on disk"):
        searcher.similar("/x/gone.jpg")


def test_similar_to_a_file_outside_the_index(library: World, tmp_path: Path) -> None:
    """Guards against needing a file to be indexed first."""
    note = tmp_path / "note.txt"
    note.write_text("flour and water and bread")
    assert names(library.searcher().similar(note))[0] == "bread.txt"
    assert names(library.searcher().similar(Content(Text("sea harbour"))))[0] == "sea.txt"
    with pytest.raises(UsageError, match="needs an encoder"):
        library.searcher(encoder=False).similar(note)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Searcher]]:
    """One index for all examples of a property."""
    with World(tmp_path_factory.mktemp("texts") / "i.rzen", DummyEncoder()) as made:
        for number, text in enumerate(["red", "a boat", "0", "the sea", "bread", "e", "42 words"]):
            made.file(f"/x/{number}", record(text))
        yield made, made.searcher()


def test_words_do_not_crowd_out_pictures(directed: Directed) -> None:
    """Twelve notes that merely name the thing stand in both lists, its picture only in one.

    Plain reciprocal rank fusion puts the picture behind all of them.
    """
    world = directed({})
    for number in range(12):
        world.file(f"/x/note{number}.txt", record("1 0", "text", [1, 1 + number]))
    world.file("/x/it.jpg", record("", "image", [1, 0.1]))
    hits = world.searcher().search(build_query("1 0"), mode="hybrid")
    assert names(hits)[:2] == ["it.jpg", "note0.txt"]
    assert hits[0].lists == ("dense",)


@settings(deadline=None)
@given(text=st.text(min_size=1, max_size=30).filter(str.strip))
def test_dense_order_is_brute_force(texts: tuple[World, Searcher], text: str) -> None:
    """Guards against pools, masks or sorting that lose the true nearest records."""
    world, searcher = texts
    encoded = world.encoder.encode([Content(Text(text))], role="query").vectors[0]
    cosines = world.catalog.vectors() @ encoded
    hits = searcher.search(Query(text=text), mode="dense", k=5, group=False)
    best = np.sort(cosines)[::-1][:5]
    assert [hit.similarity for hit in hits] == pytest.approx(best.tolist(), abs=1e-5)


def test_queries_with_pictures_only_are_dense(directed: Directed) -> None:
    """Guards against a fused score where nothing was fused."""
    world = directed({})
    world.file("/x/a.jpg", record("", "image", [1, 1]))
    still = np.zeros((2, 2, 3), np.uint8)
    query = Query(images=(Image(build_query(image=still).images[0].source),))
    hits = world.searcher().search(query, mode="hybrid")
    assert hits[0].score == hits[0].similarity == pytest.approx(0.5**0.5, abs=1e-5)
    assert hits[0].lists == ("dense",)
