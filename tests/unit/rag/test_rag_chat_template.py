from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rzen.rag.chat_template import PLAIN_STOPS, TEMPLATE_STOPS, plain, until, without_system
from rzen.rag.language_model import CHARS_PER_TOKEN, Message, Speaker, cut_to, guessed_tokens
from rzen.types import Frames

OURS = [PLAIN_STOPS, TEMPLATE_STOPS]
SPEAKERS: list[Speaker] = ["system", "user", "assistant"]
COUNTS: dict[str, Callable[[str], int]] = {
    "letters": len,
    "words": lambda text: len(text.split()),
    "bytes": lambda text: len(text.encode()),
    "guess": guessed_tokens,
    "with begin and end": lambda text: 2 + len(text) // 4,
}


def first_end(text: str, stops: Sequence[str]) -> int:
    """Where a whole text ends, found without the code that is tested."""
    return min([at for at in range(len(text)) if text.startswith(tuple(stops), at)] or [len(text)])


def near_stops(stops: Sequence[str]) -> st.SearchStrategy[str]:
    """Texts full of stops, and of beginnings and ends of them."""
    parts = sorted({stop[:size] for stop in stops for size in range(1, len(stop) + 1)})
    ends = sorted({stop[size:] for stop in stops for size in range(1, len(stop))})
    letters = sorted({*"a \n😀", *"".join(stops)})
    some = st.sampled_from([*parts, *ends, *letters])
    return st.lists(some | st.sampled_from(stops or ["a"]), max_size=12).map("".join)


@st.composite
def cut_texts(draw: st.DrawFn, stops: Sequence[str]) -> list[str]:
    """A text in pieces, some of them empty."""
    text = draw(near_stops(stops))
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


@st.composite
def sets_of_stops(draw: st.DrawFn) -> tuple[str, ...]:
    """Stops of two letters, none of which stands in another: see the test below for the rest."""
    stops = draw(st.lists(st.text("ab", min_size=1, max_size=5), max_size=4, unique=True))
    assume(not any(a in b for a in stops for b in stops if a != b))
    return tuple(stops)


@given(st.data())
def test_the_cut_into_pieces_does_not_matter(data: st.DataObject) -> None:
    """Guards against an answer that depends on how a server happens to cut it, against a stop of
    which a beginning was told, and against text before a stop, or after half of one, that is lost.
    """
    stops = data.draw(st.sampled_from(OURS) | sets_of_stops())
    pieces = data.draw(cut_texts(stops))
    text = "".join(pieces)
    told = list(until(pieces, stops))
    assert "".join(told) == text[: first_end(text, stops)]
    assert all(told), "an empty piece says nothing"


@given(st.data())
def test_what_is_told_is_never_taken_back(data: st.DataObject) -> None:
    """Guards against the beginning of a stop on the screen, while the rest of it is on its way; and
    against text held back longer than a stop could need it.
    """
    stops = data.draw(st.sampled_from(OURS) | sets_of_stops())
    pieces = data.draw(cut_texts(stops))
    whole = "".join(until(pieces, stops))
    longest = max((len(stop) for stop in stops), default=1)
    fed: list[str] = []

    def feed() -> Iterator[str]:
        for piece in pieces:
            assert "".join(fed)[: len(told)] == told
            missing = len("".join(fed)) - len(told)
            assert missing < longest
            fed.append(piece)
            yield piece

    told = ""
    for ready in until(feed(), stops):
        told += ready
        assert whole.startswith(told)
        assert not any(stop in told for stop in stops)
    assert told == whole


@pytest.mark.parametrize("stops", OURS)
def test_the_first_stop_in_the_text_counts(stops: Sequence[str]) -> None:
    """Guards against the first stop of the list, where a later one of it comes earlier."""
    text = "Yes." + " ".join(reversed(stops)) + " No."
    assert list(until([text], stops)) == ["Yes."]


