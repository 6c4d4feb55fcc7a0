"""What comes along with a hit: names of what a picture shows, neighbours in its file, pixels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import media_files
from rzen import api
from rzen.api import Index
from rzen.config import AskSettings, IngestSettings, Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError
from rzen.index.filters import Filters
from rzen.rag import context
from rzen.rag.context import Beside, Budget, describe, gather, with_names
from rzen.types import Content, Encoded, Evidence, Frames, Hit, Modality, Named, Turn

Neighbours: TypeAlias = Callable[[Hit], Beside]


def hit(name: str, text: str = "", score: float = 1.0, **more: Any) -> Hit:
    whole = Hit(id=name, modality="text", uri=f"/docs/{name}.txt", score=score, text=text)
    return replace(whole, **more)


class Noting:
    """A generator that quotes its first evidence, and notes what it was given."""

    name = "noting"

    def __init__(self, *wants: Literal["frames", "vectors"]) -> None:
        self.wants = frozenset(wants)
        self.evidence: list[Evidence] = []

    def count(self, text: str) -> int:
        return len(text)

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        del question, history
        self.evidence = list(evidence)
        yield f"{evidence[0].text} [1]"


class Naming(DummyEncoder):
    """An encoder that sees a boat in every picture."""

    def encode(self, contents: Sequence[Content], **options: Any) -> Encoded:
        seen = {
            row: [Named(name="boat", probability=0.9)]
            for row, content in enumerate(contents)
            if content.modality == "image"
        }
        return replace(super().encode(contents, **options), seen=seen)


@pytest.fixture(autouse=True)
def by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words alone decide what bears a sentence out."""

    def missing(name: str) -> None:
        raise EncoderError(f"{name} is not installed")

    monkeypatch.setattr(api, "load", missing)


# Names of what is seen


def picture(name: str, **more: Any) -> Hit:
    return hit(name, modality=more.pop("modality", "image"), uri=f"/x/{name}.png", **more)


def test_pictures_and_clips_say_what_they_seem_to_show() -> None:
    """Guards against pictures that a model without eyes can only name by their files, and texts
    of pages and passages that a guess replaces.
    """
    hits = [
        picture("a", metadata={"seen": "boat"}),
        hit("words", "Anna sails."),
        picture("read", text="EXIT", metadata={"seen": "street sign"}),
        picture("b", modality="video", metadata={"seen": "wave (at 0:03)"}),
        picture("scan", modality="page", page=1, metadata={"seen": "menu"}),
        picture("fog"),
    ]
    named = with_names(hits)
    assert [one.text for one in named] == [
        "This picture seems to show: boat.",
        "Anna sails.",
        "EXIT",
        "This video seems to show: wave (at 0:03).",
        "",
        "",
    ]
    assert [replace(one, text="") for one in named] == [replace(one, text="") for one in hits]


@pytest.mark.parametrize("modality", ["image", "video"])
def test_pictures_that_seem_to_show_the_same_are_two(modality: Modality) -> None:
    """Guards against the second photograph of a boat left out as a text that comes twice."""
    hits = [
        hit(place, modality=modality, uri=f"/{place}/boat.png", metadata={"seen": "boat"})
        for place in ("a", "b")
    ]
    named = with_names(hits)
    assert named[0].text == named[1].text != ""
    evidence = gather(named, Budget(tokens=1_000, count=len), "Which boat?").evidence
    assert [one.hit.id for one in evidence] == ["a", "b"]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "album"
    folder.mkdir()
    pixels = media_files.smooth(640, 480)
    (folder / "harbour.png").write_bytes(media_files.picture(pixels))
    return folder


def test_who_cannot_see_is_told_and_who_sees_is_shown(album: Path, tmp_path: Path) -> None:
    """Guards against a guess in the place of pixels, and against neither of the two."""
    with Index.open(tmp_path / "my.rzen", Naming(), settings=Settings()) as index:
        index.add(album)
        blind, seeing = Noting(), Noting("frames")
        told = index.ask("What is in the harbour?", generator=blind)
        index.ask("What is in the harbour?", generator=seeing)
    assert told.text == "This picture seems to show: boat. [1]"
    assert told.citations[0].hit.uri == str(album / "harbour.png")
    assert [(one.text, one.frames) for one in blind.evidence] == [
        ("This picture seems to show: boat.", None)
    ]
    (shown,) = seeing.evidence
    assert shown.text == ""
    assert shown.frames is not None


