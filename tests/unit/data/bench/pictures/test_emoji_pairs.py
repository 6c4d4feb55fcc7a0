import pytest

from rzen.data.bench.pictures.emoji_pairs import emoji_pairs

NAMES = """man cook|woman cook|cook|man: red hair|woman: red hair|person: red hair|women's room
men's room|person running|person running: facing right|man running|woman running
man running: facing right|red heart|blue heart|light blue heart|grey heart|red apple|green apple
open mailbox with raised flag|open mailbox with lowered flag|closed mailbox with raised flag
taxi|oncoming taxi|cat|cat face|black cat|one o'clock|one-thirty|two o'clock|twelve o'clock
twelve-thirty|eleven-thirty|new moon|full moon|waning crescent moon|up arrow|down arrow
up-left arrow|down-right arrow|left arrow|women holding hands|men holding hands|woman dancing
man dancing|blackbird|prince|princess|small blue diamond|large blue diamond|mermaid|merman
speaker low volume|speaker medium volume|speaker high volume|human|old man|old woman"""
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"  # as in Unicode's names
KNOWN = [name for line in NAMES.splitlines() for name in line.replace("'", APOSTROPHE).split("|")]
FOUND = {(pair.before, pair.after): pair.wordings[0] for pair in emoji_pairs(KNOWN)}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("woman cook", "man cook", "the same, but a man"),
        ("cook", "woman cook", "the same, but a woman"),
        ("person: red hair", "man: red hair", "the same, but a man"),
        ("old man", "old woman", "the same, but a woman"),
        ("merman", "mermaid", "the same, but a woman"),
        ("men's room", "women's room", "the same, but for women"),
        ("women holding hands", "men holding hands", "the same, but men"),
        ("man running", "man running: facing right", "the same, but facing right"),
        ("red heart", "blue heart", "the same in blue"),
        ("green apple", "red apple", "the same in red"),
        (
            "open mailbox with lowered flag",
            "open mailbox with raised flag",
            "the same, but with its flag raised",
        ),
        ("closed mailbox with raised flag", "open mailbox with raised flag", "the same, but open"),
        ("oncoming taxi", "taxi", "the same, but seen from the side"),
        ("cat face", "cat", "the whole animal"),
        ("one-thirty", "two o'clock", "half an hour later"),
        ("twelve-thirty", "one o'clock", "half an hour later"),
        ("twelve o'clock", "one o'clock", "one hour later"),
        ("twelve o'clock", "eleven-thirty", "half an hour earlier"),
        ("waning crescent moon", "new moon", "the same, but some days later"),
        ("up-left arrow", "down-right arrow", "the same, but turned to the lower right"),
        ("down arrow", "up arrow", "the same, but turned to the top"),
        ("large blue diamond", "small blue diamond", "the same, but smaller"),
        ("speaker medium volume", "speaker low volume", "the same, but one step quieter"),
    ],
)
def test_pairs_by_hand(before: str, after: str, said: str) -> None:
    """Guards against pairs that are missed, or told the wrong way round."""
    assert FOUND[before.replace("'", APOSTROPHE), after.replace("'", APOSTROPHE)] == said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("man cook", "cook"),  # nobody can see that no man is meant
        ("light blue heart", "blue heart"),  # which blue?
        ("cat", "black cat"),
        ("man running", "woman running: facing right"),  # two changes
        ("new moon", "full moon"),
        ("left arrow", "up arrow"),
        ("human", "huwoman"),
        ("speaker low volume", "speaker high volume"),
    ],
)
def test_no_pair(before: str, after: str) -> None:
    """Guards against changes that the words do not tell, and against words within words."""
    assert (before, after) not in FOUND


def test_one_request_has_one_answer() -> None:
    """Guards against two emoji that answer the same picture and words."""
    for said in (0, 1):
        asked = [(pair.before, pair.wordings[said]) for pair in emoji_pairs(KNOWN)]
        assert len(asked) == len(set(asked))


def test_training_and_test_ask_in_different_words() -> None:
    """Guards against a test that asks for what training has said."""
    pairs = emoji_pairs(KNOWN)
    assert not {pair.wordings[0] for pair in pairs} & {pair.wordings[1] for pair in pairs}
    assert all(pair.before != pair.after for pair in pairs)


def test_order_of_the_names_does_not_matter() -> None:
    """Guards against a suite that depends on the order of files."""
    assert emoji_pairs(KNOWN[::-1]) == emoji_pairs([*KNOWN, *KNOWN])
