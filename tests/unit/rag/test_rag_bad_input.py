"""Index.ask with what users, files and servers get wrong: every fault has a name, none a traceback,
and nobody sees a key.
"""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat_endpoints import (
    EVENTS,
    Reply,
    beats,
    breaks_off,
    hangs,
    repeats_the_key,
    says,
    sends,
    serving,
)
from rzen import api, endpoint
from rzen.api import Index
from rzen.config import AskSettings, Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError, EndpointError, GeneratorError, RzenError, UsageError
from rzen.index.filters import Filters
from rzen.rag.citations import NOT_FOUND
from rzen.types import Answer, Turn

pytestmark = [pytest.mark.enable_socket]

KEY = "sk-loopback-7f3a9"
CLOSED = "The harbour is closed on Monday because of the storm."
NOTES = {
    "harbour.txt": CLOSED,
    "hafen.txt": "Der Hafen ist am Montag wegen des Sturms geschlossen.",
    "gang.txt": "\u706f\u5854\u9ad8\u4e09\u5341\u516b\u7c73\u3002",  # the lighthouse is 38 m high
}
QUESTION = "When is the harbour closed?"
LONG = {
    "one word again and again": "harbour " * 12_500,
    "many words": " ".join(f"word{at}" for at in range(12_000))[:100_000],
    "one word": "x" * 100_000,
    "no blanks": "\u6e2f" * 100_000,
    "no word": "?" * 100_000,
    "brackets": "[1](" * 25_000,
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no patience, and no model that compares meanings: words alone decide."""
    for name in ("RZEN_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 1)

    def missing(name: str) -> None:
        raise EncoderError(f"{name} is not installed")

    monkeypatch.setattr(api, "load", missing)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bad").resolve()
    folder = place / "notes"
    folder.mkdir()
    for name, text in NOTES.items():
        (folder / name).write_text(text, encoding="utf-8")
    with Index.open(place / "my.rzen", DummyEncoder(), settings=Settings()) as index:
        assert index.add(folder).indexed == len(NOTES)
    return place


def opened(notes: Path, **ask: Any) -> Index:
    settings = Settings(ask=AskSettings(**{"model": "m", "silence_seconds": 5, **ask}))
    return Index.open(notes / "my.rzen", DummyEncoder(), settings=settings)


@pytest.fixture
def index(notes: Path) -> Iterator[Index]:
    with opened(notes) as made:
        yield made


def cited(answer: Answer) -> list[str]:
    return [Path(citation.hit.uri).name for citation in answer.citations]


# Nothing to answer from


def test_an_emptied_index_answers_nothing_and_asks_nobody(tmp_path: Path) -> None:
    """Guards against paying an endpoint for an answer from nothing, and a crash on no vector."""
    note = tmp_path / "note.txt"
    note.write_text(CLOSED)
    settings = Settings(ask=AskSettings(model="m"))
    with (
        serving(says(f"{CLOSED} [1]")) as server,
        Index.open(tmp_path / "my.rzen", DummyEncoder(), settings=settings) as index,
    ):
        index.add(note)
        assert index.ask(QUESTION, generator=server.url).is_found
        index.remove(note)
        before = len(server.requests)
        for generator in ("extractive", server.url):
            found = index.ask(QUESTION, generator=generator)
            assert (found.text, found.is_found, found.citations) == (NOT_FOUND, False, ())
            assert "nothing was found" in found.warnings[0]
        assert len(server.requests) == before == 1


def test_filters_that_nothing_passes_ask_nobody(index: Index) -> None:
    """Guards against evidence from outside of the filter where nothing lies inside."""
    told: list[str] = []
    with serving(says(f"{CLOSED} [1]")) as server:
        found = index.ask(
            QUESTION, generator=server.url, filters=Filters(glob="*.pdf"), on_text=told.append
        )
    assert found.text == "".join(told) == NOT_FOUND
    assert not found.is_found
    assert server.requests == []


def test_no_index_is_no_empty_index(tmp_path: Path) -> None:
    """Guards against a mistyped index that has no answer to anything."""
    place = tmp_path / "none.rzen"
    with (
        Index.open(place, DummyEncoder(), settings=Settings()) as index,
        pytest.raises(UsageError, match="there is no index"),
    ):
        index.ask(QUESTION)
    assert not place.exists()


def test_hits_that_do_not_fit_are_named_and_not_quoted(index: Index) -> None:
    """Guards against the nearest sentence told as an answer because something was found."""
    found = index.ask("Which composer painted seventeen ceilings?")
    assert not found.is_found
    assert found.text.startswith(f"{NOT_FOUND}\n- text ")
    assert not any(text in found.text for text in NOTES.values())
    assert "no answer" in found.warnings[0]


def test_a_model_that_finds_no_answer_cites_nothing(index: Index) -> None:
    """Guards against a refusal with a citation, which looks like an answer."""
    with serving(says(NOT_FOUND)) as server:
        found = index.ask(QUESTION, generator=server.url)
    assert (found.text, found.is_found, found.citations) == (NOT_FOUND, False, ())
    assert found.unsupported == ()


# Languages


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ("Wann ist der Hafen geschlossen?", "hafen.txt"),
        ("\u706f\u5854\u9ad8\u591a\u5c11\u7c73\uff1f", "gang.txt"),  # how high is the lighthouse?
    ],
)
def test_other_languages_are_quoted(index: Index, question: str, file: str) -> None:
    """Guards against words that only English texts have, and scripts without blanks."""
    found = index.ask(question)
    assert found.is_found
    assert cited(found) == [file]
    assert NOTES[file] in found.text


@pytest.mark.parametrize(
    ("question", "answer", "file"),
    [
        ("Wann ist der Hafen geschlossen?", "Der Hafen ist am Montag geschlossen [{}].",
         "hafen.txt"),
        ("\u706f\u5854\u9ad8\u591a\u5c11\u7c73\uff1f",
         "\u706f\u5854\u9ad8\u4e09\u5341\u516b\u7c73[{}]\u3002", "gang.txt"),
    ],
)  # fmt: skip
def test_models_are_asked_and_heard_in_other_languages(
    index: Index, question: str, answer: str, file: str
) -> None:
    """Guards against letters that are lost on the way to an endpoint or back, and a check that
    drops what is not English.
    """
    filters = Filters(glob=f"*{file}")
    with serving(says(*answer.format(1))) as server:  # letter by letter
        found = index.ask(question, generator=server.url, filters=filters)
    (request,) = server.requests
    assert question in request.prompt
    assert NOTES[file] in request.prompt
    assert found.text == answer.format(1)
    assert cited(found) == [file]


# Long questions


@pytest.mark.parametrize("question", LONG.values(), ids=LONG)
def test_long_questions_are_answered_in_time(index: Index, question: str) -> None:
    """Guards against patterns, parsers and queries that take forever, or break, on 100,000
    characters.
    """
    assert len(question) >= 99_000
    started = time.monotonic()
    found = index.ask(question)
    assert found.question == question
    assert time.monotonic() - started < 10, "it takes 0.2 s"
    # The same with a conversation, whose newest question is read together with the older ones.
    before = [Turn(question=question, answer=question)] * 5
    assert index.ask("And when?", history=before).text


def test_long_questions_reach_an_endpoint_whole(index: Index) -> None:
    """Guards against a question that is cut in the middle without a word."""
    question = f"{LONG['many words']} harbour?"
    with serving(says("The harbour is closed on Monday [1].")) as server:
        index.ask(question, generator=server.url)
    assert question in server.requests[-1].prompt


# Endpoints that fail


def fault(index: Index, reply: Reply, told: list[str] | None = None) -> str:
    """What is said of an endpoint that gives this reply."""
    said = [] if told is None else told
    filters = Filters(glob="*harbour.txt")
    with serving(reply) as server, pytest.raises(EndpointError) as caught:
        index.ask(QUESTION, generator=server.url, filters=filters, on_text=said.append)
    assert "chat endpoint 127.0.0.1" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "message", "said"),
    [
        ((), "cannot be reached: timed out", ""),
        ((f"{CLOSED} [1] ", "It wi"), "broke off: timed out", f"{CLOSED} [1]"),
    ],
    ids=["at once", "in mid-stream"],
)
def test_endpoints_that_hang_are_given_up(
    notes: Path, pieces: tuple[str, ...], message: str, said: str
) -> None:
    """Guards against a command that never ends because a server never answers."""
    told: list[str] = []
    started = time.monotonic()
    with opened(notes, silence_seconds=0.2) as index:
        assert message in fault(index, hangs(*pieces), told)
    assert time.monotonic() - started < 4
    assert "".join(told) == said


def test_a_silent_endpoint_is_asked_once(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against four times the patience, and four answers to pay for, after one silence."""
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 2)
    with (
        opened(notes, silence_seconds=0.2) as index,
        serving(hangs()) as server,
        pytest.raises(EndpointError, match="timed out"),
    ):
        index.ask(QUESTION, generator=server.url)
    assert len(server.requests) == 1