def test_an_encoder_that_names_nothing_is_not_asked(album: Path, tmp_path: Path) -> None:
    """Guards against an AttributeError of encoders that know no names."""
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=Settings()) as index:
        index.add(album)
        found = index.ask("What is in the harbour?")
    assert "picture harbour.png [1]" in found.text
    assert not found.is_found


# Neighbours in an index

PAGES = [
    "Chapter one tells of Anna.",
    "The red boat Ida sank in the storm near",
    "Holm, on the night of 4 May.",
    "Chapter four tells of bread.",
]


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Index]:
    """A PDF of four pages; a sentence goes on from the second to the third."""
    folder = tmp_path.resolve() / "files"
    folder.mkdir()
    (folder / "report.pdf").write_bytes(media_files.pdf(PAGES))
    (folder / "note.txt").write_text("A note that stands alone.")
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=Settings()) as index:
        index.add(folder)
        yield index


def page_of(index: Index, number: int) -> Hit:
    found = index.search("chapter", k=9, group=False, filters=Filters(glob="*.pdf"))
    return next(one for one in found if one.page == number)


def test_pages_know_what_lies_beside_them(report: Index) -> None:
    """Guards against neighbours that are swapped, of another file, or scored as if found."""
    second = page_of(report, 2)
    around = report.beside(second)
    for neighbour, number in ((around.before, 1), (around.after, 3)):
        assert neighbour is not None
        assert (neighbour.page, neighbour.uri) == (number, second.uri)
        assert neighbour.text.strip() == PAGES[number - 1]
        assert neighbour.score < second.score
    assert report.beside(page_of(report, 1)).before is None
    assert report.beside(page_of(report, 4)).after is None


def test_what_has_no_neighbours(report: Index) -> None:
    """Guards against files that run into each other, and a crash on what was removed meanwhile."""
    (note,) = report.search("note", k=1, filters=Filters(glob="*.txt"))
    assert report.beside(note) == Beside(None, None)
    page = page_of(report, 2)
    report.remove(Path(page.uri))
    assert report.beside(page) == Beside(None, None)
    assert report.vectors([page]) == [None]


def test_passages_follow_each_other(tmp_path: Path) -> None:
    """Guards against neighbours by number where passages are counted as texts."""
    text = "\n\n".join(
        f"Part {n}. " + f"Boat {n} sails from Holm to Visby. " * 30 for n in range(9)
    )
    (tmp_path / "log.txt").write_text(text)
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=Settings()) as index:
        index.add(tmp_path / "log.txt")
        found = index.search("boat", k=50, group=False)
        assert len(found) > 3
        ordered = sorted(found, key=lambda one: one.char_start or 0)
        for place, one in enumerate(ordered):
            around = index.beside(one)
            before = ordered[place - 1].id if place else None
            after = ordered[place + 1].id if place + 1 < len(ordered) else None
            assert (around.before and around.before.id) == before
            assert (around.after and around.after.id) == after


@pytest.mark.parametrize(("word", "step"), [("after", 1), ("before", -1)])
def test_scenes_follow_each_other(tmp_path: Path, word: str, step: int) -> None:
    """Guards against a question for what came after that is answered from another scene."""
    media_files.clip(tmp_path / "film.mp4", [2, 2, 2, 2])
    short = IngestSettings(segment_min_seconds=1, segment_max_seconds=2)
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=Settings(ingest=short)) as index:
        index.add(tmp_path / "film.mp4")
        found = index.search("film", k=50, group=False)
        ordered = [one.id for one in sorted(found, key=lambda one: one.t_start or 0.0)]
        assert len(ordered) > 2
        middle = next(one for one in found if one.id == ordered[1])
        budget = Budget(tokens=1_000, count=len)
        places = [
            [
                ordered.index(one.hit.id)
                for one in gather([middle], budget, asked, beside=index.beside).evidence
            ]
            for asked in (f"What happens {word} the storm?", "What happens in the storm?")
        ]
    assert places == [[1, 1 + step], [1]]


def test_an_answer_reads_on_where_a_page_breaks_off(report: Index) -> None:
    """The whole way: the page behind is found by nothing but its place, and stands behind."""
    generator = Noting()
    filters = Filters(glob="*.pdf")
    report.ask("Where did the red boat Ida sink?", generator=generator, filters=filters, k=1)
    assert [one.hit.page for one in generator.evidence] == [2, 3]
    assert [one.number for one in generator.evidence] == [1, 2]


