import pytest

from rzen.data.bench.language.caption_meaning import entails, may_mean, meaning


def is_kind_of(noun: str, other: str) -> bool:
    return noun == other or (noun, other) in {("owl", "bird"), ("tepee", "tent")}


@pytest.mark.parametrize(
    ("special", "general"),
    [
        ("a green apple", "An apple"),
        ("A bunch of grapes", "Some grapes"),
        ("Cherries", "a cherry"),
        ("bunny", "A rabbit"),
        ("a big eared rabbit", "bunny"),
        ("snowy owl", "a bird"),
        ("A blue fedora", "hat"),
        ("penguins on a beach", "penguin"),
        ("ice cream in a cone", "ice cream cone"),
        ("cell phone", "mobile phone"),
    ],
)
def test_what_is_also_true(special: str, general: str) -> None:
    """Guards against labels that miss a picture which answers the query as well."""
    assert entails(special, general, is_kind_of)


@pytest.mark.parametrize(
    ("special", "general"),
    [
        ("An apple", "a green apple"),
        ("a hat", "A fedora"),
        ("a red telephone", "mobile phone"),
        ("a drum", "a drum kit"),
        ("a hot dog", "a dog"),
        ("a bird", "an owl"),
        ("a white owl", "a black bird"),
        ("apple pie", "apple"),
    ],
)
def test_what_is_not(special: str, general: str) -> None:
    """Guards against wrong pictures among the labels."""
    assert not entails(special, general, is_kind_of)


def test_colour_and_size_may_be_unsaid_but_parts_are_not() -> None:
    """Guards against "a red bus" as a query where "a bus" may show a red one."""
    assert may_mean("a bus", "a red bus")
    assert may_mean("a cat", "a sleeping black cat")
    assert not may_mean("a bus", "a bus with two decks")
    assert not may_mean("a blue bus", "a red bus")
    assert not may_mean("a cat", "a black dog")


def test_captions_that_differ_in_words_alone_mean_the_same() -> None:
    """Guards against two queries with one answer."""
    assert meaning("A bunch of green grapes") == meaning("Some green grapes")
    assert meaning("colorful kites") == meaning("A colourful kite")
    assert meaning("a toy car") != meaning("a sports car")
