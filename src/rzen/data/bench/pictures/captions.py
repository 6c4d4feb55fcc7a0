"""What a picture of a package shows and what kind of thing it is, from name, title and folder."""

import re
from collections.abc import Container, Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final, Literal

from rzen.data.bench.language.concepts import concept

_UNSORTED = "other"
# Folders of use and the kind of thing they hold; the longest name that fits counts.
_CLIPART: Final[Mapping[str, str]] = {
    "animals": "animal",
    "animals/birds": "bird",
    "animals/bugs": "insect",
    "animals/dinosaurs": "dinosaur",
    "animals/fantasy": "fantasy creature",
    "animals/fish": "sea animal",
    "animals/mammals": "mammal",
    "buildings": "building",
    "buildings/furniture": "furniture",
    "computer/hardware": "computer hardware",
    "containers": "container",
    "education": "school supplies",
    "education/books": "book",
    "electronics": "electronic device",
    "food": "food",
    "food/beverages": "drink",
    "food/breads_and_carbs": "bread or pastry",
    "food/desserts": "dessert",
    "food/fruit": "fruit",
    "food/meats_and_eggs": "meat or egg dish",
    "food/vegetables": "vegetable",
    "geography/astronomy": "planet or moon",
    "office": "office supplies",
    "office/telephone": "telephone",
    "people": "person",
    "people/bodypart": "body part",
    "people/clothing": "clothing",
    "plants": "plant",
    "plants/flowers": "flower",
    "plants/trees": "tree",
    "recreation": "leisure",
    "recreation/games": "game",
    "recreation/holiday": "holiday",
    "recreation/music": "musical instrument",
    "recreation/party": "party",
    "recreation/religion": "religion",
    "recreation/sports": "sport",
    "recreation/toys": "toy",
    "science": "science",
    "science/astronomy": "planet or moon",
    "signs_and_symbols/clocks": "clock",
    "signs_and_symbols/money": "money",
    "signs_and_symbols/weather": "weather",
    "tools": "tool",
    "tools/weapons": "weapon",
    "transportation": "vehicle",
    "transportation/boating": "boat",
    "unsorted": _UNSORTED,
}
_STAMPS: Final[Mapping[str, str]] = {
    "animals": "animal",
    "animals/birds": "bird",
    "animals/fish": "sea animal",
    "animals/insects": "insect",
    "animals/mammals": "mammal",
    "animals/mammals/aquatic": "sea animal",
    "animals/marsupials": "mammal",
    "animals/shellfish": "sea animal",
    "clothes": "clothing",
    "food": "food",
    "food/fruit": "fruit",
    "food/vegetables": "vegetable",
    "hobbies": "leisure",
    "hobbies/music": "musical instrument",
    "household": "household item",
    "household/dishes": "dishes",
    "household/tools": "tool",
    "medical": "medical supplies",
    "military": "military",
    "naturalforces": "weather",
    "people": "person",
    "plants": "plant",
    "plants/flowers": "flower",
    "plants/trees": "tree",
    "seasonal": "holiday",
    "space": "space",
    "space/moon": "planet or moon",
    "space/planets": "planet or moon",
    "sports": "sport",
    "town": "building",
    "town/flags": "flag",
    "town/roadsigns": "road sign",
    "vehicles": "vehicle",
}
_CATEGORIES: Final = {"clipart": _CLIPART, "stamps": _STAMPS}
_LEFT_OUT: Final = frozenset(
    {
        "people/clothing/pantyhose",
        "people/smilies",
        "people/stickmen",
        "recreation/games/cards",
        "transportation/aiga-symbols",
        "transportation/roadsigns",
        "symbols",
    }
)

# Titles of collections: they say nothing of the single picture, whose name is better.
_COLLECTION = re.compile(
    r"clipart by|various cliparts|homes clipart|clip art collection|diner menu|etiquette icons"
    r"|r1\d (?:sibmission|general)|map symbols|moons"
)
_ROAD_SIGNS = "john cliff"
_BRACKETS = re.compile(r"\([^)]*\)")
_NUMBERS = re.compile(r"#?\d+\b|\b(?:bw|b w|ii|iii)\b")
# Words around the name of the thing that say how it is drawn, or nothing.
_BEFORE = frozenset({"a", "an", "the", "another", "yet", "my", "contour", "simple", "stylized"})
_AFTER = frozenset(
    {"bw", "clothing", "contour", "icon", "illustration", "outline", "silhouette", "simple"}
    | {"sketch", "symbol"}
)


def category_of(package: Literal["clipart", "stamps"], within: PurePosixPath) -> str | None:
    """The kind of thing a folder holds, ``None`` if it is of no use.

    >>> category_of("clipart", PurePosixPath("animals/birds/penguin/tux.png"))
    'bird'
    """
    folders = [each.as_posix() for each in within.parents]
    if _LEFT_OUT & set(folders):
        return None
    known = _CATEGORIES[package]
    return next((known[each] for each in folders if each in known), None)


def stamp_caption(within: PurePosixPath, note: str) -> str | None:
    """What a stamp shows; ``None`` if that is not known.

    It is the first sentence of the note, without its end and what stands in brackets, unless
    :func:`clipart_caption`'s file knows better.

    >>> stamp_caption(PurePosixPath("birds/peacock.png"), "A peacock (a male peafowl). It turns.")
    'A peacock'
    """
    known = _seen_by_eye().get(f"stamps/{within.with_suffix('')}")
    if known is not None:
        return known or None
    plain = re.sub(r"\s*\([^)]*\)|[\"\u201c\u201d]", "", note).strip()
    return re.split(r"[.!?](?:\s|$)", plain)[0] or None


def clipart_caption(
    within: PurePosixPath, title: str, author: str, nouns: Container[str]
) -> str | None:
    """What a picture shows, in lower case; ``None`` if that is not known.

    Most titles and names say it. Where they are in another language, misspelt, wrong or say nothing
    (found by looking at the pictures), the file ``captions.tsv`` beside this module does.

    >>> clipart_caption(PurePosixPath("apple_core_01.png"), "Apple Core", "N. Buculei", {"apple"})
    'apple core'
    >>> clipart_caption(PurePosixPath("gufo_civetta_architetto__01.png"), "Gufo civetta", "", {})
    'owl'

    Args:
        within: the file's path in the package.
        title: that the picture has within; may be empty or that of a collection.
        author: likewise.
        nouns: a caption from title or name must be about one of these, words joined by "_".
    """
    known = _seen_by_eye().get(f"clipart/{within.stem}")
    if known is not None:
        return known or None
    if author.lower() == _ROAD_SIGNS or category_of("clipart", within) == _UNSORTED:
        return None
    named = title and not _COLLECTION.search(title.lower())
    text = (title if named else within.stem).lower().replace("_", " ")
    words = _NUMBERS.sub(" ", _BRACKETS.sub(" ", text)).split()
    while len(words) > 1 and words[0] in _BEFORE:
        words.pop(0)
    while len(words) > 1 and words[-1] in _AFTER:
        words.pop()
    caption = " ".join(words)
    return caption if concept(caption).replace(" ", "_") in nouns else None


@cache
def _seen_by_eye() -> Mapping[str, str]:
    """Package and name -> caption, empty for what shows no thing that has a name."""
    text = files("rzen.data.bench.pictures").joinpath("captions.tsv").read_text(encoding="utf-8")
    rows = (line.partition("\t") for line in text.splitlines() if not line.startswith("#"))
    return {name: caption for name, _, caption in rows}