# Neighbours that help


def beside(**around: tuple[Hit | None, Hit | None]) -> Neighbours:
    """Neighbours by the id of their hit."""
    return lambda one: Beside(*around.get(one.id, (None, None)))


def picked(
    hits: list[Hit], neighbours: Neighbours, question: str = "", tokens: int = 2_000
) -> list[str]:
    budget = Budget(tokens=tokens, count=len)
    found = gather(hits, budget, question, beside=neighbours)
    assert [one.number for one in found.evidence] == list(range(1, len(found.evidence) + 1))
    return [one.hit.id for one in found.evidence]


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("The boat sank.", "Who sank?", ["a"]),
        ("The boat sank near", "Who sank?", ["a", "after"]),
        ("The boat sank,", "Who sank?", ["a", "after"]),
        ("The boat sank \u2026", "Who sank?", ["a"]),
        ("\u8239\u6c89\u4e86\u3002", "Who sank?", ["a"]),
        ("near Holm the boat sank.", "Who sank?", ["a", "before"]),
        ("The boat sank.", "Which captain was on the boat?", ["a", "before"]),
        ("The boat sank.", "Which anchor had the boat?", ["a", "after"]),
        ("The captain lost boat and anchor.", "Which captain lost the anchor?", ["a"]),
        ("The boat sank.", "Did boat, mast, sail, deck, keel and captain sink?", ["a"]),
        ("The boat sank.", "What came after?", ["a"]),  # time is for video
        ("", "Which boat?", ["a"]),
    ],
)
def test_neighbours_come_where_they_help(text: str, question: str, expected: list[str]) -> None:
    """Guards against half sentences, answers that stand on the next page, and a prompt that
    neighbours without any use fill.
    """
    around = beside(a=(hit("before", "Captain Ito."), hit("after", "An anchor was lost.")))
    assert picked([hit("a", text)], around, question) == expected


@pytest.mark.parametrize(
    ("question", "modality", "expected"),
    [
        ("What happens after the goal?", "video", ["a", "after"]),
        ("What comes next?", "video", ["a", "after"]),
        ("What comes next, and why?", "video", ["a", "after"]),
        ("What came before the goal?", "video", ["a", "before"]),
        ("Who shoots the goal?", "video", ["a"]),
        ("What happens after the goal?", "image", ["a"]),
    ],
)
def test_time_asks_for_the_scene_beside(
    question: str, modality: Modality, expected: list[str]
) -> None:
    """Guards against "what came next?" answered from the scene that was asked about."""
    scenes = [hit(name, modality=modality, uri="/x/a.mp4") for name in ("before", "a", "after")]
    around = beside(a=(scenes[0], scenes[2]))
    assert picked([scenes[1]], around, question) == expected


def test_a_neighbour_stands_behind_its_hit() -> None:
    """Guards against the rest of a sentence behind another file's text."""
    hits = [hit("a", "It sank near", 0.9), hit("b", "Bread is baked.", 0.8)]
    around = beside(a=(None, hit("after", "Holm, in May.", 0.45)))
    assert picked(hits, around, "Where?") == ["a", "after", "b"]


def test_neighbours_stand_in_the_order_of_their_file() -> None:
    """Guards against the page behind told ahead of the page before."""
    around = beside(a=(hit("before", "In May,"), hit("after", "Holm.")))
    assert picked([hit("a", "in a storm it sank near")], around) == ["a", "before", "after"]


def test_a_neighbour_that_was_found_itself_is_not_doubled() -> None:
    """Guards against the same page twice, with two numbers."""
    after = hit("after", "Holm, in May.", 0.8)
    around = beside(a=(None, replace(after, score=0.45)))
    assert picked([hit("a", "It sank near", 0.9), after], around, "Where?") == ["a", "after"]


def test_only_the_best_hits_bring_neighbours() -> None:
    """Guards against a look into the index for each of many hits, and evidence that grows with
    them.
    """
    looked: list[str] = []

    def around(one: Hit) -> Beside:
        looked.append(one.id)
        return Beside(None, hit(f"after {one.id}", f"Number {one.id} goes on."))

    hits = [hit(f"{n}", f"Boat number {n} sank near", 1 / (1 + n)) for n in range(8)]
    found = picked(hits, around, "Where?")
    assert looked == ["0", "1", "2"]
    assert found == ["0", "after 0", "1", "after 1", "2", "after 2", *"34567"]


