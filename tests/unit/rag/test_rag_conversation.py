"""Follow-ups, and searches that go on from what was found."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_endpoints import says, serving
from rzen import api, endpoint
from rzen.api import Index
from rzen.config import AskSettings, Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError, GeneratorError
from rzen.rag.conversation import LONGEST_QUERY, TURNS, retrieve, standalone
from rzen.rag.language_model import LanguageModel, Message
from rzen.types import Hit, Turn

BUILT = Turn(question="Who built the lighthouse?", answer="Ada Lindqvist built it [3].")
WHEN = "When was it painted?"
WHOLE = "When was the lighthouse painted?"


class Scripted:
    """A model that says one text after the other, the last one again and again."""

    name = "scripted"
    sees = False
    window: int | None = None

    def __init__(self, *texts: str, is_small: bool = False) -> None:
        self.texts = texts
        self.is_small = is_small
        self.asked: list[Sequence[Message]] = []

    def count(self, text: str) -> int:
        return len(text)

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        assert 0 < max_tokens <= 100, "a query is short"
        self.asked.append(messages)
        yield from self.texts[min(len(self.asked), len(self.texts)) - 1]

    @property
    def prompt(self) -> str:
        """What it was told last, without the rules."""
        return self.asked[-1][-1].text


def hit(name: str, text: str = "", score: float = 1.0) -> Hit:
    return Hit(id=name, modality="text", uri=f"/docs/{name}.txt", score=score, text=text)


# Follow-ups, by a model


def test_a_first_question_stays_as_it_is() -> None:
    """Guards against a call of the model, seconds of it, where there is nothing to resolve."""
    model = Scripted(WHOLE)
    assert standalone(WHEN, [], model) == WHEN
    assert model.asked == []


def test_a_model_rewrites_a_follow_up() -> None:
    """Guards against a search for "it": the model is told what was said, and its line is taken."""
    model = Scripted(f"  {WHOLE}\nBecause it was asked before.")
    assert standalone(WHEN, [BUILT], model) == WHOLE
    assert model.asked[-1][0].speaker == "system"
    told = [BUILT.question, "Ada Lindqvist built it (3).", WHEN]
    places = [model.prompt.index(each) for each in told]
    assert places == sorted(places)
    assert "[3]" not in model.prompt, "it would cite evidence of another answer"


def test_only_the_newest_turns_are_told() -> None:
    """Guards against a prompt that grows with the conversation until it no longer fits."""
    history = [Turn(question=f"Who built lighthouse no. {n}?", answer="Ada.") for n in range(50)]
    model = Scripted(WHOLE)
    standalone(WHEN, history, model)
    told = [int(number) for number in re.findall(r"no\. (\d+)", model.prompt)]
    assert told == list(range(50 - TURNS, 50))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "\n\n",
        "Sure, happy to help with whatever your heart desires today.",  # nothing of the talk
        "When was the lighthouse painted? " * 20,  # no question any more
        "Who wrote Hamlet?",
        "Whisky, bread, gold and pirates: who painted them?",
    ],
)
def test_what_is_no_rewritten_question_is_not_searched_with(written: str) -> None:
    """Guards against a model that answers, rambles or was led astray: words decide then."""
    assert standalone(WHEN, [BUILT], Scripted(written)) == f"{BUILT.question} {WHEN}"


def test_small_models_are_not_asked() -> None:
    """Guards against a rewriting that small models muddle."""
    model = Scripted(WHOLE, is_small=True)
    assert standalone(WHEN, [BUILT], model) == f"{BUILT.question} {WHEN}"
    assert model.asked == []


def test_a_model_that_fails_is_told_of() -> None:
    """Guards against an answer to half a question where the model cannot be reached."""

    class Broken(Scripted):
        def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
            yield from super().write(messages, max_tokens=max_tokens)
            raise GeneratorError("scripted failed")

    with pytest.raises(GeneratorError, match="scripted failed"):
        standalone(WHEN, [BUILT], Broken(WHOLE))


# Follow-ups, by words


@pytest.mark.parametrize(
    "question",
    [
        "Painted when?",
        "Which architect painted its white walls?",
        "And which architect painted white walls?",
        "What about the white walls of Holm?",
    ],
)
def test_follow_ups_take_the_question_before_along(question: str) -> None:
    """Guards against a search for words that say nothing by themselves."""
    assert standalone(question, [BUILT], None) == f"{BUILT.question} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "Und welcher Maler strich die Mauern?",
        "Welcher Maler strich dessen Mauern dort?",
        "Welcher Maler hat ihn gestrichen?",
    ],
)
def test_german_follow_ups_take_the_question_before_along(question: str) -> None:
    """Guards against follow-ups that only English ones are."""
    before = Turn(question="Wer baute den Leuchtturm?", answer="Ada Lindqvist [1].")
    assert standalone(question, [before], None) == f"{before.question} {question}"


def test_a_new_subject_leaves_the_old_one() -> None:
    """Guards against words of the last question that crowd out those of a new one."""
    question = "Where does the ferry to Holm leave?"
    assert standalone(question, [BUILT], None) == question


def test_a_chain_of_follow_ups_ends_at_the_last_whole_question() -> None:
    """Guards against the second follow-up losing its subject, and against subjects before it."""
    ferry = Turn(question="Where does the ferry to Holm leave?", answer="From the old quay.")
    history = [BUILT, ferry, Turn(question="And when?", answer="At six.")]
    assert standalone("Why?", history, None) == f"{ferry.question} And when? Why?"


QUESTIONS = st.sampled_from(
    ["And when?", "Why?", "Who built the old lighthouse?", "Is it red?", "?", "Und wann?", ""]
)


@given(st.lists(QUESTIONS, max_size=10), QUESTIONS)
def test_a_question_is_kept_and_only_questions_are_added(earlier: list[str], last: str) -> None:
    """Guards against answers that are searched with, a lost question, and endless chains."""
    history = [Turn(question=each, answer="Whisky.") for each in earlier]
    found = standalone(last, history, None)
    chains = [" ".join([*earlier[len(earlier) - n :], last]) for n in range(TURNS + 1)]
    assert found in chains


# Further searches


class Searched:
    """An index of a few texts, by their words; it notes what was searched for."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.queries: list[str] = []

    def __call__(self, query: str) -> list[Hit]:
        self.queries.append(query)
        words = set(re.findall(r"\w+", query.lower()))
        found = [
            hit(name, text, len(words & set(re.findall(r"\w+", text.lower()))) / len(words))
            for name, text in self.texts.items()
        ]
        return sorted((one for one in found if one.score), key=lambda one: -one.score)


