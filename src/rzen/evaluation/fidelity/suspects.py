"""Which cause of other vectors fits: derived from which cases differ and which agree."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from rzen.evaluation.fidelity.cases import Case

ROUNDING = 0.005
"""Cosine distance that lower precision may cause: bfloat16 puts cosines off by about 0.004."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trait:
    """What some cases have in common, and what is wrong when only they differ."""

    name: str
    holds: Callable[[Case], bool]
    cause: str


def _visual(case: Case) -> bool:
    return case.pixels > 0


def _instructed(case: Case) -> bool:
    return bool(case.instruction)


def _document(case: Case) -> bool:
    return case.role == "document"


def _ends_open(instruction: str | None) -> bool:
    return (instruction or "").rstrip()[-1:].isalnum()


_MEDIA = (
    _Trait(
        name="with a video",
        holds=lambda case: case.frames > 0,
        cause="the video is given as one real video where its frames should be single images, or "
        "the other way round; or its frames are in another order, number or size",
    ),
    _Trait(
        name="with a picture",
        holds=lambda case: case.pictures > 0,
        cause="pictures are resized otherwise (a step, its order, its filter, limits on pixels)",
    ),
    _Trait(
        name="with a picture or a video",
        holds=_visual,
        cause="other positions (M-RoPE where 1-D belongs, or the other way round), pictures that "
        "are resized otherwise, or vision tokens that are left out",
    ),
)
_TRAITS = (
    *_MEDIA,
    _Trait(
        name="with several pictures",
        holds=lambda case: case.pictures > 1,
        cause="the order of the pictures, or what stands between them",
    ),
    _Trait(
        name="with media and words",
        holds=lambda case: _visual(case) and bool(case.text or case.instruction),
        cause="the order of media and words",
    ),
    _Trait(
        name="without media",
        holds=lambda case: not _visual(case),
        cause="another template for texts than for media, or another tokeniser",
    ),
    _Trait(
        name="with an instruction",
        holds=_instructed,
        cause="the instruction is in the wrong turn, left out, or joined to the text otherwise",
    ),
    _Trait(
        name="whose instruction ends in a letter or a digit",
        holds=lambda case: _ends_open(case.instruction),
        cause="a full stop is missing behind the instruction, or is one too many",
    ),
    _Trait(
        name="without an instruction",
        holds=lambda case: not _instructed(case),
        cause="an instruction is added where there should be none, or the default is another",
    ),
    _Trait(
        name="that are documents",
        holds=_document,
        cause="candidates are instructed otherwise than in the release",
    ),
    _Trait(
        name="that are documents without an instruction",
        holds=lambda case: _document(case) and not _instructed(case),
        cause="instructed candidates: documents are given an instruction, such as the queries'",
    ),
    _Trait(
        name="that are documents with an instruction",
        holds=lambda case: _document(case) and _instructed(case),
        cause="instructed candidates: the documents' own instruction is left out or replaced, "
        "such as by the queries'",
    ),
    _Trait(
        name="that are queries",
        holds=lambda case: not _document(case),
        cause="queries are instructed otherwise than in the release",
    ),
    _Trait(
        name="whose text begins or ends with white space",
        holds=lambda case: case.text != case.text.strip(),
        cause="the text is stripped, or is not where the release strips it",
    ),
    _Trait(
        name="with letters beyond ASCII",
        holds=lambda case: not case.text.isascii(),
        cause="another tokeniser, or text that is normalised otherwise",
    ),
    _Trait(
        name="with nothing in them",
        holds=lambda case: not case.text and not _visual(case),
        cause="an empty text is replaced by another, or not where the release replaces it",
    ),
)
_POOLING = (
    "every case differs: pooling (the state before the final norm, another token, or a mean of "
    "tokens, where the release takes the last token's state after the norm)"
)
_TEMPLATE = (
    "every case differs: the template (another system turn, no generation prompt, or another last "
    "token), or other weights"
)
_CONTRASTS: tuple[tuple[Callable[[Case], bool], str], ...] = (
    (_document, "no case is a document: instructed candidates would not be noticed"),
    (_instructed, "no case has an instruction: one in the wrong turn would not be noticed"),
    (_visual, "no case has a picture: wrong positions would not be noticed"),
    (lambda case: case.frames > 0, "no case has a video: wrong frames would not be noticed"),
)