def test_signs_of_life_without_an_end_are_given_up(notes: Path) -> None:
    """Guards against a command that never ends because heartbeats keep it from timing out."""
    with opened(notes, silence_seconds=0.2) as index:
        said = fault(index, beats(60))
    assert "broke off: its answer took longer than 1 seconds" in said
    assert "ask.silence_seconds" in said


def test_endpoints_that_die_in_mid_stream_tell_checked_sentences_only(index: Index) -> None:
    """Guards against half an answer taken for a whole one, and half a sentence that is told."""
    told: list[str] = []
    said = fault(index, breaks_off(f"{CLOSED} [1] ", "The harbour is clo"), told)
    assert "broke off before the end" in said
    assert "".join(told) == f"{CLOSED} [1]"


NONSENSE = [
    b'{"choices": [{"mess',
    b"\xff\xfe\x00nonsense",
    b"[]",
    b"7",
    b"null",
    b'"a text"',
    b"{}",
    b'{"choices": 7}',
    b'{"choices": "text"}',
    b'{"choices": [7]}',
    b'{"choices": [{}]}',
    b'{"choices": [{"delta": [], "message": []}]}',
    b'{"choices": [{"delta": null, "message": null}]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("data", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("kind", ["document", "stream"])
def test_nonsense_has_a_name(index: Index, data: bytes, kind: str) -> None:
    """Guards against a KeyError or RecursionError of a server's making, in either form."""
    reply = sends(data) if kind == "document" else sends(b"data: " + data + b"\n\n", EVENTS)
    said = fault(index, reply)
    assert "no JSON" in said or "form of chat completions" in said
    assert said.endswith("check the address")


def test_a_document_without_choices_is_no_empty_answer(index: Index) -> None:
    """Guards against "not found" for what a server left out: only streams report tokens so."""
    assert "form of chat completions" in fault(index, sends(b'{"choices": []}'))


def test_a_document_cut_short_broke_off(index: Index) -> None:
    """Guards against a lost connection that is told as a wrong address."""
    promised: dict[str, Any] = {"Content-Length": "500"}
    said = fault(index, sends(b'{"choices": [', **promised))
    assert "broke off: " in said
    assert "check the address" not in said


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (200, "sent something that is no JSON"),
        (400, "HTTP 400: lower ask.context_tokens"),
        (404, "HTTP 404: check"),
    ],
)
def test_pages_of_html_are_no_answers(index: Index, status: int, message: str) -> None:
    """Guards against a login page or a proxy's error, quoted as an answer or in an error."""
    page = b"<!doctype html><html><body>Please log in: " + CLOSED.encode() + b"</body></html>"
    said = fault(index, sends(page, "text/html; charset=utf-8", status=status))
    assert message in said
    assert "<" not in said