FAMILY = {
    "tower": "The lighthouse was built by Ada Lindqvist.",
    "family": "Ada Lindqvist's mother is Berta.",
}
MOTHER = "Which mother has whoever built the lighthouse?"


@pytest.mark.parametrize("model", [None, Scripted("never", is_small=True)])
def test_names_that_were_found_are_searched_for(model: Scripted | None) -> None:
    """Guards against an answer in two files of which the search finds one."""
    search = Searched(**FAMILY)
    first = {one.id: one.score for one in search(MOTHER)}
    found = retrieve(MOTHER, search, hops=2, model=model)
    assert search.queries[1:] == [MOTHER, f"{MOTHER} Ada Lindqvist"]
    assert {one.id: one.score for one in found}["family"] > first["family"]
    assert model is None or model.asked == []


def test_a_model_says_what_is_missing() -> None:
    """Guards against a second search that does not know what the first found."""
    search = Searched(**FAMILY)
    model = Scripted("mother of Ada Lindqvist\nThis will help.", "DONE")
    found = retrieve(MOTHER, search, hops=5, model=model)
    assert search.queries == [MOTHER, "mother of Ada Lindqvist"]
    assert MOTHER in model.prompt
    assert FAMILY["family"] in model.prompt
    assert {one.id for one in found} == set(FAMILY)


def test_notes_for_a_model_are_short_and_cite_nothing() -> None:
    """Guards against a prompt of whole files, and numbers in them that look like ours."""
    model = Scripted("DONE")
    text = "As shown in [2]. " + "x" * 5_000
    hits = [hit(f"{n}", f"{n} {text}", 1 / (1 + n)) for n in range(9)]
    retrieve("What is shown?", lambda _: hits, hops=2, model=model)
    assert "(2)" in model.prompt
    assert "[2]" not in model.prompt
    assert len(model.prompt) < 4_000


@pytest.mark.parametrize(
    "written", ["DONE", "DONE.", "Done.", "", MOTHER, "x" * (LONGEST_QUERY + 1)]
)
def test_a_model_with_no_further_query_ends_the_search(written: str) -> None:
    """Guards against searches for "DONE", for nothing, for an essay, and for the same again."""
    search = Searched(**FAMILY)
    retrieve(MOTHER, search, hops=5, model=Scripted(written))
    assert search.queries == [MOTHER]


def test_one_search_needs_no_model() -> None:
    """Guards against a call of the model where further searches are switched off."""
    model = Scripted("more")
    search = Searched(**FAMILY)
    retrieve(MOTHER, search, hops=1, model=model)
    assert (search.queries, model.asked) == ([MOTHER], [])


NAMES = st.sampled_from(["Ada Lindqvist.", "Berta Holm lives.", "Carl, Dora and Emil.", "", "red"])
SEARCHES = st.lists(st.lists(st.tuples(st.integers(0, 5), NAMES, st.floats(0, 1)), max_size=4))
WRITTEN = st.lists(st.text(max_size=12), min_size=1, max_size=6)


