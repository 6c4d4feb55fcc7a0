import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.evaluation.fidelity.cases import Case
from rzen.evaluation.fidelity.suspects import suspects, unseen
from rzen.types import Content, Role, Text

FAR, NEAR = 0.2, 1e-9


def case(
    id: str,
    *,
    text: str = "",
    instruction: str | None = None,
    pictures: int = 0,
    frames: int = 0,
    role: Role = "query",
    pixels: int = 1000,
) -> Case:
    count = pictures + frames
    return Case(
        id=id,
        content=Content(Text(text)),
        role=role,
        instruction=instruction,
        text=text,
        pictures=pictures,
        frames=frames,
        pixels=count * pixels,
    )


ALL = (
    case("text", text="a red boat"),
    case("other text", text="a green boat at night"),
    case("accents", text="naïve café"),
    case("spaces", text=" a boat  ", pictures=1),
    case("empty"),
    case("told", text="a boat", instruction="Find it: "),
    case("open", text="a boat on the river", instruction="Find a boat"),
    case("image", pictures=1),
    case("image told", instruction="Describe it.", pictures=1),
    case("images", text="compare", pictures=3),
    case("video", instruction="Describe it.", frames=4),
    case("video text", text="a boat", frames=8),
    case("document", text="the boat is red", role="document"),
    case("image document", pictures=1, role="document"),
    case("told document", text="a harbour", instruction="Describe it.", role="document"),
)
NAMES = [one.id for one in ALL]


def named(*differing: str, cases: tuple[Case, ...] = ALL, far: float = FAR) -> list[str]:
    assert set(differing) <= {one.id for one in cases}
    distances = [far if one.id in differing else NEAR for one in cases]
    return suspects(cases, distances, 1e-4)


@pytest.mark.parametrize(
    ("differing", "cause"),
    [
        ({"video", "video text"}, "one real video"),
        ({one.id for one in ALL if one.pixels}, "M-RoPE"),
        ({one.id for one in ALL if one.pictures}, "resized otherwise"),
        ({one.id for one in ALL if one.pixels and (one.text or one.instruction)}, "the order of"),
        ({one.id for one in ALL if not one.pixels}, "another template for texts"),
        ({one.id for one in ALL if one.instruction}, "the instruction is in the wrong turn"),
        ({one.id for one in ALL if not one.instruction}, "an instruction is added"),
        ({one.id for one in ALL if one.role == "document"}, "candidates are instructed"),
        ({one.id for one in ALL if one.role == "query"}, "queries are instructed"),
        ({"document", "image document"}, "documents are given an instruction"),
        ({"told document"}, "the documents' own instruction"),
        ({"accents"}, "another tokeniser"),
        ({"spaces"}, "stripped"),
        ({"open"}, "a full stop is missing"),
        ({"images"}, "the order of the pictures"),
        ({"empty"}, "an empty text"),
        (set(NAMES), "pooling"),
    ],
)
def test_the_cause_that_fits_is_named_first(differing: set[str], cause: str) -> None:
    """The reader looks for hours in the wrong place."""
    found = named(*differing)
    assert cause in found[0], found
    assert f"({len(differing)} of {len(differing)})" in found[0] or "every case" in found[0]


def test_nothing_is_suspected_where_nothing_differs() -> None:
    """An encoder that is right is called suspicious."""
    assert named() == []
    assert suspects([], [], 1e-4) == []


def test_a_trait_that_all_cases_share_explains_nothing() -> None:
    """Every case is a query, so whatever differs is put down to queries."""
    cases = (case("a", text="x"), case("b", text="y", pictures=1), case("c", text="z"))
    for differing in (["b"], ["a", "b"]):
        assert not any("queries" in told for told in named(*differing, cases=cases))


def test_a_wider_trait_is_left_out() -> None:
    """Videos alone differ, and the reader is also told of pictures, positions and instructions."""
    assert len(named("video", "video text")) == 2
    assert "with a video" in named("video", "video text")[0]
    assert named("document", "image document")[1:] == []


