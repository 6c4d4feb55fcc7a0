"""Faults that answers once had."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chat_endpoints import EVENTS, JSON, Handler, hangs, says, sends, serving
from rzen import api, endpoint
from rzen.api import Index
from rzen.config import AskSettings, Settings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError, EndpointError
from rzen.rag.context import Beside, Budget, gather, with_names
from rzen.rag.conversation import retrieve, standalone
from rzen.types import Content, Hit, Named, Turn

pytestmark = pytest.mark.enable_socket

KEY = "sk-loopback-7f3a9"
BEFORE = Turn(question="Who built the lighthouse?", answer="Ada [1].")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """One text, and words alone judge."""
    load = api.load

    def without_mini(name: str, **named: Any) -> Any:
        if name == "mini":
            raise EncoderError("none here")
        return load(name, **named)

    monkeypatch.setattr(api, "load", without_mini)
    monkeypatch.setenv("RZEN_OPENAI_API_KEY", KEY)
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 1)
    (tmp_path / "light.txt").write_text("The lighthouse was built by Ada Lindqvist in 1871.")
    settings = Settings(ask=AskSettings(model="m"))
    with Index.open(tmp_path / "x.rzen", DummyEncoder(), settings=settings) as made:
        made.add(tmp_path / "light.txt")
        yield made


def hit(name: str, text: str = "", **fields: Any) -> Hit:
    made = Hit(id=name, modality="text", uri=f"/d/{name}.txt", score=1.0, text=text)
    return replace(made, **fields)


def test_quotes_answer_a_follow_up(index: Index) -> None:
    """Guards the default generator, which has no history to read a question with."""
    assert index.ask("And when?", history=[BEFORE]).is_found


@pytest.mark.parametrize("before", range(255, 300, 5))
def test_no_part_of_a_key_is_told(index: Index, before: int) -> None:
    """Guards against a message that is cut in the middle of the key."""

    def reply(handler: Handler) -> None:
        message = "x" * before + str(handler.headers["Authorization"])
        body = json.dumps({"error": {"message": message}}).encode()
        handler.send(JSON, body, status=401)

    with serving(reply) as server, pytest.raises(EndpointError) as caught:
        index.ask("Who?", generator=server.url)
    assert KEY[:7] not in str(caught.value)


def test_signs_of_life_are_no_answer(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a server that says nothing for ever."""
    monkeypatch.setattr("rzen.rag.chat._WRITING_SECONDS", 0.5)
    begun = time.monotonic()

    def reply(handler: Handler) -> None:
        handler.send(EVENTS, b"")
        handler.close_connection = True
        try:
            while time.monotonic() < begun + 5:
                handler.wfile.write(b": ping\n\n")
                time.sleep(0.05)
        except OSError:
            pass

    with serving(reply) as server, pytest.raises(EndpointError, match=r"longer than 0\.5"):
        index.ask("Who?", generator=server.url)
    assert time.monotonic() < begun + 4


def test_a_silent_server_is_asked_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against four times the patience that one silence takes."""
    monkeypatch.setattr(endpoint, "_ATTEMPTS", 4)
    monkeypatch.setattr(endpoint, "_IDLE_SECONDS", 0.2)
    with serving(hangs()) as server, pytest.raises(EndpointError):
        index.ask("Who built the lighthouse?", generator=server.url)
    assert len(server.requests) == 1


def test_prompts_hold_a_bounded_history(index: Index) -> None:
    """Guards long conversations against prompts that outgrow every window."""
    with serving(says("x")) as server:
        index.ask("Who built it?", generator=server.url, history=[BEFORE] * 50)
    assert len(server.requests[-1].body["messages"]) <= 2 + 2 * 4


@pytest.mark.parametrize("data", [b'{"choices": []}', b'{"choices": [{}]}'])
def test_a_document_without_a_text_is_an_error(index: Index, data: bytes) -> None:
    """Guards against nonsense that is told as "nothing was found"."""
    with serving(sends(data)) as server, pytest.raises(EndpointError):
        index.ask("Who?", generator=server.url)


def test_two_pictures_that_look_alike_are_two() -> None:
    """Guards the second of two photographs of one thing."""

    class Sees:
        def names(self, content: Content) -> list[Named]:
            del content
            return [Named(name="race car", probability=0.9)]

    found = with_names([hit("a", modality="image"), hit("b", modality="image")], Sees())
    assert len(gather(found, Budget(tokens=999, count=len)).evidence) == 2


def test_neighbours_come_in_the_order_of_the_file() -> None:
    """Guards a reader against the page behind before the page before."""
    found = gather(
        [hit("a", "near Holm it sank near")],
        Budget(tokens=999, count=len),
        "x",
        beside=lambda _: Beside(hit("before", "p."), hit("after", "q.")),
    )
    names = [one.hit.id for one in found.evidence]
    assert names.index("before") < names.index("after")


def test_a_comma_hides_no_next() -> None:
    """Guards questions of a video whose word for the order is followed by a comma."""
    own = hit("a", modality="video", uri="/x.mp4")
    behind = Beside(None, hit("n", modality="video", uri="/x.mp4"))
    asked = "What comes next, and why?"
    found = gather([own], Budget(tokens=999, count=len), asked, beside=lambda _: behind)
    assert len(found.evidence) == 2


def test_german_follow_ups_lean_on_the_question_before() -> None:
    """Guards another language than English where no model rewrites."""
    before = [Turn(question="Wer baute den Leuchtturm?", answer="Ada.")]
    assert standalone("Und wann wurde er gestrichen?", before, None).startswith("Wer baute")


def test_done_is_no_query() -> None:
    """Guards against a search for the word that ends the searches."""
    asked: list[str] = []

    class Model:
        name, sees, is_small, window = "m", False, False, None

        def count(self, text: str) -> int:
            return len(text)

        def write(self, messages: Any, *, max_tokens: int) -> Iterator[str]:
            del messages, max_tokens
            yield "Done."

    def search(query: str) -> list[Hit]:
        asked.append(query)
        return []

    retrieve("Who?", search, hops=3, model=Model())
    assert asked == ["Who?"]


def test_marks_stand_behind_a_plain_sentence(index: Index) -> None:
    """Guards against a blank before the full stop where a citation was taken off."""
    index.settings = Settings(ask=AskSettings(model="m", unsupported="mark"))
    with serving(says("Pirates came [99].")) as server:
        assert index.ask("Who?", generator=server.url).text == "Pirates came. [?]"
