"""English words that :func:`~rzen.data.bench.language.concepts.concept` knows: closed lists."""

from collections.abc import Mapping
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A noun phrase ends before these: what follows only describes it.
STOPS: Final = _set(
    """
    about above across against ahead amid among and are around as at behind being below beneath
    beside between but by called carries carry carrying covered curled doing down dressed eating
    for from has hatched have having holding in inside into is lifting like made means near next of
    off on onto or out over playing plays pointed resembles riding shaped showing than that through
    tilted to under up used was wearing when where which while who with without
    """
)

# Determiners, adjectives and ways of drawing: never what a picture is about.
NEVER: Final = _set(
    """
    a about alternative an animated another any b bald balding beautiful big blonde bright bw c
    called cartoon chubby clip clipart closed colored colorful colour contour couple cute d dark
    detailed drawing drawn empty european facing fancy filled first flat full funny glossy grinning
    half happy he heavy her his i icon iconset ii illustration image it its kind large last left
    lit little logo long male manga me medium middle modern my new nice no normal now old
    old-fashioned one open outline outlined outlines pair part perspective photo pictogram picture
    piece plain pointing portrait profile quarter random right root sad sample second set shade
    sharp she shiny short silhouette simple simplified sketch slice sliced slices small some style
    stylised stylized tall template the their they third this those three tiled tiny tone top
    traditional transparent two typical unlit us v various version very view w we wedge white whole
    wooden you young your
    """
)

# What a picture is about only if nothing better is named.
WEAK: Final = _set(
    """
    adult adults baby beige black blond blue body bottom boy boys brown bulb button buttons
    character child children coloured core emblem face faces female figure figurine fruit girl
    girls gold golden gray green grey guy hand head heads hole indian kid kids lady light man mark
    men object people person persons pink purple red sign silver smiley square symbol
    symbols thing woman women yellow
    """
)

# "A bunch of grapes" is about grapes, but "the house of the hunter" about a house.
QUANTITIES: Final = _set(
    """
    baby bag ball bit block bouquet bowl box bunch can carton cluster collection couple crate cup
    dozen drop family flock glass grain half handful head heap jar kind leg loaf lot mug pack
    packet pair part photograph picture piece pile pinch pint plate portion pot quarter row
    sculpture serving set sheet slab slice sort spool stack string tube type variety wedge
    """
)

# Names of two words that are not a kind of what the second word means, or have another name.
COMPOUNDS: Final[Mapping[str, str]] = {
    "anger bubble": "speech bubble",
    "baseball bat": "baseball bat",
    "christmas tree": "christmas tree",
    "clapper board": "clapperboard",
    "compact disc": "cd",
    "compact disk": "cd",
    "computer mouse": "computer mouse",
    "corn dog": "corn dog",
    "cricket bat": "cricket bat",
    "crystal ball": "crystal ball",
    "french fries": "fries",
    "guinea fowl": "guinea fowl",
    "guinea pig": "guinea pig",
    "hash brown": "hash browns",
    "hot air balloon": "hot air balloon",
    "hot dog": "hot dog",
    "ice cream": "ice cream",
    "ice lolly": "ice lolly",
    "ironing board": "ironing board",
    "jack-o-lantern": "jack-o-lantern",
    "lady beetle": "ladybug",
    "light bulb": "light bulb",
    "magnifying glass": "magnifying glass",
    "music note": "musical note",
    "musical note": "musical note",
    "onion ring": "onion ring",
    "orange square": "square",
    "paint brush": "paintbrush",
    "piano key": "piano key",
    "piggy bank": "piggy bank",
    "post box": "mailbox",
    "road sign": "road sign",
    "rocking horse": "rocking horse",
    "santa claus": "santa claus",
    "sea horse": "seahorse",
    "sea lion": "sea lion",
    "shooting star": "shooting star",
    "soccer ball": "soccer ball",
    "speech bubble": "speech bubble",
    "staple gun": "staple gun",
    "star fish": "starfish",
    "sticking plaster": "bandage",
    "stop sign": "stop sign",
    "t shirt": "t-shirt",
    "teddy bear": "teddy bear",
    "traffic light": "traffic light",
    "washing machine": "washing machine",
}