@given(SEARCHES, st.integers(1, 5), st.none() | WRITTEN)
def test_searches_are_bounded_and_hits_are_merged(
    results: list[list[tuple[int, str, float]]], hops: int, written: list[str] | None
) -> None:
    """Guards against models and names that never run out, queries that are searched twice, hits
    that are listed twice, and a good score that is lost to a later, worse one.
    """
    queries: list[str] = []
    best: dict[str, float] = {}

    def search(query: str) -> list[Hit]:
        told = results[len(queries)] if len(queries) < len(results) else []
        queries.append(query)
        hits = {str(key): hit(str(key), text, score) for key, text, score in told}
        for one in hits.values():
            best[one.id] = max(best.get(one.id, 0.0), one.score)
        return list(hits.values())

    model: LanguageModel | None = None if written is None else Scripted(*written)
    found = retrieve("Who?", search, hops=hops, model=model)
    assert 1 <= len(queries) <= hops
    assert queries[0] == "Who?"
    assert len(set(queries)) == len(queries)
    assert {one.id: one.score for one in found} == best
    assert len(found) == len(best)
    assert [one.score for one in found] == sorted(best.values(), reverse=True)


# The whole way


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Two notes, of which a question finds one and its follow-up the other."""

    def missing(name: str) -> None:
        raise EncoderError(f"{name} is not installed")

    monkeypatch.setattr(api, "load", missing)  # words alone decide
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 1)
    for name in ("RZEN_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    notes = tmp_path / "notes"
    notes.mkdir()
    for name, text in FAMILY.items():
        (notes / f"{name}.txt").write_text(text)
    settings = Settings(ask=AskSettings(model="m"))
    with Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=settings) as opened:
        opened.add(notes)
        yield opened


@pytest.fixture
def searches(index: Index, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the index is searched for."""
    found: list[str] = []
    search = Index.search

    def noted(self: Index, text: str, **options: object) -> list[Hit]:
        found.append(text)
        return search(self, text, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Index, "search", noted)
    return found


@pytest.mark.enable_socket
def test_an_answer_to_a_follow_up(index: Index, searches: list[str]) -> None:
    """Guards against a history that is rewritten with and not told, or told and not searched with,
    and against the rewritten question in the place of the user's own.
    """
    rewritten = "Who is the mother of Ada Lindqvist?"
    with serving(says(rewritten), says("Ada Lindqvist's mother is Berta [1].")) as server:
        found = index.ask("Who is her mother?", generator=server.url, history=[BUILT])
    assert searches == [rewritten]
    assert found.question == "Who is her mother?"
    assert found.text == "Ada Lindqvist's mother is Berta [1]."
    first, second = server.requests
    assert "Rewrite" in first.prompt
    speakers = [message["role"] for message in second.body["messages"]]
    assert speakers == ["system", "user", "assistant", "user"]
    said = [message["content"] for message in second.body["messages"]]
    assert said[1:3] == [BUILT.question, "Ada Lindqvist built it (3)."]
    assert "Who is her mother?" in said[3]


def test_without_a_model_words_of_the_question_before_are_searched_with(
    index: Index, searches: list[str]
) -> None:
    """Guards against a follow-up that the default generator searches for alone."""
    index.ask("And who is her mother?", history=[BUILT])
    assert searches == [f"{BUILT.question} And who is her mother?"]


def test_a_follow_up_is_quoted_for(index: Index) -> None:
    """Guards against the default generator that judges "And when?" by its own words alone."""
    found = index.ask("And when?", history=[BUILT])
    assert found.is_found
    assert found.question == "And when?"
    assert [Path(citation.hit.uri).name for citation in found.citations] == ["tower.txt"]


@pytest.mark.enable_socket
def test_only_the_newest_turns_are_in_the_prompt_of_an_answer(index: Index) -> None:
    """Guards against a talk that grows until no window holds it."""
    history = [Turn(question=f"Who built lighthouse no. {n}?", answer="Ada.") for n in range(50)]
    with serving(says("Who built the lighthouse?"), says("Ada Lindqvist [1].")) as server:
        index.ask("Who built it?", generator=server.url, history=history)
    _, answering = server.requests
    told = [int(number) for number in re.findall(r"no\. (\d+)", answering.prompt)]
    assert told == list(range(50 - TURNS, 50))


@pytest.mark.parametrize("hops", [1, 2])
def test_the_setting_bounds_the_searches(index: Index, searches: list[str], hops: int) -> None:
    """Guards against a setting that nobody reads, and a piece that only the second search finds."""
    index.settings = Settings(ask=AskSettings(hops=hops))
    index.ask(MOTHER)
    assert searches == [MOTHER, f"{MOTHER} Ada Lindqvist"][:hops]
