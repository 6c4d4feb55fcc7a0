"""Encoders at an address, asked of a real server process on loopback."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_server import DIM, KEY, Server, running, vector
from media_files import smooth
from rzen.api import Index
from rzen.encoders import create
from rzen.encoders.remote.encoder import RemoteEncoder
from rzen.errors import EncoderError, UsageError
from rzen.types import Content, Frames, Image, Page, Text, Video

pytestmark = [pytest.mark.enable_socket]

SEES = "?modalities=text,image,video"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("embeddings") / "log.jsonl") as found:
        yield found


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "RZEN_OPENAI_API_KEY", "OPENAI_API_KEY", "RZEN_COHERE_API_KEY", "CO_API_KEY",
        "http_proxy", "HTTP_PROXY",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def encoder(server: Server, tail: str, *, seconds: float = 300.0) -> RemoteEncoder:
    return RemoteEncoder(f"{server.host}/{tail}", seconds=seconds, sleep=lambda _: None)


def texts(*given: str) -> list[Content]:
    return [Content(Text(text)) for text in given]


def unit(content: object) -> NDArray[np.float64]:
    raw_D = np.array(vector(content, DIM))
    return np.asarray(raw_D / np.linalg.norm(raw_D))


def picture(seed: int = 0) -> Frames:
    return Frames(pixels=(smooth(40, 30, seed=seed),))


@pytest.mark.parametrize("tail", ["v1#hash", "v2#hash"])
def test_vectors_arrive_normalised_in_order(server: Server, tail: str) -> None:
    """Guards against vectors as long as the server left them, and against another order."""
    given = [f"{tail} {row}" for row in range(5)]
    encoded = encoder(server, tail).encode(texts(*given), role="document")
    np.testing.assert_allclose(np.asarray(encoded), [unit(text) for text in given], atol=1e-6)


def test_order_is_kept_when_the_first_answer_comes_last(server: Server) -> None:
    """Guards against rows in the order of answers, and requests that wait for each other."""
    given = [f"late {row}" for row in range(64 * 9 + 5)]
    encoded = encoder(server, "v1#late").encode(texts(*given), role="document")
    np.testing.assert_allclose(np.asarray(encoded), [unit(text) for text in given], atol=1e-6)
    sizes = sorted(len(entry["body"]["input"]) for entry in server.requests("late"))
    assert sizes == [5, *[64] * 9]


def test_requests_go_at_once_and_not_all_of_them(server: Server) -> None:
    """Guards against one request after the other, and against a flood."""
    found = encoder(server, "v1" + SEES + "#late")
    found.encode(texts(*(f"at once {row}" for row in range(30))), role="document")
    most = found._endpoint.ask("/embeddings", {"model": "late", "input": ["x"]})["most_busy"]
    assert 2 <= most <= 8


def test_pictures_and_texts_may_be_mixed(server: Server) -> None:
    """Guards against rows that are put where their batch, not their content, stood."""
    found = encoder(server, "v2#hash")
    given = [
        Content(Text("one")),
        Content(Image(picture(1))),
        Content(Text("two"), Text("three")),
        Content(Page(picture(2), text="unread")),
    ]
    vectors = np.asarray(found.encode(given, role="document"))
    np.testing.assert_allclose(vectors[0], unit("one"), atol=1e-6)
    np.testing.assert_allclose(vectors[2], unit("two\nthree"), atol=1e-6)
    alone = [np.asarray(found.encode([content], role="document"))[0] for content in given]
    np.testing.assert_allclose(vectors, alone, atol=1e-6)


def test_busy_endpoints_are_asked_again(server: Server) -> None:
    """Guards against giving up at once, and against ignoring how long to wait."""
    waits: list[float] = []
    found = RemoteEncoder(f"{server.host}/v1#busy-twice", sleep=waits.append)
    np.asarray(found.encode(texts("x"), role="query"))
    assert waits == [7.0, 7.0]


def test_a_broken_answer_is_asked_for_again(server: Server) -> None:
    """Guards against half an answer taken for a whole one that is no JSON."""
    np.asarray(encoder(server, "v1#cut-once").encode(texts("x"), role="query"))
    assert len(server.requests("cut-once")) == 2


def test_patience_ends(server: Server) -> None:
    """Guards against asking for ever, and against files failed because a server is away."""
    waits: list[float] = []
    found = RemoteEncoder(f"{server.host}/v1#overloaded", sleep=waits.append)
    with pytest.raises(EncoderError, match=r"127\.0\.0\.1 refused with HTTP 503 \(overloaded\)"):
        found.encode(texts("x"), role="query")
    assert waits == sorted(set(waits))
    assert len(server.requests("overloaded")) == len(waits) + 1


def test_time_ends_for_a_server_that_is_never_silent(server: Server) -> None:
    """Guards against a time-out that begins again with every byte."""
    start = time.monotonic()
    with pytest.raises(EncoderError, match=r"longer than 0\.5 seconds"):
        encoder(server, "v1#drips", seconds=0.5).encode(texts("x"), role="query")
    assert time.monotonic() - start < 5
    assert len(server.requests("drips")) == 1


def test_nobody_there() -> None:
    """Guards against a traceback when the server is not running."""
    found = RemoteEncoder("http://127.0.0.1:9/v1#m", sleep=lambda _: None)
    with pytest.raises(EncoderError, match=r"embedding endpoint 127\.0\.0\.1 cannot be reached"):
        _ = found.dim


@pytest.mark.parametrize("tail", ["v1#picky", "v2#picky"])
def test_one_bad_content_fails_alone(server: Server, tail: str) -> None:
    """Guards against a batch that fails for one of its contents, and rows that shift behind it."""
    given = [f"{tail} {row}" for row in range(40)]
    given[17], given[39] = "bad", "very bad"
    encoded = encoder(server, tail).encode(texts(*given), role="document")
    assert set(encoded.failed) == {17, 39}
    assert "127.0.0.1 refused with HTTP 400 (cannot take it)" in encoded.failed[17]
    for row in (0, 16, 18, 38):
        np.testing.assert_allclose(encoded.vectors[row], unit(given[row]), atol=1e-6)


def test_a_vector_that_is_none_fails_alone(server: Server) -> None:
    """Guards against NaN in an index, and against large numbers that overflow into it."""
    given = [f"not finite {row}" for row in range(6)]
    encoded = encoder(server, "v1#not-finite").encode(texts(*given), role="document")
    assert set(encoded.failed) == {1, 2}
    assert "127.0.0.1 sent a vector for it that is zero or not finite" in encoded.failed[1]
    np.testing.assert_allclose(encoded.vectors[3], np.full(DIM, DIM**-0.5), atol=1e-6)
    np.testing.assert_allclose(encoded.vectors[5], unit(given[5]), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("other-dim", "vectors of 31 dimensions where it sent 32 before"),
        ("ragged", "no lists of numbers of one length"),
        ("words", "no lists of numbers of one length"),
        ("too-few", "sent 1 vectors for 2 contents"),
        ("no-index", "indices are not 0 to 1"),
        ("same-index", "indices are not 0 to 1"),
        ("no-data", "no vectors in the form of embeddings"),
        ("web-page", "no JSON"),
        ("deep", "no JSON"),
        ("endless", "more than 67,108,864 bytes"),
        ("moved", "HTTP 302"),
    ],
)
def test_faults_end_the_call_by_name(server: Server, model: str, message: str) -> None:
    """Guards against tracebacks, vectors of the wrong content, and followed redirects."""
    with pytest.raises(EncoderError, match=f"embedding endpoint 127.0.0.1 .*{message}"):
        encoder(server, f"v1#{model}").encode(texts("a", "b"), role="document")
    assert len(server.requests(model)) == 1
    assert "/v1/elsewhere" not in server.log.read_text()


@pytest.mark.parametrize("model", ["other-dim", "ragged", "too-few", "words"])
def test_faults_end_the_call_in_the_other_form(server: Server, model: str) -> None:
    """Guards against checks that only one of the forms has."""
    with pytest.raises(EncoderError, match=r"embedding endpoint 127\.0\.0\.1 sent"):
        encoder(server, f"v2#{model}").encode(texts("a", "b"), role="document")


def test_a_refused_key_ends_the_call_at_once(server: Server) -> None:
    """Guards against a thousand files failed, one by one, for a key that has expired."""
    with pytest.raises(EncoderError, match="HTTP 401"):
        encoder(server, "v1#closes").encode(texts(*map(str, range(64 * 40))), role="document")
    time.sleep(1.0)  # what waited behind those in flight would be sent now
    assert len(server.requests("closes")) < 16


def test_a_missing_model_is_told_by_the_dimension(server: Server) -> None:
    """Guards against an index of failed files where the address is wrong."""
    with pytest.raises(EncoderError, match=r"HTTP 404 \(no such model\).*model's name"):
        _ = encoder(server, "v1#nowhere").fingerprint


@pytest.mark.parametrize(
    ("tail", "name"), [("v1#closed", "RZEN_OPENAI_API_KEY"), ("v2#closed", "RZEN_COHERE_API_KEY")]
)
def test_the_key_is_sent_and_never_shown(
    server: Server,
    tail: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Guards against a key in an error, a log, a repr or an index; here the server repeats it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(name, KEY)
    found = encoder(server, tail)
    with pytest.raises(EncoderError, match=name) as caught:
        _ = found.dim
    sent = [json.loads(line)["key"] for line in server.log.read_text().splitlines()][-1]
    assert sent == f"Bearer {KEY}"
    good = encoder(server, tail.replace("closed", "hash"))
    shown = [str(caught.value), repr(vars(caught.value)), repr(found), caplog.text]
    assert KEY not in "".join([*shown, repr(good.fingerprint)])
    assert caught.value.__cause__ is None
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("tail", ["v1#hash", "v2#hash"])
def test_keys_stay_with_their_hosts(
    server: Server, tail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a key made for one host, or one API, that reaches another."""
    other = "RZEN_COHERE_API_KEY" if tail.startswith("v1") else "RZEN_OPENAI_API_KEY"
    for name in ("OPENAI_API_KEY", "CO_API_KEY", other):
        monkeypatch.setenv(name, KEY)
    np.asarray(encoder(server, tail).encode(texts("keys"), role="query"))
    assert server.requests("hash")[-1]["key"] is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1#m", "OPENAI_API_KEY"),
        ("https://api.cohere.com/v2#m", "CO_API_KEY"),
    ],
)
def test_owners_get_their_own_key(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a usual key that is not found where it belongs."""
    monkeypatch.setenv(name, KEY)
    assert RemoteEncoder(url)._endpoint._key == KEY
    elsewhere = url.replace("api.", "api.example.")
    assert RemoteEncoder(elsewhere)._endpoint._key == ""


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://example.org/v1", "looks like"),
        ("https://example.org/v1#", "looks like"),
        ("https:///v1#m", "looks like"),
        ("https://[bad/v1#m", "looks like"),
        ("https://example.org/v1?modalities=smell#m", "looks like"),
        ("https://example.org/v1?modalities=image#m", "looks like"),
        ("https://example.org/v2?modalities=text,video#m", "looks like"),
        ("https://example.org/v1?dim=many#m", "looks like"),
        ("https://example.org/v1?dim=0#m", "looks like"),
        ("https://example.org/v1?key=secret#m", "looks like"),
        ("https://user:secret@example.org/v1#m", "holds no user"),
        ("http://example.org/v1#m", "unencrypted: use https"),
    ],
)
def test_wrong_addresses_are_refused(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against requests to somewhere else, and against secrets in messages and indexes."""
    monkeypatch.setenv("RZEN_OPENAI_API_KEY", KEY)
    with pytest.raises(UsageError, match=message) as caught:
        create(url)
    assert "secret" not in str(caught.value)


def test_an_address_takes_no_template() -> None:
    """Guards against a setting that is ignored."""
    from rzen.config import ModelSettings

    with pytest.raises(EncoderError, match="takes no template"):
        create("http://localhost/v1#m", model=ModelSettings(template="gme"))


def test_the_fingerprint_tells_models_hosts_and_forms_apart(server: Server) -> None:
    """Guards against an index that takes vectors of another model for its own."""
    tails = ["v1#a", "v1#b", "v1?dim=8#a", f"v1{SEES}#a", f"v1{SEES}#qwen3-vl-embedding", "v2#a"]
    found = [encoder(server, tail).fingerprint for tail in tails]
    assert len({json.dumps([each.weights, each.template, each.dim]) for each in found}) == 6
    assert found[0] == encoder(server, "v1#a").fingerprint
    assert found[0].weights == "remote:127.0.0.1#a"
    assert found[0].environment == {"address": f"{server.host}/v1"}


def test_shorter_vectors_are_asked_for(server: Server) -> None:
    """Guards against a dimension in the address that the request does not have."""
    found = encoder(server, "v1?dim=8#hash")
    assert found.dim == 8
    assert np.asarray(found.encode(texts("short"), role="query")).shape == (1, 8)
    assert server.requests("hash")[-1]["body"]["dimensions"] == 8
    with pytest.raises(EncoderError, match="32 dimensions for hash, not the 8 of the address"):
        _ = encoder(server, "v2?dim=8#hash").dim


def test_the_dimension_is_asked_for_once(server: Server) -> None:
    """Guards against a request more with every query."""
    found = encoder(server, "v1#once")
    for _ in range(3):
        assert found.dim == found.fingerprint.dim == DIM
        found.encode(texts("x"), role="query")
    entries = [json.loads(line)["body"] for line in server.log.read_text().splitlines()]
    assert sum(entry["model"] == "once" for entry in entries) == 4


def test_what_the_model_does_not_take_fails_by_row(server: Server) -> None:
    """Guards against a picture sent to a model of texts, and a blank page sent as nothing."""
    found = encoder(server, "v1#hash")
    assert found.modalities == {"text", "page"}
    given = [
        Content(Image(picture())),
        Content(Page(picture(), text=" ")),
        Content(Page(picture(), text="a page")),
        Content(Video(picture())),
    ]
    encoded = found.encode(given, role="document")
    assert set(encoded.failed) == {0, 1, 3}
    assert "does not take image, only page, text" in encoded.failed[0]
    assert "turn on OCR" in encoded.failed[1]
    np.testing.assert_allclose(encoded.vectors[2], unit("a page"), atol=1e-6)


def test_an_index_does_not_choose_whom_to_ask(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against somebody's index that sends queries and a key to the host it names."""
    (tmp_path / "note.txt").write_text("a boat in the harbour")
    name = f"{server.host}/v1#hash"
    with Index.open(tmp_path / "my.rzen", encoder=name) as index:
        index.add(tmp_path / "note.txt")
    with Index.open(tmp_path / "my.rzen") as index:  # nothing leaves this machine
        assert index.search("boat", k=1)
    monkeypatch.setattr("rzen.endpoint._LOOPBACK", frozenset({"localhost"}))
    before = len(server.log.read_text())
    with (
        Index.open(tmp_path / "my.rzen") as index,
        pytest.raises(UsageError, match=r"would be sent there, with your key.*--encoder"),
    ):
        index.search("boat", k=1)
    assert len(server.log.read_text()) == before
    with Index.open(tmp_path / "my.rzen", encoder=name) as index:
        assert index.search("boat", k=1)


def test_nothing_heavy_is_imported() -> None:
    """Guards against a search over the network that first loads torch."""
    code = (
        "import sys; from rzen.encoders import create; create('http://localhost/v1#m');"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnxruntime'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