# Other names of a thing, by the singular.
SAME: Final[Mapping[str, str]] = {
    "aeroplane": "airplane",
    "auto": "car",
    "automobile": "car",
    "bike": "bicycle",
    "bunny": "rabbit",
    "burger": "hamburger",
    "cock": "chicken",
    "die": "dice",
    "firefighter": "fireman",
    "gull": "seagull",
    "headstone": "gravestone",
    "home": "house",
    "kitty": "cat",
    "kiwifruit": "kiwi",
    "ladybird": "ladybug",
    "lightbulb": "light bulb",
    "lorry": "truck",
    "maize": "corn",
    "plane": "airplane",
    "racquet": "racket",
    "rhino": "rhinoceros",
    "skating": "skater",
    "sledge": "sled",
    "streetcar": "tram",
    "sunshine": "sun",
    "teddybear": "teddy bear",
    "telephone": "phone",
    "television": "tv",
    "tombstone": "gravestone",
    "wool": "yarn",
}

# What is a kind of its concept, and too like it to lie in another split.
KINDS: Final[Mapping[str, str]] = {
    "airliner": "airplane",
    "bathyscape": "submarine",
    "bull": "cow",
    "bulldog": "dog",
    "caribou": "deer",
    "cell phone": "phone",
    "cellphone": "phone",
    "cellular phone": "phone",
    "chess pawn": "pawn",
    "chick": "chicken",
    "compass rose": "compass",
    "crash cymbal": "cymbal",
    "doe": "deer",
    "drake": "duck",
    "dromedary": "camel",
    "drum kit": "drum",
    "ewe": "sheep",
    "fawn": "deer",
    "fedora": "hat",
    "fire engine": "truck",
    "firetruck": "truck",
    "football": "soccer ball",
    "gander": "goose",
    "grand piano": "piano",
    "handphone": "phone",
    "hare": "rabbit",
    "hen": "chicken",
    "ice cream cone": "ice cream",
    "jet": "airplane",
    "kitten": "cat",
    "lamb": "sheep",
    "longsword": "sword",
    "mandarin orange": "tangerine",
    "mobile phone": "phone",
    "mobile": "phone",
    "mrs claus": "santa claus",
    "mx claus": "santa claus",
    "ox": "cow",
    "piglet": "pig",
    "plesiosaur": "dinosaur",
    "pterosaur": "dinosaur",
    "pup": "dog",
    "puppy": "dog",
    "ram": "sheep",
    "reindeer": "deer",
    "rooster": "chicken",
    "sauropod": "dinosaur",
    "sedan": "car",
    "ship": "boat",
    "sombrero": "hat",
    "stag": "deer",
    "stegosaur": "dinosaur",
    "t-rex": "dinosaur",
    "tophat": "hat",
    "triceratops": "dinosaur",
    "tux": "penguin",
    "tyrannosaur": "dinosaur",
    "wapiti": "deer",
    "wild boar": "boar",
}

# Singulars that no rule gives.
IRREGULAR: Final[Mapping[str, str]] = {
    "brownies": "brownie",
    "calves": "calf",
    "canoes": "canoe",
    "children": "child",
    "cookies": "cookie",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "hooves": "hoof",
    "knives": "knife",
    "leaves": "leaf",
    "loaves": "loaf",
    "men": "man",
    "mice": "mouse",
    "movies": "movie",
    "oxen": "ox",
    "people": "person",
    "pies": "pie",
    "scarves": "scarf",
    "shelves": "shelf",
    "shoes": "shoe",
    "teeth": "tooth",
    "ties": "tie",
    "toes": "toe",
    "wolves": "wolf",
    "women": "woman",
    "zombies": "zombie",
}

# Words in -s that are singular, or have no singular.
UNCHANGED: Final = _set(
    """
    aries asparagus atlas bagpipes bellows biceps binoculars briefs canvas christmas clothes
    customs dice fireworks fries gallows gas glasses glockenspiel goggles jeans jewellery lens mars
    molasses mrs news pants pincers pisces pliers pyjamas rhinoceros scissors series shears shorts
    skis species sunglasses taurus tights tongs triceratops trousers tweezers
    """
)

# Words in -ing that name things. Another one after a noun ends the phrase: "a bear sleeping".
NOUNS_IN_ING: Final = _set(
    """
    building ceiling clothing crossing duckling dumpling earring evening king lightning morning
    painting pudding railing ring seedling sling spring stocking string swing thing viewing wedding
    wing
    """
)

COLOURS: Final = _set(
    "beige black blue brown gold golden gray green grey orange pink purple red silver white yellow"
)

# What a shorter caption may leave unsaid: "a bus" may well be a red one.
UNSAID: Final = COLOURS | _set(
    """
    big closed dark flat flying galloping happy jumping large light little long lying modern new old
    open round running short sitting sleeping slim small sweet tall wooden young
    """
)
