"""`rzen ask` in process: answers, faults with exit status 2 and no traceback, conversations."""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_endpoints import EVENTS, Reply, breaks_off, hangs, repeats_the_key, says, sends, serving
from rzen import api, endpoint
from rzen.cli import main
from rzen.config import Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError
from rzen.rag.citations import NOT_FOUND

pytestmark = [pytest.mark.enable_socket]

Run = Callable[..., tuple[int, str, str]]

KEY = "sk-loopback-7f3a9"
BUILT = "The lighthouse was built by Ada Lindqvist in 1871."
CLOSED = "The harbour is closed on Monday."
NOTES = {
    "lighthouse.txt": BUILT,
    "harbour.txt": CLOSED,
    "hafen.txt": "Der Hafen ist am Montag wegen des Sturms geschlossen.",
}
QUESTION = "Who built the lighthouse?"
OTHER = "When is the harbour closed?"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that must not be seen, no patience, and words alone to compare sentences by."""
    monkeypatch.setenv("RZEN_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 1)
    monkeypatch.setenv("RZEN_ASK__SILENCE_SECONDS", "0.5")
    load = api.load

    def without_mini(name: str, **options: Any) -> Any:
        if name == "mini":
            raise EncoderError("mini is not installed")
        return load(name, **options)

    monkeypatch.setattr(api, "load", without_mini)


@pytest.fixture
def rzen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `rzen ...` with some standard input; its status, standard output and error."""

    def run(*arguments: object, typed: str | bytes = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rzen", *map(str, arguments)])
        stdin: io.TextIOBase
        if isinstance(typed, bytes):
            stdin = io.TextIOWrapper(io.BytesIO(typed), "utf-8")
        else:
            stdin = io.StringIO(typed)
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return int(left.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few notes, and an index of them."""
    place = tmp_path_factory.mktemp("ask").resolve()
    notes = place / "notes"
    notes.mkdir()
    for name, text in NOTES.items():
        (notes / name).write_text(text)
    with api.Index.open(place / "my.rzen", DummyEncoder(), settings=Settings()) as made:
        made.add(notes)
    return place


@pytest.fixture
def index(place: Path) -> tuple[object, ...]:
    """The options that name the index."""
    return ("--index", place / "my.rzen")


def named(url: str) -> tuple[str, ...]:
    return ("--generator", url, "--set", "ask.model=m")


# One question


def test_an_emptied_index_has_no_answer(rzen: Run, place: Path, tmp_path: Path) -> None:
    """Guards against a crash, an error and an invention where there is nothing; status 0 says that
    the question was understood.
    """
    index = ("--index", tmp_path / "my.rzen")
    assert rzen("index", place / "notes", "--encoder", "dummy", *index)[0] == 0
    assert rzen("remove", place / "notes", *index)[0] == 0
    code, out, err = rzen("ask", QUESTION, *index, "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["answer"], document["found"]) == (NOT_FOUND, False)
    assert document["citations"] == []
    code, out, err = rzen("ask", QUESTION, *index)
    assert (code, err) == (0, "")
    assert out.startswith(f"{NOT_FOUND}\nnote: no answer: nothing was found")


def test_filters_that_nothing_passes(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against evidence from outside of the filter."""
    code, out, _ = rzen("ask", QUESTION, *index, "--path", "*.pdf", "--json")
    assert (code, json.loads(out)["found"]) == (0, False)


def test_other_languages(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against questions that only English ones are."""
    code, out, err = rzen("ask", "Wann ist der Hafen geschlossen?", *index)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{NOTES['hafen.txt']} [1]"
    code, out, _ = rzen("ask", "\u706f\u5854\u6709\u591a\u9ad8\uff1f", *index, "--json")
    assert (code, json.loads(out)["found"]) == (0, False)


def test_a_long_question(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a parser, a query or a terminal that 100,000 characters break."""
    question = f"{QUESTION} " * 4_000
    code, out, err = rzen("ask", question, *index, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["question"] == question


FAULTS: dict[str, tuple[Reply, str]] = {
    "hangs": (hangs(), "cannot be reached: timed out"),
    "hangs within": (hangs(BUILT), "broke off: timed out"),
    "dies": (breaks_off(f"{BUILT} [1] ", "It is"), "broke off before the end"),
    "nonsense": (sends(b'data: {"choi\n\n', EVENTS), "no JSON"),
    "html": (sends(b"<html>Log in</html>", "text/html"), "no JSON"),
    "refuses": (repeats_the_key(401), "check the key in RZEN_OPENAI_API_KEY"),
    "fails": (repeats_the_key(500), "HTTP 500"),
}


@pytest.mark.parametrize(("reply", "said"), FAULTS.values(), ids=FAULTS)
def test_faults_of_an_endpoint_end_with_2(
    rzen: Run,
    index: tuple[object, ...],
    reply: Reply,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Guards against tracebacks, status 0, two documents, and a key that is printed or logged."""
    caplog.set_level(logging.DEBUG)
    with serving(reply) as server:
        code, out, err = rzen("ask", QUESTION, *index, *named(server.url), "--json")
    assert code == 2
    assert err.startswith("rzen: the chat endpoint 127.0.0.1 ")
    assert err.count("\n") == 1
    assert said in err
    assert json.loads(out) == {"error": err.removeprefix("rzen: ").strip()}
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in server.requests[0].prompt
    assert KEY not in caplog.text


def test_a_citation_of_nothing_is_not_printed(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against ``[99]`` in an answer, and a traceback where its file is looked up."""
    answer = says("Berta built it [99]. ", f"{BUILT} [1]")
    with serving(answer) as server:
        options = (*index, *named(server.url), "--path", "*lighthouse.txt")
        code, out, err = rzen("ask", QUESTION, *options)
        document = json.loads(rzen("ask", QUESTION, *options, "--json")[1])
    assert (code, err) == (0, "")
    assert out.startswith(f"{BUILT} [1]\n")
    assert "Berta" not in out
    assert "note: the answer cited [99], which is not among the evidence" in out
    assert [each["number"] for each in document["citations"]] == [1]
    assert document["unsupported"] == ["Berta built it [99]."]


def test_answers_cannot_steer_a_terminal(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a model, or a file that it quotes, that clears the screen or forges lines."""
    with serving(says(f"{BUILT[:-1]}\x1b\x07. [1]")) as server:
        out = rzen("ask", QUESTION, *index, *named(server.url), "--path", "*light*")[1]
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\\x07" in out, "it was told"


# Conversations


def test_a_line_is_a_question_until_the_input_ends(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against empty lines that are asked or end the talk, a last line without its end that
    is lost, and signs for people in a pipe.
    """
    typed = f"\n   \n{QUESTION}\n\n{OTHER}"
    code, out, err = rzen("ask", "--chat", *index, typed=typed)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.endswith("[1]")] == [
        f"{BUILT} [1]",
        f"{CLOSED} [1]",
    ]
    assert "?" not in out


@pytest.mark.parametrize("typed", ["", "\n", "\n \n\n"])
def test_nothing_asked_is_nothing_answered(
    rzen: Run, index: tuple[object, ...], typed: str
) -> None:
    """Guards against a conversation that does not end at the end of its input, or fails there."""
    assert rzen("ask", "--chat", *index, typed=typed) == (0, "", "")


def test_the_first_question_may_stand_in_the_command(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a question that is asked twice, or not at all."""
    code, out, _ = rzen("ask", QUESTION, "--chat", *index, typed=f"{OTHER}\n")
    assert code == 0
    assert out.startswith(f"{BUILT} [1]\n")
    assert out.count(BUILT) == 1
    assert f"{CLOSED} [1]" in out
    assert rzen("ask", "  ", "--chat", *index) == (0, "", "")


def test_what_was_said_before_counts(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a follow-up that the model, or the search, reads without its history."""
    replies = says(f"{BUILT} [1]"), says("When was the lighthouse built?"), says("In 1871 [1].")
    with serving(*replies) as server:
        options = (*index, *named(server.url), "--path", "*light*")
        code, out, err = rzen("ask", "--chat", *options, typed=f"{QUESTION}\nAnd when?\n")
    assert (code, err) == (0, "")
    assert "In 1871 [1]." in out
    first, rewriting, second = server.requests
    assert len(first.body["messages"]) == 2
    assert f"Question: {QUESTION}\nAnswer: {BUILT} (1)" in rewriting.prompt
    turns = [(each["role"], each["content"]) for each in second.body["messages"]][1:3]
    assert turns == [("user", QUESTION), ("assistant", f"{BUILT} (1)")]


def test_an_error_does_not_end_the_talk(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a conversation lost to a server that fails once, and against a turn without
    an answer in the history of the next.
    """
    replies = repeats_the_key(503), breaks_off("The lighth"), says(f"{BUILT} [1]")
    with serving(*replies) as server:
        options = (*index, *named(server.url), "--path", "*light*")
        code, out, err = rzen("ask", "--chat", *options, typed=f"{QUESTION}\n" * 3)
    assert code == 0
    assert f"{BUILT} [1]" in out
    first, second = err.splitlines()
    assert "HTTP 503" in first
    assert "broke off" in second
    assert len(server.requests) == 3, "without history there is nothing to rewrite"
    assert len(server.requests[-1].body["messages"]) == 2


def test_an_answer_that_broke_off_ends_its_line(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against the next answer in the line of the one that broke off in mid-stream."""
    replies = breaks_off(f"{BUILT} [1] ", "It is"), says(f"{BUILT} [1]")
    with serving(*replies) as server:
        options = (*index, *named(server.url), "--path", "*light*")
        code, out, err = rzen("ask", "--chat", *options, typed=f"{QUESTION}\n" * 2)
    assert code == 0
    assert "broke off" in err
    assert out.splitlines().count(f"{BUILT} [1]") == 2


def test_a_byte_that_is_no_text_does_not_end_the_talk(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a traceback for a byte that is no UTF-8, and the questions behind it lost."""
    typed = b"Who was \xff?\n" + QUESTION.encode() + b"\n"
    code, out, err = rzen("ask", "--chat", *index, typed=typed)
    assert (code, err) == (0, "")
    assert f"{BUILT} [1]" in out.splitlines()


def test_filters_hold_for_every_turn(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against options that only the first question knows."""
    typed = f"{QUESTION}\n{QUESTION}\n"
    code, out, _ = rzen("ask", "--chat", *index, "--path", "*hafen.txt", typed=typed)
    assert code == 0
    assert out.count(NOT_FOUND) == 2
    assert "lighthouse" not in out


def test_a_terminal_shows_where_to_type(
    rzen: Run, index: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a cursor in an empty line that looks like a program that hangs."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("io.StringIO", Terminal)
    out = rzen("ask", "--chat", *index, typed=f"{QUESTION}\n")[1]
    assert out.startswith(f"? {BUILT} [1]\n")
    assert out.count("? ") == 2


def test_an_interrupt_ends_the_talk(
    rzen: Run, index: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against Ctrl-C that shows a traceback, or is taken for an empty line."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rzen.cli.ask._next_question", interrupted)
    code, _, err = rzen("ask", "--chat", *index)
    assert code == 130
    assert err.startswith("rzen: interrupted")


@pytest.mark.parametrize("option", [("--json",), ("--open",), ("--html", "page.html")])
def test_a_talk_is_no_document(
    rzen: Run, index: tuple[object, ...], option: tuple[str, ...]
) -> None:
    """Guards against an option that is taken and has no effect."""
    code, out, err = rzen("ask", "--chat", *index, *option, typed=f"{QUESTION}\n")
    assert code == 2
    assert "--chat is for people" in err
    assert BUILT not in out


def test_no_question_names_both_ways(rzen: Run, index: tuple[object, ...]) -> None:
    """Guards against a command that waits for input that nobody knows of."""
    code, _, err = rzen("ask", *index, typed=f"{QUESTION}\n")
    assert code == 2
    assert "rzen ask --chat" in err