def test_the_trait_whose_cases_differ_most_comes_first() -> None:
    """Traits are told in the order of a list, not of their likelihood."""
    cases = (
        *(case(f"told {at}", text="x", instruction="Find it: ") for at in range(3)),
        case("image told", instruction="Find it: ", pictures=1),
        case("a", text="x"),
        case("b", text="y"),
    )
    found = named("told 0", "told 1", "told 2", cases=cases)
    assert "with an instruction differ (3 of 4)" in found[0]
    assert "without media differ (3 of 5)" in found[1]


def test_where_all_cases_have_a_picture_positions_are_not_ruled_out() -> None:
    """Only pooling is named, though no case without a picture clears the positions."""
    cases = (case("a", pictures=1), case("b", pictures=2))
    found = named("a", "b", cases=cases)
    assert "pooling" in found[0]
    assert any("M-RoPE" in told for told in found)


def test_the_largest_cases_point_to_truncation() -> None:
    """Tokens that are cut off look like trouble with pictures."""
    found = named("images", "video", "video text")
    assert "only the 3 largest of 7 cases differ, from 3,000 pixels on" in found[0]
    assert "tokens are cut off" in found[0]
    found = named("other text", "open")
    assert "only the 2 largest of 8 cases differ, from 19 letters on" in found[0]
    # Not those: a larger one agrees.
    for differing in (["image", "video text"], ["images"], ["video"]):
        assert not any("largest" in told for told in named(*differing))


def test_two_causes_are_told_apart() -> None:
    """No trait holds all that differ, and nothing is said."""
    found = named("video", "video text", "accents")
    assert all(told.startswith("more than one cause: ") for told in found)
    assert "one real video" in found[0]
    assert "another tokeniser" in found[1]


def test_what_fits_no_cause_is_said_by_name() -> None:
    """A wrong cause is better than none, or an empty list says that all is well."""
    found = named("text", "image told", "document")
    assert found == [
        "no known cause fits 3 of the cases that differ: 'text', 'image told', 'document'"
    ]
    found = named("text", "image told", "accents")
    assert "another tokeniser" in found[0]
    assert found[1] == "no known cause fits 2 of the cases that differ: 'text', 'image told'"


def test_a_defect_that_spares_most_pictures_is_still_one_of_pictures() -> None:
    """A resize changes only pictures of some sizes; the few that differ fit no cause."""
    found = named("image", "image told", "image document")
    assert found[0].startswith("only cases with a picture differ (3 of 5): pictures are resized")
    found = named("image")
    assert found == [told for told in found if told.startswith("only cases with a picture")]


def test_small_differences_everywhere_may_be_rounding() -> None:
    """bfloat16 is taken for wrong pooling; a small difference of one kind is taken for bfloat16."""
    assert "a lower precision" in named(*NAMES, far=0.001)[0]
    assert "pooling" in named(*NAMES, far=0.001)[1]
    assert "a lower precision" in named("text", "image", far=0.001)[0]
    assert not any("precision" in told for told in named(*NAMES))
    assert not any("precision" in told for told in named("video", "video text", far=0.001))


def test_what_the_cases_cannot_show_is_said() -> None:
    """A folder of plain texts clears every encoder of every defect."""
    assert unseen(ALL) == []
    told = unseen([case("a", text="x")])
    assert len(told) == 4
    assert any("instructed candidates" in one for one in told)
    assert unseen([one for one in ALL if not one.frames]) == [
        "no case has a video: wrong frames would not be noticed"
    ]


@given(st.sets(st.sampled_from(NAMES)))
def test_something_is_said_whenever_a_case_differs(differing: set[str]) -> None:
    """A pattern nobody thought of ends in silence or a crash, or the order of cases matters."""
    found = named(*differing)
    assert bool(found) == bool(differing)
    assert len(found) == len(set(found))
    turned = suspects(ALL[::-1], [FAR if one.id in differing else NEAR for one in ALL[::-1]], 1e-4)
    if not any("no known cause" in told for told in found):
        assert found == turned