# Citations


def test_citations_of_what_is_not_there_go(index: Index) -> None:
    """Guards against a made-up number that makes a sentence look borne out, at either end."""
    filters = Filters(glob="*harbour.txt")
    with serving(says("The harbour is closed on Monday [99]. ", f"{CLOSED} [1][99]")) as server:
        found = index.ask(QUESTION, generator=server.url, filters=filters)
    assert found.text == f"{CLOSED} [1]"
    assert [citation.number for citation in found.citations] == [1]
    assert found.unsupported == ("The harbour is closed on Monday [99].",)
    assert any("[99]" in warning for warning in found.warnings)


def test_an_answer_that_only_cites_what_is_not_there_is_none(index: Index) -> None:
    """Guards against an empty text, and one that counts as found."""
    with serving(says("The harbour is closed on Monday [99].")) as server:
        found = index.ask(QUESTION, generator=server.url)
    assert (found.text, found.is_found, found.citations) == (NOT_FOUND, False, ())
    assert "no answer" in found.warnings[0]


@pytest.mark.parametrize("written", ["Pirates came. [99]", "Pirates came [99]."])
def test_marked_sentences_keep_no_false_number(notes: Path, written: str) -> None:
    """Guards against ``[99]``, or the blank before it, left in a sentence that is marked."""
    with opened(notes, unsupported="mark") as index, serving(says(written)) as server:
        found = index.ask(QUESTION, generator=server.url)
    assert found.text == "Pirates came. [?]"
    assert found.citations == ()


