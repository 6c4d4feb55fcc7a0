"""Pairs of emoji that differ by one thing that can be said: "the same, but a man".

The names of the emoji are regular ("man cook", "woman cook"; "open mailbox with raised flag", "open
mailbox with lowered flag"), so that pairs are found by exchanging words. Only a few that stand in a
row, such as the hours, are listed.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """From one emoji to another.

    Attributes:
        before: name of the emoji that is shown.
        after: name of the one that is asked for.
        kind: of the change, such as ``"gender"``.
        wordings: how training asks for it, and how validation and test do.
    """

    before: str
    after: str
    kind: str
    wordings: tuple[str, str]


_Wordings: TypeAlias = tuple[str, str]

_COLOURS: Final = (
    *("red", "orange", "yellow", "green", "blue", "purple"),
    *("brown", "black", "white", "pink", "grey"),
)
_COLOURED = re.compile(rf"({'|'.join(_COLOURS)})\b")
_APOSTROPHE: Final = "\N{RIGHT SINGLE QUOTATION MARK}"  # as in Unicode's names

_MAN: _Wordings = ("the same, but a man", "a man instead")
_WOMAN: _Wordings = ("the same, but a woman", "a woman instead")
_GENDERED: Final = (
    re.compile(r"(?P<who>man|woman|person)(?P<role>[ :].+)"),
    re.compile(r"(?P<role>deaf |old )(?P<who>man|woman)"),
)

# What one points or is turned to, in several spellings.
_DIRECTIONS: Final = (
    (("left", "right"), ("left", "right")),
    (("leftwards", "rightwards"), ("left", "right")),
    (("left-facing", "right-facing"), ("left", "right")),
    (("up", "down"), ("top", "bottom")),
    (("upwards", "downwards"), ("top", "bottom")),
    (("up-left", "down-right"), ("upper left", "lower right")),
    (("up-right", "down-left"), ("upper right", "lower left")),
)


def _towards(where: str) -> _Wordings:
    return f"the same, but turned to the {where}", f"pointing to the {where} instead"


# One word for another, in both directions: (kind, word, other, asking for word, for other).
_SWAPS: Final[tuple[tuple[str, str, str, _Wordings, _Wordings], ...]] = (
    *(
        ("direction", one, other, _towards(to_one), _towards(to_other))
        for (one, other), (to_one, to_other) in _DIRECTIONS
    ),
    (
        "state",
        "raised",
        "lowered",
        ("the same, but with its flag raised", "the flag is up now"),
        ("the same, but with its flag lowered", "the flag is down now"),
    ),
    ("state", "open", "closed", ("the same, but open", "opened"), ("the same, but closed", "shut")),
    (
        "state",
        "unlocked",
        "locked",
        ("the same, but unlocked", "opened"),
        ("the same, but locked", "shut"),
    ),
    (
        "size",
        "small",
        "large",
        ("the same, but smaller", "a little one instead"),
        ("the same, but larger", "a big one instead"),
    ),
    (
        "trend",
        "increasing",
        "decreasing",
        ("the same, but going up", "rising instead"),
        ("the same, but going down", "falling instead"),
    ),
    ("gender", "prince", "princess", _MAN, _WOMAN),
    ("gender", "merman", "mermaid", _MAN, _WOMAN),
    ("gender", "Santa Claus", "Mrs. Claus", _MAN, _WOMAN),
    (
        "gender",
        "men",
        "women",
        ("the same, but men", "men instead"),
        ("the same, but women", "women instead"),
    ),
    (
        "gender",
        f"men{_APOSTROPHE}s",
        f"women{_APOSTROPHE}s",
        ("the same, but for men", "the one for men instead"),
        ("the same, but for women", "the one for women instead"),
    ),
)

# What is added to a name: (kind, pattern of the longer name, asking for the longer, the shorter).
_ADDED: Final[tuple[tuple[str, re.Pattern[str], _Wordings, _Wordings], ...]] = (
    (
        "direction",
        re.compile(r"(?P<rest>.+): facing right"),
        ("the same, but facing right", "going to the right instead"),
        ("the same, but facing left", "going to the left instead"),
    ),
    (
        "view",
        re.compile(r"oncoming (?P<rest>taxi|bus|police car|automobile)"),
        ("the same, but seen from the front", "as it comes towards us"),
        ("the same, but seen from the side", "as it passes by"),
    ),
    (
        "view",
        re.compile(r"(?P<rest>cat|cow|dog|dragon|horse|monkey|mouse|pig|rabbit|tiger) face"),
        ("only its face", "just the head, from the front"),
        ("the whole animal", "its body from head to tail"),
    ),
    (
        "state",
        re.compile(r"(?P<rest>bell) with slash"),
        ("the same, but crossed out", "with a line through it"),
        ("the same, but not crossed out", "without the line through it"),
    ),
    (
        "state",
        re.compile(r"low (?P<rest>battery)"),
        ("the same, but nearly empty", "with little left in it"),
        ("the same, but full", "with much left in it"),
    ),
    (
        "state",
        re.compile(r"(?P<rest>umbrella|cloud) with rain(?: drops)?"),
        ("the same, but in the rain", "while it rains"),
        ("the same, but without rain", "while it is dry"),
    ),
    (
        "state",
        re.compile(r"(?P<rest>camera) with flash"),
        ("the same, but with a flash", "while it flashes"),
        ("the same, but without a flash", "while it does not flash"),
    ),
    (
        "number",
        re.compile(r"(?P<rest>musical note)s"),
        ("the same, but several", "more than one"),
        ("the same, but only one", "a single one"),
    ),
)

_HOURS: Final = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_O_CLOCKS: Final = tuple(f"{hour} o{_APOSTROPHE}clock" for hour in _HOURS)
_CLOCKS: Final = tuple(
    name
    for hour, o_clock in zip(_HOURS, _O_CLOCKS, strict=True)
    for name in (o_clock, f"{hour}-thirty")
)
_MOONS: Final = (
    "new moon",
    "waxing crescent moon",
    "first quarter moon",
    "waxing gibbous moon",
    "full moon",
    "waning gibbous moon",
    "last quarter moon",
    "waning crescent moon",
)

# What stands in a row: (kind, names, comes back to the first, asking for the next, the one before).
_ROWS: Final[tuple[tuple[str, tuple[str, ...], bool, _Wordings, _Wordings], ...]] = (
    (
        "time",
        _CLOCKS,
        True,
        ("half an hour later", "thirty minutes after this"),
        ("half an hour earlier", "thirty minutes before this"),
    ),
    (
        "time",
        _O_CLOCKS,
        True,
        ("one hour later", "sixty minutes after this"),
        ("one hour earlier", "sixty minutes before this"),
    ),
    (
        "time",
        _MOONS,
        True,
        ("the same, but some days later", "the next phase"),
        ("the same, but some days earlier", "the phase before this"),
    ),
    (
        "strength",
        ("muted speaker", "speaker low volume", "speaker medium volume", "speaker high volume"),
        False,
        ("the same, but one step louder", "turned up by one"),
        ("the same, but one step quieter", "turned down by one"),
    ),
    (
        "number",
        ("1st place medal", "2nd place medal", "3rd place medal"),
        False,
        ("one place behind this", "for the one who came in next"),
        ("one place ahead of this", "for the one who came in just before"),
    ),
    (
        "view",
        ("globe showing Europe-Africa", "globe showing Asia-Australia", "globe showing Americas"),
        True,
        ("a third of a turn further east", "the part of the world to the east of this"),
        ("a third of a turn further west", "the part of the world to the west of this"),
    ),
)


def emoji_pairs(names: Collection[str]) -> list[Pair]:
    """All pairs among some emoji, sorted.

    No name is asked for from the same picture with the same words as another.

    >>> [(pair.before, pair.wordings[0]) for pair in emoji_pairs(["man cook", "woman cook"])]
    [('man cook', 'the same, but a woman'), ('woman cook', 'the same, but a man')]

    Args:
        names: English names as Unicode gives them.
    """
    known = sorted(set(names))
    finders = (_genders, _colours, _swapped, _added, _in_rows)
    return sorted({pair for find in finders for pair in find(known)})


def _genders(known: Sequence[str]) -> Iterator[Pair]:
    """From a man, a woman or a person to a man or a woman; a role alone is that of a person."""
    for name in known:
        for who, wordings in (("man", _MAN), ("woman", _WOMAN)):
            for before in _other_genders(name, who):
                if before in known:
                    yield Pair(before=before, after=name, kind="gender", wordings=wordings)


def _other_genders(name: str, who: str) -> Iterator[str]:
    for pattern in _GENDERED:
        found = pattern.fullmatch(name)
        if found is not None and found["who"] == who:
            for other in {"man", "woman", "person"} - {who}:
                start, end = found.span("who")
                yield name[:start] + other + name[end:]
            yield found["role"].strip()


def _colours(known: Sequence[str]) -> Iterator[Pair]:
    for before in known:
        found = _COLOURED.match(before)
        for colour in _COLOURS if found is not None else ():
            after = colour + before[len(found[1]) :] if found is not None else ""
            if after != before and after in known:
                wordings = (f"the same in {colour}", f"exactly this, coloured {colour}")
                yield Pair(before=before, after=after, kind="colour", wordings=wordings)


def _swapped(known: Sequence[str]) -> Iterator[Pair]:
    for kind, one, other, to_one, to_other in _SWAPS:
        for old, new, wordings in ((one, other, to_other), (other, one, to_one)):
            word = re.compile(rf"(?<![\w-]){old}(?![\w{_APOSTROPHE}-])")
            for before in known:
                after = word.sub(new, before, count=1)
                if after != before and after in known:
                    yield Pair(before=before, after=after, kind=kind, wordings=wordings)


def _added(known: Sequence[str]) -> Iterator[Pair]:
    for longer in known:
        for kind, pattern, to_longer, to_shorter in _ADDED:
            found = pattern.fullmatch(longer)
            if found is not None and found["rest"] in known:
                shorter = found["rest"]
                yield Pair(before=shorter, after=longer, kind=kind, wordings=to_longer)
                yield Pair(before=longer, after=shorter, kind=kind, wordings=to_shorter)


def _in_rows(known: Sequence[str]) -> Iterator[Pair]:
    for kind, names, comes_back, to_next, to_last in _ROWS:
        for before, after in pairwise([*names, *names[:1]] if comes_back else names):
            if before in known and after in known:
                yield Pair(before=before, after=after, kind=kind, wordings=to_next)
                yield Pair(before=after, after=before, kind=kind, wordings=to_last)