def test_hits_go_before_neighbours_where_room_is_short() -> None:
    """Guards against what was found making room for what merely lies beside."""
    hits = [hit("a", "It sank near", 0.9), hit("b", "Bread is baked.", 0.8)]
    around = beside(a=(None, hit("after", "Holm, in May.")))
    room = sum(len(one.text) + len(describe(one)) for one in hits)
    assert picked(hits, around, "Where?", tokens=room) == ["a", "b"]
    assert picked(hits, around, "Where?", tokens=room + 50) == ["a", "after", "b"]


TEXTS = st.text(max_size=40) | st.sampled_from(
    ["", "It sank near", "near Holm.", "Ida sank. " * 40, "\u8239" * 300, "x" * 700]
)
MODALITIES = st.sampled_from(["text", "page", "image", "video"])
FOUND = st.builds(
    lambda name, text, score, modality: hit(name, text, score, modality=modality),
    st.sampled_from("abcdefghij"), TEXTS, st.floats(0, 1), MODALITIES,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.lists(FOUND, max_size=8),
    st.dictionaries(st.sampled_from("abcdefghij"), st.tuples(st.none() | FOUND, st.none() | FOUND)),
    st.integers(1, 1_500),
    st.text(max_size=20) | st.just("Where did Ida sink after that?"),
    st.sampled_from([len, lambda text: len(text.encode("utf-8", "replace")) // 3 + 1]),
)
def test_tokens_are_never_overrun(
    hits: list[Hit],
    around: dict[str, tuple[Hit | None, Hit | None]],
    tokens: int,
    question: str,
    count: Callable[[str], int],
) -> None:
    """Guards against a budget that neighbours overrun, a piece that comes twice, and words that
    stand in no file.
    """
    budget = Budget(tokens=tokens, count=count)
    evidence = gather(hits, budget, question, beside=beside(**around)).evidence
    spent = sum((count(one.text) if one.text else 0) + count(describe(one.hit)) for one in evidence)
    assert spent <= tokens
    assert [one.number for one in evidence] == list(range(1, len(evidence) + 1))
    assert len({one.hit.id for one in evidence}) == len(evidence)
    assert all(one.text in one.hit.text for one in evidence)
    assert all(one.frames is None for one in evidence), "nobody wants pixels"


# Pixels


SIZES = [(1, 3_000), (3_000, 1), (3, 3), (640, 480), (1_200, 20), (1_001, 999)]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Hit]:
    """Pictures of all shapes, a clip and two pages, as they would be found."""
    folder = tmp_path_factory.mktemp("shown")
    hits = []
    for width, height in SIZES:
        file = folder / f"{width}x{height}.png"
        pixels = np.full((height, width, 3), 200, np.uint8)
        file.write_bytes(media_files.picture(pixels))
        hits.append(hit(file.stem, modality="image", uri=str(file)))
    clip = media_files.clip(folder / "clip.mp4", [1, 1, 1], size=(320, 240))
    hits.append(hit("clip", modality="video", uri=str(clip), t_start=1.2, t_end=3.0))
    report = folder / "report.pdf"
    report.write_bytes(media_files.pdf(["One.", "Two."], size=(595, 842)))
    return [*hits, *(hit(f"p{n}", modality="page", uri=str(report), page=n) for n in (1, 2))]


def pixels_of(frames: Frames | None) -> int:
    return sum(each.shape[0] * each.shape[1] for each in frames.pixels) if frames else 0


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_pixels_are_never_overrun(shown: list[Hit], data: st.DataObject) -> None:
    """Guards against pictures that a model's window, or the user's bill, has no room for."""
    chosen = data.draw(st.lists(st.sampled_from(shown), unique_by=lambda one: one.id, min_size=1))
    pixels = data.draw(st.integers(1, 200_000) | st.integers(1, 4_000_000))
    frames = data.draw(st.integers(1, 7))
    budget = Budget(tokens=10_000, count=len, pixels=pixels, frames=frames)
    found = gather(chosen, budget, "What?")
    assert found.warnings == []
    assert sum(pixels_of(one.frames) for one in found.evidence) <= pixels
    assert all(len(one.frames.pixels) <= frames for one in found.evidence if one.frames)
    assert any(one.frames for one in found.evidence), "the best one is always shown"


def test_with_room_all_pictures_are_shown(shown: list[Hit]) -> None:
    """Guards against a budget that is kept because nothing is shown, and blurred small pictures."""
    budget = Budget(tokens=10_000, count=len, pixels=20_000_000, frames=3)
    evidence = gather(shown, budget, "What?").evidence
    sizes = {one.hit.id: pixels_of(one.frames) for one in evidence}
    assert set(sizes) == {one.id for one in shown}
    assert sizes["640x480"] == 640 * 480
    clip = next(one.frames for one in evidence if one.hit.id == "clip")
    assert clip is not None
    assert len(clip.pixels) == 3
    assert list(clip.times) == sorted(set(clip.times))
    assert 1.2 <= clip.times[0] < clip.times[-1] <= 3.0


def test_frames_share_the_pixels_of_their_clip(shown: list[Hit]) -> None:
    """Guards against a clip of which every frame is as large as a picture may be."""
    (clip,) = [one for one in shown if one.id == "clip"]
    budget = Budget(tokens=1_000, count=len, pixels=110_000, frames=4)
    (one,) = gather([clip], budget, "What?").evidence
    assert one.frames is not None
    assert len(one.frames.pixels) == 2, "more would be too small"
    assert context.LEAST_PIXELS * 0.9 < pixels_of(one.frames) / 2 <= 55_000


def test_a_picture_that_is_gone_is_named_and_the_rest_is_shown(shown: list[Hit]) -> None:
    """Guards against an answer that fails for one deleted file, or passes it over in silence."""
    gone = hit("gone", modality="image", uri=str(Path(shown[0].uri).with_name("gone.png")), score=2)
    budget = Budget(tokens=10_000, count=len, pixels=1_000_000)
    found = gather([gone, *shown], budget, "What?")
    assert found.evidence[0].frames is None
    assert all(one.frames for one in found.evidence[1:])
    (warning,) = found.warnings
    assert "gone.png" in warning


def test_small_shares_leave_the_last_pictures_out(shown: list[Hit]) -> None:
    """Guards against many pictures that are too small to see anything in."""
    budget = Budget(tokens=10_000, count=len, pixels=2 * context.LEAST_PIXELS)
    evidence = gather(shown, budget, "What?").evidence
    assert [bool(one.frames) for one in evidence] == [True] * 2 + [False] * (len(shown) - 2)


def test_settings_reach_the_evidence(album: Path, tmp_path: Path) -> None:
    """Guards against settings of the budget that nobody reads, each of them."""
    (album / "long.txt").write_text("The harbour has a wall. " * 200)
    media_files.clip(album / "harbour.mp4", [2], size=(320, 240))
    ask = AskSettings(context_tokens=600, context_pixels=300_000, frames=2)
    encoder = DummyEncoder()
    with Index.open(tmp_path / "my.rzen", encoder, settings=Settings(ask=ask)) as index:
        index.add(album)
        generator = Noting("frames")
        index.ask("What is in the harbour?", generator=generator)
        evidence = generator.evidence
        assert sum(len(one.text) + len(describe(one.hit)) for one in evidence) <= 600
        assert 0 < sum(pixels_of(one.frames) for one in evidence) <= 300_000
        (moving,) = [one.frames for one in evidence if one.hit.modality == "video"]
        assert moving is not None
        assert len(moving.pixels) == 2, "there is room for three"
        blind = Noting()
        index.ask("What is in the harbour?", generator=blind)
        assert len(blind.evidence) > 1
        assert all(one.frames is None for one in blind.evidence)


@pytest.mark.parametrize(("settings_k", "own_k", "expected"), [(2, None, 2), (2, 3, 3), (8, 1, 1)])
def test_so_many_pieces_and_no_more(
    tmp_path: Path, settings_k: int, own_k: int | None, expected: int
) -> None:
    """Guards against a ``k`` that is ignored, in the settings or in the call."""
    for n in range(5):
        (tmp_path / f"{n}.txt").write_text(f"Boat number {n} lies in harbour {n * 7}.")
    ask = AskSettings(k=settings_k)
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=Settings(ask=ask)) as index:
        index.add(tmp_path.glob("*.txt"))
        generator = Noting()
        index.ask("Which boat lies in the harbour?", generator=generator, k=own_k)
    assert len(generator.evidence) == expected