def suspects(cases: Sequence[Case], distances: Sequence[float], tolerance: float) -> list[str]:
    """Likely causes, the likeliest first; empty if no case differs.

    A trait is suspected if only cases with it differ, first the one of whose cases the largest
    share does; wider traits that say the same of more cases are left out. Where no one trait will
    do, those are named that together explain what differs.

    Args:
        cases: that were compared.
        distances: cosine distance of each.
        tolerance: cases farther than this differ.
    """
    differing = frozenset(at for at, distance in enumerate(distances) if distance > tolerance)
    if not differing:
        return []
    # What holds for just the cases that differ leaves no doubt that they have it in common.
    plain = any(_members(trait, cases) == differing for trait in _TRAITS)
    if len(differing) == len(cases):
        whole = [trait for trait in _MEDIA if len(_members(trait, cases)) == len(cases)]
        found = [_POOLING, _TEMPLATE, *(_sentence(trait, differing, cases) for trait in whole)]
    else:
        largest, shared = _largest(differing, cases), _shared(differing, cases)
        # Where most differ, that the others are smaller may well be chance.
        few = 2 * len(differing) <= len(cases)
        found = [*largest, *shared] if few and not plain else [*shared, *largest]
    if max(distances) < ROUNDING and (len(differing) == len(cases) or not plain):
        rounding = (
            f"no case is farther off than {max(distances):.1e}: a lower precision (bfloat16, TF32) "
            "can do that; compare in float32 before looking further"
        )
        found.insert(0, rounding)
    return found


def unseen(cases: Sequence[Case]) -> list[str]:
    """Defects that the cases could not show."""
    return [told for holds, told in _CONTRASTS if not any(map(holds, cases))]


def _members(trait: _Trait, cases: Sequence[Case]) -> frozenset[int]:
    return frozenset(at for at, case in enumerate(cases) if trait.holds(case))


def _sentence(trait: _Trait, differing: Collection[int], cases: Sequence[Case]) -> str:
    members = _members(trait, cases)
    count = len(members.intersection(differing))
    return f"cases {trait.name} differ ({count} of {len(members)}): {trait.cause}"


def _shared(differing: frozenset[int], cases: Sequence[Case]) -> list[str]:
    """Traits that hold for all cases that differ, the narrowest first.

    One of whose cases most agree explains little. Then traits are named that together explain all,
    and else what pictures and videos have in common, of which a defect may well spare most.
    """
    held = {trait: _members(trait, cases) for trait in _TRAITS}
    fitting = [
        trait for trait in _TRAITS if differing <= held[trait] and len(held[trait]) < len(cases)
    ]
    narrow = [trait for trait in fitting if not any(held[other] < held[trait] for other in fitting)]
    narrow.sort(key=lambda trait: len(held[trait]))
    telling = [trait for trait in narrow if 2 * len(differing) >= len(held[trait])]
    if telling:
        return ["only " + _sentence(trait, differing, cases) for trait in telling]
    found, left = _together(differing, cases)
    partly = [trait for trait in narrow if trait in _MEDIA]
    if left and partly:
        return ["only " + _sentence(trait, differing, cases) for trait in partly]
    if left:
        named = ", ".join(repr(cases[at].id) for at in sorted(left)[:5])
        found.append(f"no known cause fits {len(left)} of the cases that differ: {named}")
    return found


def _together(differing: frozenset[int], cases: Sequence[Case]) -> tuple[list[str], set[int]]:
    """Traits all of whose cases differ, the one that explains most first; and what they leave."""
    held = {trait: _members(trait, cases) for trait in _TRAITS}
    whole = [trait for trait in _TRAITS if held[trait] and held[trait] <= differing]
    left = set(differing)
    found: list[str] = []
    while best := max((held[trait] & left for trait in whole), key=len, default=frozenset[int]()):
        found += [
            "more than one cause: " + _sentence(trait, differing, cases)
            for trait in whole
            if held[trait] & left == best
        ]
        left -= best
    return found, left


def _largest(differing: frozenset[int], cases: Sequence[Case]) -> list[str]:
    """Truncation, if the cases that differ are the largest of their kind, and not all of it."""
    for kind, size, unit in (
        (True, lambda case: case.pixels, "pixels"),
        (False, lambda case: len(case.text), "letters"),
    ):
        sizes = {at: size(case) for at, case in enumerate(cases) if _visual(case) is kind}
        if not differing < sizes.keys():
            continue
        least = min(sizes[at] for at in differing)
        if least > max(other for at, other in sizes.items() if at not in differing):
            sentence = (
                f"only the {len(differing)} largest of {len(sizes)} cases differ, from {least:,} "
                f"{unit} on: tokens are cut off (truncation), or a limit on {unit} is another"
            )
            return [sentence]
    return []
