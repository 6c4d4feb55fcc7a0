"""The kinds of things that pictures are classified by: readable names, a few for each package."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from rzen.data.bench.pictures.collection import Picture

Package: TypeAlias = Literal["stamps", "clipart", "emoji"]

# Category -> class. What is not here is too mixed, or too rare, to be a class.
CLASSES: Final[Mapping[Package, Mapping[str, str]]] = {
    "stamps": {
        "bird": "bird",
        "building": "building",
        "clothing": "clothing",
        "flower": "flower",
        "fruit": "fruit",
        "insect": "insect or other small animal",
        "mammal": "land mammal",
        "musical instrument": "musical instrument",
        "planet or moon": "planet or moon",
        "road sign": "road sign",
        "sea animal": "sea animal",
        "tool": "tool",
        "tree": "tree",
        "vegetable": "vegetable",
        "vehicle": "vehicle",
    },
    "clipart": {
        "bird": "bird",
        "body part": "part of the body",
        "boat": "vehicle",
        "bread or pastry": "prepared food",
        "building": "building",
        "clothing": "clothing",
        "computer hardware": "computer hardware",
        "dessert": "dessert",
        "drink": "drink",
        "flower": "flower",
        "fruit": "fruit",
        "furniture": "furniture",
        "insect": "insect or other small animal",
        "mammal": "land mammal",
        "meat or egg dish": "prepared food",
        "musical instrument": "music",
        "office supplies": "office supplies",
        "person": "person",
        "school supplies": "office supplies",
        "sea animal": "sea animal",
        "tool": "tool",
        "tree": "tree",
        "vegetable": "vegetable",
        "vehicle": "vehicle",
        "weapon": "weapon",
        "weather": "weather",
    },
    "emoji": {
        "animal bird": "bird",
        "animal bug": "insect or other small animal",
        "animal mammal": "land mammal",
        "animal marine": "sea animal",
        "arrow": "arrow",
        "body parts": "part of the body",
        "cat face": "face",
        "clothing": "clothing",
        "drink": "drink",
        "food asian": "prepared food",
        "food fruit": "fruit",
        "food prepared": "prepared food",
        "food sweet": "sweet food",
        "food vegetable": "vegetable",
        "heart": "heart",
        "household": "household item",
        "musical instrument": "musical instrument",
        "office": "office supplies",
        "person activity": "person",
        "person fantasy": "person",
        "person role": "person",
        "person sport": "person doing sport",
        "place building": "building",
        "plant flower": "flower",
        "sky & weather": "weather or sky",
        "tool": "tool",
        "transport air": "vehicle",
        "transport ground": "vehicle",
        "transport water": "vehicle",
    },
}
_FACES = "face "
_HANDS = ("hand ", "hands")

# Concepts, words joined by "_", that lie in a folder of this class and are no such thing, or are as
# much of another class.
_NOT_OF_CLASS: Final[Mapping[str, str]] = {
    "bird": "bat butterfly feather wing",
    "building": (
        "brick column construction dock entrance fountain gate graveyard inukshuk locker mailbox"
        " mine obelisk pole rock shipwreck statue stone sword wall wedding well wood"
    ),
    "clothing": "bead button chain clothespin fan lipstick pick rabbit skate sole stone",
    "computer hardware": "camera game gps",
    "dessert": "muffin waffle",
    "drink": "barrel bottle cork cube ice machine",
    "face": "alien ghost monster poo robot skull",
    "fruit": "glass mushroom slate tomato tree",
    "furniture": "lamp tv",
    "hand": "polish selfie",
    "heart": "letter",
    "household item": "bubble elevator trap",
    "insect or other small animal": "microbe web wing",
    "land mammal": "nose otter post print seal teddy_bear",
    "music": "bust jazz player",
    "office supplies": (
        "arrow bottle box cup factory flask handshake hourglass lamp light_bulb"
        " magnifying_glass mailbox meeting paintbrush"
        " palette phone printer school teacher yarn"
    ),
    "part of the body": "elephant",
    "person": "alien bedroom eye lizard pin skull statue truck",
    "prepared food": "bowl box campfire cookie muffin pan potato salt waffle",
    "road sign": "cone toilet",
    "sea animal": "grenade otter sea",
    "tool": (
        "bandage block bomb boomerang bottle bow brick cage cane chain cigar cigarette dagger"
        " gallows insecticide lamp link magnifying_glass paintbrush pan pipe pump shield sword"
        " thermometer umbrella"
    ),
    "tree": "bauble fern landscape leaf pinecone saw shears",
    "vegetable": "chestnut peanut",
    "vehicle": (
        "anchor buoy construction drum knot lighthouse motorway penguin pump seat station stop"
        " stop_sign suitcase track traffic_light wheel wheelchair"
    ),
    "weapon": "knife star",
    "weather or sky": "fire voltage",
}


def class_of(picture: Picture) -> str | None:
    """The class of a picture within its package; ``None`` if it belongs to none."""
    found = _by_category(picture)
    if found is None:
        return None
    wrong = picture.concept.replace(" ", "_") in _NOT_OF_CLASS.get(found, "").split()
    return None if wrong else found


def classes(package: Package) -> list[str]:
    """All classes of a package, sorted."""
    own = set(CLASSES[package].values())
    return sorted(own | {"face", "hand"} if package == "emoji" else own)


def _by_category(picture: Picture) -> str | None:
    if picture.style == "stamps" or picture.style == "clipart":
        return CLASSES[picture.style].get(picture.category)
    if picture.category.startswith(_FACES):
        return "face"
    if picture.category.startswith(_HANDS):
        return "hand"
    return CLASSES["emoji"].get(picture.category)