# A checkpoint without a chat template


def test_a_checkpoint_without_a_chat_template_answers(notes: Path, tmp_path: Path) -> None:
    """Guards against transformers' error where a base model has no template: it gets plain lines,
    and its answer is checked and cited like any other.
    """
    from language_models import chain, write_checkpoint  # torch takes seconds to import

    folder = write_checkpoint(tmp_path / "base", chain("Hafen [1].", ends=True))
    assert not list(folder.glob("*.jinja"))
    filters = Filters(glob="*hafen.txt")
    with opened(notes, context_tokens=150, answer_tokens=16) as index:
        found = index.ask("Hafen?", generator=str(folder), filters=filters)
        assert (found.text, found.generator) == ("Hafen [1].", "base")
        assert cited(found) == ["hafen.txt"]
        with pytest.raises(GeneratorError, match="base takes 512 tokens"):
            index.ask("harbour " * 500, generator=str(folder), filters=filters)


# Keys


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> str:
    monkeypatch.setenv("RZEN_OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    return KEY


def test_a_key_travels_in_its_header_alone(
    notes: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a key in a prompt, a log or an answer, in each kind of request: the question
    rewritten, the next search, the answer.
    """
    before = [Turn(question="Is the harbour open?", answer="No [1].")]
    replies = says("When is the harbour closed?"), says("storm Monday"), says(f"{CLOSED} [1]")
    filters = Filters(glob="*harbour.txt")
    with opened(notes, hops=2) as index, serving(*replies) as server:
        found = index.ask(
            "And when is it closed?", generator=server.url, history=before, filters=filters
        )
        held = repr(vars(index))
    assert found.is_found
    assert len(server.requests) == len(replies)
    for request in server.requests:
        assert request.headers.pop("Authorization") == f"Bearer {key}"
        assert key not in repr(request)
        assert request.path == "/v1/chat/completions"
    assert key not in repr(found)
    assert key not in held
    assert key not in caplog.text


KEPT = {
    "refused": repeats_the_key(401),
    "busy": repeats_the_key(503, **{"Retry-After": "0"}),
    "within": lambda handler: handler.send(
        EVENTS,
        b'data: {"error": {"message": "' + handler.headers["Authorization"].encode() + b'"}}\n\n',
    ),
    "nonsense": lambda handler: handler.send(
        "text/html", handler.headers["Authorization"].encode()
    ),
}


@pytest.mark.parametrize("reply", KEPT.values(), ids=KEPT)
def test_a_key_that_an_endpoint_repeats_is_not_shown(
    index: Index,
    key: str,
    reply: Reply,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against a key in errors and logs because a server quotes what it was sent."""
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 2)
    with serving(reply) as server, pytest.raises(RzenError) as caught:
        index.ask(QUESTION, generator=server.url)
    assert f"Bearer {key}" in server.requests[0].headers.values(), "else there is nothing to hide"
    logging.getLogger("test").error("as a service logs it", exc_info=caught.value)
    assert "as a service logs it" in caplog.text
    for shown in (str(caught.value), repr(caught.value), caplog.text):
        assert key not in shown


@pytest.mark.parametrize("before", [277, 283, 289])
def test_half_a_key_is_not_shown(index: Index, key: str, before: int) -> None:
    """Guards against a long message that is cut within the key, which then is not recognised."""
    said = fault(index, repeats_the_key(401, "x" * before))
    assert "x" * before in said, "else there is nothing to hide"
    assert key[:4] not in said


def test_a_refused_key_is_named_by_its_variable(index: Index, key: str) -> None:
    """Guards against an error that does not say which key to look at."""
    said = fault(index, repeats_the_key(401))
    assert "HTTP 401" in said
    assert said.endswith("check the key in RZEN_OPENAI_API_KEY")


def test_without_a_key_there_is_no_header(index: Index) -> None:
    """Guards against an empty or foreign key sent to whatever endpoint was named."""
    with serving(says(f"{CLOSED} [1]")) as server:
        index.ask(QUESTION, generator=server.url)
    (request,) = server.requests
    assert "Authorization" not in request.headers
    assert json.dumps(request.body).count("harbour"), "it was asked all the same"
