from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.language.noun_kinds import NounKinds
from rzen.data.bench.pictures import collection as pictures
from rzen.data.bench.pictures.collection import Picture, Style
from rzen.data.bench.videos import moving_objects
from rzen.data.bench.videos.moving_objects import noun_phrase, objects
from rzen.data.bench.workshop import Workshop
from rzen.errors import DataError

# Lemma -> number of the lexicographer's file, and what it is a kind of. As WordNet writes them.
NOUNS = {
    "thing": (3, ""),
    "vehicle": (6, "thing"),
    "taxi": (6, "vehicle"),
    "boat": (6, "vehicle"),
    "kite": (6, "thing"),
    "snail": (5, "thing"),
    "raptor": (5, "thing"),
    "owl": (5, "raptor"),
    "great_blue_heron": (5, "thing"),
    "heron": (5, "thing"),
    "cup": (6, "thing"),
    "drum": (6, "thing"),
    "liberty": (26, "thing"),
    "Saturn": (17, "thing"),
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small WordNet: the two files in their format."""
    folder = tmp_path / "wordnet" / "usr/share/wordnet"
    folder.mkdir(parents=True)
    data, places = b"  1 a licence\n", {"": 0}
    for lemma, (kind, above) in NOUNS.items():
        places[lemma] = len(data)
        pointer = f"001 @ {places[above]:08} n 0000" if above else "000"
        row = f"{places[lemma]:08} {kind:02} n 01 {lemma} 0 {pointer} | a gloss @ 00000000 n"
        data += row.encode() + b"\n"
    (folder / "data.noun").write_bytes(data)
    index = "".join(f"{lemma.lower()} n 1 1 @ 1 1 {places[lemma]:08}  \n" for lemma in NOUNS)
    (folder / "index.noun").write_text("  1 a licence 12345678\n" + index)
    return tmp_path / "wordnet"


def test_what_kind_of_thing_a_noun_names(package: Path) -> None:
    kinds = NounKinds(package)
    assert kinds.is_thing("owl")
    assert kinds.is_thing("great blue heron")
    assert not kinds.is_thing("liberty")  # an abstraction
    assert not kinds.is_thing("saturn")  # has a name of its own
    assert not kinds.is_thing("licence")
    assert kinds.is_kind_of("taxi", "thing")  # over two steps
    assert kinds.is_kind_of("taxi", "taxi")
    assert not kinds.is_kind_of("vehicle", "taxi")
    assert not kinds.is_kind_of("taxi", "boat")
    assert not kinds.is_kind_of("licence", "thing")
    assert kinds.known_end("great blue heron") == "great blue heron"
    assert kinds.known_end("happy snail") == "snail"
    assert kinds.known_end("happy licence") == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"index\.noun.*fetch the package again"):
        NounKinds(tmp_path)


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("An hippopotamus.", "a hippopotamus"),  # as the package has it
        ("unicorn", "a unicorn"),
        ("university", "a university"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("A glass of water.", "a glass of water"),
        ("the sun", "a sun"),
    ],
)
def test_the_article_fits_the_sound(caption: str, phrase: str) -> None:
    found = noun_phrase(caption)
    assert found is not None
    assert found[1] == phrase


@pytest.mark.parametrize(
    "caption",
    [
        "A pen, and a pencil.",
        "Three owls",
        "scissors",  # "a scissors moves" is no English
        "shorts",
        "Some bread",
        "A Silver Gull.",
        "George the blue groper.",
        "down arrow",  # "a down arrow moves up"
        "spinning top",
        "bird",  # so is an owl
        "a spider that plays games",
        "",
        "A.",
    ],
)
def test_other_captions_are_left_out(caption: str) -> None:
    assert noun_phrase(caption) is None


def picture(
    folder: Path, caption: str, style: Style = "stamps", seed: int | None = None
) -> Picture:
    """A picture whose caption is its concept: some coloured blocks, a quarter of them empty."""
    dice = np.random.default_rng(abs(sum(map(ord, caption))) if seed is None else seed)
    blocks = dice.integers(0, 256, (6, 6, 4), np.uint8)
    blocks[..., 3] = np.where(dice.uniform(size=(6, 6)) < 0.25, 0, 255)
    blocks[0, 0, 3] = blocks[5, 5, 3] = 255
    file = folder / f"{style} {caption}.png"
    Image.fromarray(np.kron(blocks, np.ones((10, 10, 1), np.uint8))).save(file)
    about = caption.split()[-1]
    return Picture(
        id=f"{style}/{caption}",
        style=style,
        caption=caption,
        concept=about,
        category="things",
        file=file,
    )


def chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path, found: list[Picture]
) -> tuple[list[str], Workshop]:
    def of_split(_shop: Workshop, style: Style, split: Split) -> list[Picture]:
        return [each for each in found if each.style == style and split == "test"]

    monkeypatch.setattr(pictures, "of_split", of_split)
    shop = Workshop(tmp_path / "suite", {"wordnet-base": package}.__getitem__)
    return sorted(each.phrase for each in objects(shop, "test")), shop


def test_no_two_things_are_mistaken_for_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path
) -> None:
    """Guards against labels that are not complete: two right answers, of which one is a label."""
    names = ["taxi", "boat", "great blue heron", "happy snail", "cup"]
    found = [picture(tmp_path, name) for name in names]
    kept, shop = chosen(monkeypatch, tmp_path, package, found)
    assert kept == ["a boat", "a cup", "a great blue heron", "a happy snail", "a taxi"]
    assert not shop.tallies

    for name, reason in (
        ("boat drum", "shares a word with another"),
        ("sad snail", "shares a word with another"),
        ("liberty", "caption does not name a thing that can be seen"),
        ("vehicle", "caption does not name one thing in four words"),  # so is the taxi
    ):
        kept, shop = chosen(monkeypatch, tmp_path, package, [*found, picture(tmp_path, name)])
        assert len(kept) == len(names)
        assert shop.tallies == {f"video objects of test: {reason}": 1}


def test_a_copy_under_another_name_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path
) -> None:
    found = [picture(tmp_path, "kite", seed=1), picture(tmp_path, "drum", seed=1)]
    kept, shop = chosen(monkeypatch, tmp_path, package, found)
    assert len(kept) == 1
    assert shop.tallies == {"video objects of test: near-duplicates dropped": 1}


def test_kinds_of_each_other_do_not_stand_side_by_side(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path
) -> None:
    """Guards against "a raptor" as a text to which the owl is a wrong answer."""
    found = [picture(tmp_path, "owl"), picture(tmp_path, "raptor"), picture(tmp_path, "boat")]
    kept, shop = chosen(monkeypatch, tmp_path, package, found)
    assert len(kept) == 2
    assert "a boat" in kept
    assert shop.tallies == {"video objects of test: a kind of another, or the other way round": 1}


def test_titles_of_clip_art_must_be_known_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path
) -> None:
    """Guards against file names ("ball form", "joystick beige") read as captions."""
    found = [picture(tmp_path, "hex drum", "clipart"), picture(tmp_path, "kite", "clipart")]
    assert chosen(monkeypatch, tmp_path, package, found)[0] == ["a kite"]
    found = [picture(tmp_path, "hex drum")]
    assert chosen(monkeypatch, tmp_path, package, found)[0] == ["a hex drum"]


def test_photographs_with_corners_are_no_cut_outs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path
) -> None:
    whole = picture(tmp_path, "owl")
    Image.fromarray(np.full((60, 60, 3), 90, np.uint8)).save(whole.file)
    thin = picture(tmp_path, "kite")
    Image.fromarray(np.full((60, 12, 4), (90, 0, 0, 255), np.uint8)).save(thin.file)
    kept, shop = chosen(monkeypatch, tmp_path, package, [whole, thin])
    assert kept == []
    assert sorted(shop.tallies) == [
        "video objects of test: not a cut-out",
        "video objects of test: too small or too thin",
    ]


def test_styles_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: Path) -> None:
    """Guards against a suite of nothing but the first style."""
    monkeypatch.setattr(moving_objects, "OBJECTS", {"test": 2})
    found = [picture(tmp_path, name) for name in ("taxi", "boat", "owl", "cup")]
    found.append(picture(tmp_path, "kite", "google"))
    kept, _ = chosen(monkeypatch, tmp_path, package, found)
    assert "a kite" in kept
    assert len(kept) == 2