def test_nothing_is_read_behind_a_stop() -> None:
    """Guards against a model that must write on until its last token, unread."""

    def endless() -> Iterator[str]:
        yield from ("A boat.", "\nQues", "tion: and")
        raise AssertionError("was asked for more")

    assert "".join(until(endless(), PLAIN_STOPS)) == "A boat."


def test_the_end_of_an_unfinished_stop_is_told() -> None:
    """Guards against the last letters of an answer that look like the beginning of a stop."""
    assert list(until(["x <", "/s"], TEMPLATE_STOPS)) == ["x ", "</s"]
    assert list(until(["<|im_", "start|>"], TEMPLATE_STOPS)) == ["<|im_start|>"]
    assert list(until(["a\n", "\n", "b"], PLAIN_STOPS)) == ["a", "\n\nb"]


def test_without_stops_all_is_told_at_once() -> None:
    """Guards against pieces that are held back for nothing, and empty ones."""
    assert list(until(["a", "", "b"], ())) == ["a", "b"]
    assert list(until([], PLAIN_STOPS)) == []


@pytest.mark.parametrize("stops", OURS)
def test_no_stop_of_ours_stands_in_another(stops: Sequence[str]) -> None:
    """With a stop inside of another the end would depend on the cut: the inner one may be whole
    while the outer one, which begins before it, is not.
    """
    assert not any(a in b for a in stops for b in stops if a != b)
    assert all(stops), "an empty one would end every answer at once"


@pytest.mark.parametrize("stop", TEMPLATE_STOPS)
def test_ends_of_turns_are_not_told(stop: str) -> None:
    """Guards against a converted tokenizer that writes its end of a turn as text, in one piece or
    letter by letter.
    """
    for pieces in (["Yes.", stop, " No."], [*"Yes.", *stop, *" No."], [f"Yes.{stop} No."]):
        assert "".join(until(pieces, TEMPLATE_STOPS)) == "Yes."


# The form of a conversation

texts_said = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
turns = st.lists(st.tuples(st.sampled_from(SPEAKERS), texts_said), max_size=6)


def test_plain_lines() -> None:
    """Guards against another form than base models have read on the Web, and lost turns."""
    talk = [
        ("system", "Be brief."),
        ("user", "Who sails?"),
        ("assistant", "Ada."),
        ("user", "Where to?"),
    ]
    assert plain(talk) == (
        "Be brief.\n\nQuestion: Who sails?\n\nAnswer: Ada.\n\nQuestion: Where to?\n\nAnswer:"
    )
    assert plain([]) == "Answer:"
    assert plain([("system", ""), ("user", "Who?")]) == "Question: Who?\n\nAnswer:"


@given(turns)
def test_plain_lines_hold_every_turn(said: list[tuple[str, str]]) -> None:
    """Guards against a turn that is dropped or moved, and a prompt that is not for the answer."""
    prompt = plain(said)
    assert prompt.endswith("Answer:")
    left = prompt.removesuffix("Answer:")
    for speaker, text in said:
        if text:
            label = {"system": "", "user": "Question: ", "assistant": "Answer: "}[speaker]
            assert left.startswith(f"{label}{text}\n\n")
            left = left.removeprefix(f"{label}{text}\n\n")
    assert left == ""


def test_the_next_turn_of_a_plain_conversation_is_a_stop() -> None:
    """Guards against forms and stops that were changed apart: the model would play both sides."""
    prompt = plain([("user", "Who?"), ("assistant", "Ada."), ("user", "Where?")])
    written = prompt.split("Answer: ", 1)[1]
    assert "".join(until([written], PLAIN_STOPS)).rstrip() == "Ada."


messages = st.lists(
    st.builds(Message, st.sampled_from(SPEAKERS), st.lists(texts_said, max_size=3).map(tuple)),
    max_size=6,
)


@given(messages)
def test_merged_rules_are_said_first(dialogue: list[Message]) -> None:
    """Guards against rules that are lost, said twice or by nobody, and against other turns that are
    moved, where a chat template takes no system message.
    """
    before = [(each.speaker, each.parts) for each in dialogue]
    merged = without_system(dialogue)
    assert [(each.speaker, each.parts) for each in dialogue] == before, "it is not ours to change"
    rules = "\n\n".join(each.text for each in dialogue if each.speaker == "system")
    rest = [each for each in dialogue if each.speaker != "system"]
    if not rules or not rest:
        assert merged == dialogue
        return
    assert [each.speaker for each in merged] == [each.speaker for each in rest]
    assert merged[0].text == f"{rules}\n\n{rest[0].text}"
    assert merged[1:] == rest[1:]


def test_merged_rules_leave_pictures_where_they_are() -> None:
    """Guards against pictures that fall out, or stand before the words that belong to them."""
    frames = Frames(pixels=(np.zeros((2, 2, 3), np.uint8),))
    dialogue = [Message("system", ("Be brief.",)), Message("user", ("[1]", frames, "Who?"))]
    (merged,) = without_system(dialogue)
    assert merged.parts == ("Be brief.\n\n", "[1]", frames, "Who?")


# Tokens that are guessed, and texts that are cut


@given(st.text(st.characters(codec=None), max_size=60), st.text(max_size=20))
@example("\ud800", "")
def test_guesses_grow_with_the_text(text: str, more: str) -> None:
    """Guards against a text that costs nothing, one that costs less when it is longer, and half a
    character, which names of files may hold.
    """
    assert guessed_tokens(text + more) >= guessed_tokens(text) >= 0
    chars = len(text.encode("utf-8", "replace"))
    assert guessed_tokens(text) * CHARS_PER_TOKEN >= chars, "rather too many than too few"


@pytest.mark.parametrize(
    "text",
    [
        "The boat is red and old, and it leaks.",
        "Das Boot ist rot und alt; es leckt.",
        "赤い船は古い。",
    ],
)
def test_guesses_are_more_than_there_are(text: str) -> None:
    """Guards against a budget that is overrun: tokenizers in use need about four letters of English
    a token, and about one character of Japanese.
    """
    in_use = len(text) / 4 if text.isascii() or "ist" in text else len(text)
    assert in_use <= guessed_tokens(text) <= 4 * in_use


@given(
    st.text(max_size=80) | st.lists(st.sampled_from(["one", "zwei", "\n", " ", "ü"])).map(" ".join),
    st.integers(0, 40),
    st.sampled_from(sorted(COUNTS)),
)
@example("one", 0, "with begin and end")
def test_cut_texts_fit(text: str, tokens: int, name: str) -> None:
    """Guards against a text that is still too long, one that is altered or cut for nothing, and
    against a loop without an end where even nothing is too long.
    """
    assume(not any("\ud800" <= char <= "\udfff" for char in text))
    count = COUNTS[name]
    cut = cut_to(text, tokens, count)
    assert text.startswith(cut)
    assert not cut or count(cut) <= tokens
    if count(text) <= tokens:
        assert cut == text
    elif cut:
        assert cut == cut.rstrip()


@given(
    st.lists(st.text("abcdü", min_size=1, max_size=8), min_size=2, max_size=30).map(" ".join),
    st.integers(1, 60),
)
def test_cuts_are_between_words_and_late(text: str, letters: int) -> None:
    """Guards against half words, and a cut that throws away much more than it must."""
    assume(letters < len(text))
    cut = cut_to(text, letters, len)
    if " " in text[:letters].strip():
        assert text[len(cut)] == " ", "half a word"
    longest = max(map(len, text.split()))
    assert len(cut) >= letters - longest - 3


def test_long_texts_are_cut_in_few_steps() -> None:
    """Guards against a tokenizer that reads a book once for each of its letters."""
    asked = 0

    def count(text: str) -> int:
        nonlocal asked
        asked += 1
        return len(text.split()) + len(text) // 7

    text = "The harbour is closed on Monday because of the storm. " * 20_000
    cut = cut_to(text, 3000, count)
    assert count(cut) <= 3000
    assert len(cut) > 8000
    assert asked < 30
