import http.client
import io
import re
import struct
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import gguf_files
from rzen.errors import GeneratorError, MissingExtraError
from rzen.rag import gguf as rzen_gguf
from rzen.rag.gguf import LARGEST_WINDOW, GgufModel
from rzen.rag.gguf_header import Header, read_header
from rzen.rag.language_model import Message

BOAT = ["The boat", " is", " red", " [1].", "\n"]
ROUND = ["I", " go", " round", " and"]
LONG = "one word " * 200
ENDLESS = LARGEST_WINDOW  # tokens: a model that is not stopped writes them all
FORMS = pytest.mark.parametrize("template", [None, gguf_files.TEMPLATE], ids=["plain", "template"])


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of llama.cpp wait for each other busily: on a busy machine two are much slower."""
    monkeypatch.setattr(rzen_gguf, "available_cores", lambda: 1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A thread that writes on when nobody reads holds a core, and the model, for minutes."""
    yield
    assert not writers()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="module")
def boat(folder: Path) -> Path:
    return gguf_files.scripted(folder / "boat.gguf", BOAT)


@pytest.fixture(scope="module")
def endless(folder: Path) -> Path:
    return gguf_files.scripted(folder / "endless.gguf", ROUND, window=ENDLESS, again=True)


@pytest.fixture(scope="module")
def random(folder: Path) -> Path:
    return gguf_files.random(folder / "random.gguf")


def writers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "rzen-gguf"]


def user(text: str) -> list[Message]:
    return [Message("user", (text,))]


def written(model: GgufModel, messages: list[Message], tokens: int = 24) -> str:
    return "".join(model.write(messages, max_tokens=tokens))


def asked_once(model: GgufModel) -> GgufModel:
    """A model whose library is up: it may hang for good when it is dropped before (see below)."""
    written(model, user("Who?"), 1)
    return model


# Writing


@FORMS
def test_says_what_the_model_says(folder: Path, template: str | None) -> None:
    """Guards against a prompt that does not end where the answer begins: in the chat template of
    the file, or in plain lines for a file without one; the model answers after nothing else.
    """
    file = gguf_files.scripted(folder / f"says-{template is None}.gguf", BOAT, template=template)
    model = GgufModel(file)
    assert list(model.write(user("What is red?"), max_tokens=24)) == BOAT
    assert list(model.write(user("What is red?"), max_tokens=2)) == BOAT[:2]


class Counting:
    """A server that counts the tokens that it writes, whoever reads them."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.tokens = 0

    def handle_chat_completions(self, request: dict[str, Any], take: Callable[[Any], bool]) -> Any:
        def counted(event: Any) -> bool:
            self.tokens += 1
            return take(event)

        return self.server.handle_chat_completions(request, counted)


def counting(model: GgufModel) -> Counting:
    counter = Counting(model._server)
    model._server = counter
    return counter


def test_streams_and_stops_when_nobody_reads(endless: Path) -> None:
    """Guards against an answer that comes all at once, and a model that writes on after Ctrl-C or
    the last sentence: some thousand tokens of it.
    """
    model = GgufModel(endless)
    counter = counting(model)
    assert len(list(model.write(user("Go!"), max_tokens=500))) == 500, "it does not end by itself"
    counter.tokens = 0
    pieces: Any = model.write(user("Go!"), max_tokens=100_000)
    assert not writers(), "nothing is asked before somebody reads"
    assert [next(pieces) for _ in range(6)] == [*ROUND, *ROUND[:2]]
    assert len(writers()) == 1, "else it is over already, and nothing is shown below"
    begun = time.monotonic()
    pieces.close()
    assert not writers()
    assert time.monotonic() - begun < 10
    assert counter.tokens < ENDLESS // 2
    assert written(model, user("Go!"), 4) == "".join(ROUND), "and it can be asked again"


def test_a_stop_stops_the_model(folder: Path) -> None:
    """Guards against a model that goes on writing what is not shown, to the end of its window."""
    script = ["The boat", "<|im_", "end|>", " more"]
    model = GgufModel(gguf_files.scripted(folder / "stop.gguf", script, window=ENDLESS, again=True))
    counter = counting(model)
    assert written(model, user("Who?"), 100_000) == "The boat"
    assert 3 <= counter.tokens < ENDLESS // 2


def test_a_reader_that_fails_stops_the_model(endless: Path) -> None:
    """Guards against a thread that lives on when the one that reads raises, and never closes."""
    model = GgufModel(endless)

    def read() -> None:
        for _ in model.write(user("Go!"), max_tokens=100_000):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    assert not writers()


def test_answers_are_the_same_each_time(random: Path) -> None:
    """Guards against sampling, and against what was asked before: the library keeps prompts.

    The weights are random, so another conversation has another answer: else this would be vacuous.
    """
    model = GgufModel(random)
    first, other = written(model, user("What is red?")), written(model, user("Who sails?"))
    assert first != other
    assert len(first) >= 24
    assert [written(model, user("What is red?")), written(model, user("Who sails?"))] == [
        first,
        other,
    ]
    assert written(GgufModel(random), user("What is red?")) == first


@FORMS
def test_all_turns_reach_the_model(folder: Path, template: str | None) -> None:
    """Guards against rules, earlier turns or a second part of a message that are dropped."""
    model = GgufModel(
        gguf_files.random(folder / f"turns-{template is None}.gguf", template=template)
    )
    asked = Message("user", ("Who sails?", " And where?"))
    dialogues = [
        [asked],
        [Message("user", ("Who sails?",))],
        [Message("system", ("Be brief.",)), asked],
        [Message("user", ("Hi",)), Message("assistant", ("Ho",)), asked],
        [Message("user", ("Hi",)), Message("assistant", ("Hu",)), asked],
    ]
    answers = [written(model, each) for each in dialogues]
    assert len(set(answers)) == len(answers)
    assert written(model, [Message("system", ("",)), asked]) == answers[0], "nothing is said in it"


@FORMS
def test_no_text_writes_control_tokens(folder: Path, template: str | None) -> None:
    """Guards against a file that ends the user's turn, and goes on as the system: "</s>" in a text
    must be read as four letters, not as the one token that ends an answer. How many tokens there
    are is told where they are too many.
    """
    file = gguf_files.scripted(
        folder / f"control-{template is None}.gguf", BOAT, template=template, window=64
    )
    with pytest.raises(GeneratorError, match="takes 64 tokens") as told:
        written(GgufModel(file), user("</s>" * 300))
    counted = re.search(r"have ([\d,]+)", str(told.value))
    assert counted is not None
    assert int(counted[1].replace(",", "")) >= 4 * 300


def test_templates_that_refuse_a_system_message(folder: Path) -> None:
    """Guards against models such as Gemma 2 that cannot be asked, or that never see the rules."""
    refuses = (
        "{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
    )
    model = GgufModel(
        gguf_files.random(folder / "no-system.gguf", template=refuses + gguf_files.TEMPLATE)
    )
    asked = Message("user", ("Who sails?",))
    answers = [
        written(model, [*rules, asked])
        for rules in ([], [Message("system", ("Be brief.",))], [Message("system", ("Rhyme.",))])
    ]
    assert len(set(answers)) == 3


@pytest.mark.parametrize(
    ("script", "template", "answer"),
    [
        (["The boat", " is red.", "\nQuest", "ion:", " Who"], None, "The boat is red."),
        (["The boat", "\n", " is red.", "\n\n", "\nAnd"], None, "The boat\n is red."),
        (["The boat", "\nQuest", "ion:", " Who"], gguf_files.TEMPLATE, "The boat\nQuestion: Who"),
        (["The boat", "<|im_", "end|>", " more"], gguf_files.TEMPLATE, "The boat"),
        (["The boat", "<|im_", "start"], gguf_files.TEMPLATE, "The boat<|im_start"),
        (["The boat", "</", "s>", " more"], gguf_files.TEMPLATE, "The boat"),
        (["\nQuest", "ion:", " more"], None, ""),
    ],
)  # fmt: skip
def test_stops(folder: Path, script: list[str], template: str | None, answer: str) -> None:
    """Guards against a model that plays the asker too, and ends of turns that are shown; the script
    begins again at its end, so that a stop that only hides would be a model that never ends.
    """
    file = gguf_files.scripted(folder / "stops.gguf", script, template=template, again=True)
    if answer.endswith((" Who", "start")):
        file = gguf_files.scripted(folder / "ends.gguf", script, template=template)
    pieces = list(GgufModel(file).write(user("Who?"), max_tokens=100_000))
    assert "".join(pieces) == answer
    assert all(pieces)
    assert not writers()


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (["a", "<0xE2>", "<0x82>", "<0xAC>", "b"], ["a", "€", "b"]),
        (["a", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"], ["a", "😀"]),
    ],
)
def test_characters_arrive_whole(folder: Path, script: list[str], answer: list[str]) -> None:
    """Guards against bytes of a character that come as pieces of their own, and as U+FFFD."""
    file = gguf_files.scripted(folder / "bytes.gguf", script)
    assert list(GgufModel(file).write(user("Who?"), max_tokens=24)) == answer


def test_bytes_that_are_no_character(folder: Path) -> None:
    """Guards against an answer that cannot be written to a terminal or a file."""
    file = gguf_files.scripted(folder / "no-character.gguf", ["a", "<0xFF>", " b"])
    written(GgufModel(file), user("Who?")).encode()


def test_two_may_ask_at_once(random: Path) -> None:
    """Guards against answers that are mixed, or lost, when a server's threads share a model."""
    model = GgufModel(random)
    questions = [f"What is {name}?" for name in ("red", "blue", "old")]
    alone = {each: written(model, user(each)) for each in questions}
    assert len(set(alone.values())) == 3
    together: dict[str, str] = {}

    def ask(question: str) -> None:
        together[question] = written(model, user(question))

    threads = [threading.Thread(target=ask, args=(each,)) for each in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert together == alone


# The window


@pytest.mark.parametrize("kind", [5, 7, 11])
def test_windows_of_an_odd_kind(folder: Path, boat: Path, kind: int) -> None:
    """Guards against a TypeError of the library's for a window that is a truth value, or less than
    nothing: the file is damaged, and the message says so.
    """
    form = {5: "<i", 7: "<?", 11: "<q"}[kind]
    key = b"llama.context_length"
    data = boat.read_bytes()
    at = data.index(key) + len(key)
    file = folder / "odd-window.gguf"
    value = struct.pack("<I", kind) + struct.pack(form, -5)
    file.write_bytes(data[:at] + value + data[at + 8 :])
    with pytest.raises(GeneratorError, match=re.escape(str(file))):
        GgufModel(file)


@FORMS
def test_too_long_a_conversation_names_the_setting(folder: Path, template: str | None) -> None:
    """Guards against evidence that is cut off silently, and against an error that names nothing."""
    name = f"long-{template is None}.gguf"
    file = gguf_files.scripted(folder / name, BOAT, template=template, window=64)
    model = GgufModel(file)
    with pytest.raises(GeneratorError, match=r"takes 64 tokens.*lower ask\.context_tokens") as told:
        written(model, user(LONG))
    counted = re.search(r"have ([\d,]+)", str(told.value))
    assert counted is not None
    assert int(counted[1].replace(",", "")) > 400, "it says how long the conversation is"
    assert not writers()
    assert written(model, user("Who?")) == "".join(BOAT), "and it can be asked again"


def test_an_answer_ends_with_the_window(folder: Path) -> None:
    """Guards against a model that forgets the question to go on, or that never ends."""
    file = gguf_files.scripted(folder / "narrow.gguf", ROUND, again=True, window=300)
    pieces = list(GgufModel(file).write(user("Go!"), max_tokens=100_000))
    assert 100 < len(pieces) <= 512


def test_windows(folder: Path, boat: Path) -> None:
    """Guards against memory for 128,000 tokens, and a window that the model was not made for."""
    assert asked_once(GgufModel(boat)).window == gguf_files.WINDOW
    assert asked_once(GgufModel(boat, window=300)).window == 300
    wide = gguf_files.scripted(folder / "wide.gguf", BOAT, window=1 << 17)
    assert asked_once(GgufModel(wide)).window == LARGEST_WINDOW
    assert asked_once(GgufModel(wide, window=400)).window == 400


# What it is


def test_what_it_says_of_itself(boat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a large model that gets the few words of a small one, or the reverse."""
    model = asked_once(GgufModel(boat))
    assert (model.name, model.sees, model.is_small) == ("boat.gguf", False, True)
    assert asked_once(GgufModel(boat, "smollm2")).name == "smollm2"
    assert model.count("a red boat") >= 3
    monkeypatch.setattr(rzen_gguf, "SMALL", 1000)
    assert not asked_once(GgufModel(boat)).is_small


def test_says_nothing_beside_the_answer(
    boat: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Guards against llama.cpp's log between the lines of an answer, or in a JSON document."""
    cut = folder / "cut-quietly.gguf"
    cut.write_bytes(boat.read_bytes()[: boat.stat().st_size // 2])
    narrow = gguf_files.scripted(folder / "narrow-quietly.gguf", BOAT, window=64)
    capfd.readouterr()
    model = GgufModel(boat)
    assert written(model, user("Who?")) == "".join(BOAT)
    with closing(model.write(user("Who?"), max_tokens=24)) as pieces:  # type: ignore[type-var]
        next(pieces)
    del model
    with pytest.raises(GeneratorError):
        GgufModel(cut)
    with pytest.raises(GeneratorError):
        written(GgufModel(narrow), user(LONG))
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_said_to_it(boat: Path) -> None:
    """Half a character, from a command line in another encoding, is an error and not a traceback;
    what only looks odd is said.
    """
    model = GgufModel(boat)
    with pytest.raises(GeneratorError, match=r"^boat\.gguf failed: "):
        written(model, user("Who\udcff?"))
    assert not writers()
    for odd in ("a\0b", "\u202e😀", "{{ 7 * 7 }} {% raw %}", '"}]'):
        assert written(model, user(odd)) == "".join(BOAT)


def test_without_the_library(boat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against an ImportError that does not say what to install."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"rzen\[gguf\]"):
        GgufModel(boat)


def unusable(boat: Path, folder: Path) -> dict[str, Path]:
    data = boat.read_bytes()
    contents = {
        "half": data[: len(data) // 2],
        "head": data[:600],
        "empty": b"",
        "text": b"GGUF is a format of files.\n" * 40,
        "zip": b"PK\x03\x04" + bytes(100),
        "old": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "nothing-in-it": b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
    }
    made = {name: folder / f"unusable-{name}.gguf" for name in contents}
    for name, content in contents.items():
        made[name].write_bytes(content)
    return made | {"missing": folder / "unusable-missing.gguf", "folder": folder}


def test_files_that_are_no_model(boat: Path, folder: Path) -> None:
    """Guards against a traceback, or the end of the process, for a download that broke off."""
    for name, file in unusable(boat, folder).items():
        with pytest.raises(GeneratorError) as told:
            GgufModel(file)
        assert str(file) in str(told.value), name
        assert "\n" not in str(told.value), name


@pytest.mark.parametrize(
    ("template", "window"),
    [("{% for x in %}{{", 512), ("{{ messages[0].content.no() }}]", 512), (None, None)],
)
def test_models_that_llama_cpp_refuses(
    folder: Path, template: str | None, window: int | None
) -> None:
    """Guards against its RuntimeError, which names no file: for a template that is no Jinja or
    fails, and for a model that does not say its window.
    """
    file = gguf_files.scripted(folder / "refused.gguf", BOAT, template=template, window=window)
    with pytest.raises(GeneratorError, match=re.escape(str(file))):
        GgufModel(file)


# The port on loopback


def reply(
    address: str, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    parts = urlsplit(address)
    body = (
        '{"prompt": "x", "content": "x", "input": "x", "query": "x", "documents": ["x"], '
        '"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "n_predict": 2}'
    )
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    with closing(connection):
        kind = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        sent = body if method == "POST" else None
        connection.request(method, path, sent, {**kind, **(headers or {})})
        response = connection.getresponse()
        data = response.read()
    return response.status, data


@pytest.fixture
def listening(random: Path) -> Iterator[tuple[GgufModel, str]]:
    """A model that was asked something, and the address that its library listens at."""
    model = GgufModel(random)
    written(model, user("Where is the treasure?"))
    yield model, model._server.listening_address
    del model


WRITES = [
    "/v1/chat/completions", "/chat/completions", "/completion", "/completions", "/v1/completions",
    "/v1/messages", "/v1/messages/count_tokens", "/v1/responses", "/responses", "/api/chat",
    "/infill", "/embedding", "/embeddings", "/v1/embeddings", "/rerank", "/v1/rerank",
    "/tokenize", "/detokenize", "/apply-template", "/props", "/lora-adapters",
    "/slots/0?action=save", "/slots/0?action=restore", "/slots/0?action=erase", "/api/show",
    "/models/load", "/models/unload", "/cors-proxy?url=http://127.0.0.1/",
]  # fmt: skip
TELLS = [
    "/props", "/slots", "/metrics", "/models", "/v1/models", "/api/tags", "/lora-adapters",
    "/tools", "/cors-proxy?url=http://127.0.0.1/", "/nothing", "/health/../props", "//v1/models",
    "/props?x=/health",
]  # fmt: skip


@pytest.mark.enable_socket
def test_nobody_else_can_ask_the_model(listening: tuple[GgufModel, str]) -> None:
    """The library opens a port: other users of the machine, and web pages in its browser, could ask
    the model, and read what was asked before. The key that they need is told to nobody.
    """
    _, address = listening
    for path in WRITES:
        assert reply(address, "POST", path)[0] == 401, path
    for path in TELLS:
        assert reply(address, "GET", path)[0] == 401, path
    for wrong in ("Bearer ", "Bearer None", "Bearer wrong", "Basic Og=="):
        answer = reply(address, "POST", "/v1/chat/completions", {"Authorization": wrong})
        assert answer[0] == 401, wrong
    for wrong in ("", "wrong"):
        answer = reply(address, "POST", "/v1/messages", {"X-Api-Key": wrong})
        assert answer[0] == 401, wrong


@pytest.mark.enable_socket
def test_the_key_is_what_opens(listening: tuple[GgufModel, str], boat: Path) -> None:
    """Shows that the test above can fail: without a key the library answers."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(boat)
    parameters.n_ctx, parameters.n_parallel = 256, 1
    parameters.verbosity, parameters.warmup = -1, False
    parameters.cpuparams.n_threads = 1
    open_one = xllamacpp.Server(parameters)
    for path in ("/v1/chat/completions", "/completion"):
        assert reply(open_one.listening_address, "POST", path)[0] == 200
    assert reply(open_one.listening_address, "GET", "/props")[0] == 200


@pytest.mark.enable_socket
def test_what_needs_no_key_tells_nothing(listening: tuple[GgufModel, str], random: Path) -> None:
    """Some routes answer anybody: whether it is up, and the library's own empty web page."""
    import gzip

    _, address = listening
    assert reply(address, "GET", "/health") == (200, b'{"status":"ok"}')
    for path in ("/", "/index.html", "/v1/health", "/favicon.ico", "/sw.js", "/build.json"):
        _, data = reply(address, "GET", path)
        with suppress(gzip.BadGzipFile, EOFError):
            data = gzip.decompress(data)
        for secret in (b"treasure", str(random).encode(), random.name.encode()):
            assert secret not in data, path


@pytest.mark.enable_socket
def test_it_listens_on_loopback_alone_and_as_long_as_the_model_lives(random: Path) -> None:
    """Guards against a port that the network sees, and against one that stays open for good."""
    model = asked_once(GgufModel(random))
    address = model._server.listening_address
    assert urlsplit(address).hostname == "127.0.0.1"
    assert reply(address, "GET", "/health")[0] == 200
    del model
    with pytest.raises(ConnectionRefusedError):
        reply(address, "GET", "/health")


def test_every_model_has_a_key_of_its_own(boat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a key that can be read in this file, guessed, or is the same for all."""
    import xllamacpp

    keys: list[str] = []
    made = xllamacpp.Server

    def server(parameters: Any) -> Any:
        keys.extend(parameters.api_keys)
        return made(parameters)

    monkeypatch.setattr(xllamacpp, "Server", server)
    for _ in range(3):
        asked_once(GgufModel(boat))
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 32


def run_apart(script: str, seconds: float) -> "subprocess.CompletedProcess[str]":
    """Runs a script in a process of its own, one thread a model."""
    before = """
        import pathlib, sys
        from rzen.errors import GeneratorError
        from rzen.rag import gguf
        from rzen.rag.language_model import Message
        gguf.available_cores = lambda: 1
        asked = [Message("user", ("Go!",))]
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(before) + textwrap.dedent(script)],
        capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


def test_the_process_ends_while_it_writes(endless: Path) -> None:
    """Guards against a process that hangs at its end, or dies of a signal: a program that leaves in
    the middle of an answer without closing anything.
    """
    script = f"""
        model = gguf.GgufModel(pathlib.Path({str(endless)!r}))
        pieces = model.write(asked, max_tokens=100_000)
        print(next(pieces))
    """
    done = run_apart(script, 60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "I\n", "")


def test_models_that_nobody_asks_go_away(boat: Path) -> None:
    """Guards against a process that hangs, deaf to Ctrl-C, when a model is made and then not asked:
    nothing was found, or the search failed.
    """
    script = f"""
        for _ in range(400):
            gguf.GgufModel(pathlib.Path({str(boat)!r}))
    """
    assert run_apart(script, 15).returncode == 0


@pytest.mark.parametrize("window", [0, 1])
def test_windows_that_no_model_has(tmp_path: Path, window: int) -> None:
    """Guards against a file that ends the process of whoever opens it, index and all."""
    template = "{{ messages[0].content }}" * 99 + "]"
    file = gguf_files.scripted(tmp_path / "a.gguf", BOAT, template=template, window=window)
    script = f"""
        try:
            list(gguf.GgufModel(pathlib.Path({str(file)!r})).write(asked, max_tokens=9))
        except GeneratorError:
            print("refused")
    """
    done = run_apart(script, 60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")


# The head of the file


@pytest.mark.parametrize("template", [None, "", gguf_files.TEMPLATE, "{{ 'ü😀' }}\n" * 5000])
@pytest.mark.parametrize("window", [None, 0, 77, 1 << 17])
def test_reads_template_and_window(
    tmp_path: Path, template: str | None, window: int | None
) -> None:
    """Guards against a template that is missed, behind vocabularies that have to be skipped."""
    file = gguf_files.scripted(tmp_path / "a.gguf", BOAT, template=template, window=window)
    header = Header(
        architecture="llama",
        chat_template=template or "",
        window=window,
        control=("<s>", "</s>"),
    )
    assert read_header(file) == header


def test_reads_what_the_library_gguf_reads(random: Path) -> None:
    """Guards against a reader that agrees with its tests alone."""
    import gguf

    fields = gguf.GGUFReader(random).fields
    header = read_header(random)
    assert header.chat_template == fields["tokenizer.chat_template"].contents()
    assert header.window == fields["llama.context_length"].contents()
    assert header.architecture == fields["general.architecture"].contents()


def entry(key: str, kind: int, value: bytes) -> bytes:
    name = key.encode()
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def head(*entries: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(entries)) + b"".join(entries)


@pytest.mark.parametrize("version", [2, 3])
def test_order_and_kinds_do_not_matter(tmp_path: Path, version: int) -> None:
    """Guards against entries of one kind that throw the reader off for all that follow."""
    numbers = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
    numbers |= {10: "<Q", 11: "<q", 12: "<d"}
    others = [entry(f"n{kind}", kind, struct.pack(form, 1)) for kind, form in numbers.items()]
    others += [
        entry(f"a{kind}", 9, struct.pack("<IQ", kind, 3) + struct.pack(form, 1) * 3)
        for kind, form in numbers.items()
    ]
    others.append(entry("words", 9, struct.pack("<IQ", 8, 2) + text("ü") + text("")))
    file = tmp_path / "a.gguf"
    for width, form in ((2, "<H"), (4, "<I"), (5, "<i"), (10, "<Q"), (11, "<q")):
        wanted = [
            entry("x.context_length", width, struct.pack(form, 400)),
            entry("tokenizer.chat_template", 8, text("{{ x }}")),
            entry("general.architecture", 8, text("x")),
        ]
        file.write_bytes(head(*others, *wanted, *others, version=version))
        expected = Header(architecture="x", chat_template="{{ x }}", window=400)
        assert read_header(file) == expected
    file.write_bytes(head(entry("tokenizer.chat_template", 4, struct.pack("<I", 7))))
    assert read_header(file) == Header(architecture=""), "a number is no template"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not begin as one"),
        (b"GGUF", "GGUF"),
        (b"GGML" + bytes(100), "does not begin as one"),
        (b"The boat is red.\n" * 99, "does not begin as one"),
        (head(version=1), "version 1"),
        (head(version=4), "version 4"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "entries"),
        (head(entry("a", 13, b"")), "kind 13"),
        (head(entry("a", 8, struct.pack("<Q", 1 << 63))), "bytes"),
        (head(entry("a", 9, struct.pack("<IQ", 8, 1 << 62))), "array"),
        (head(entry("a", 9, struct.pack("<IQ", 4, 1 << 62))), "array"),
        (head(entry("a", 9, struct.pack("<IQ", 99, 1))), "kind 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", (1 << 64) - 1), "bytes"),
    ],
)
def test_heads_that_are_none(tmp_path: Path, data: bytes, said: str) -> None:
    """Guards against tracebacks, and memory for what a damaged length claims."""
    file = tmp_path / "bad.gguf"
    file.write_bytes(data)
    with pytest.raises(GeneratorError, match=said) as told:
        read_header(file)
    assert str(file) in str(told.value)
    assert "fetch the model again" in str(told.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    """Guards against a traceback for a folder, a slip in the path, or a file of somebody else's."""
    for file in (tmp_path, tmp_path / "none.gguf", tmp_path / "none" / "a.gguf"):
        with pytest.raises(GeneratorError, match="check the path") as told:
            read_header(file)
        assert str(file) in str(told.value)


def whole_head() -> bytes:
    """A head with all that one holds, in some hundred bytes: mutations hit what matters."""
    return head(
        entry("general.architecture", 8, text("x")),
        entry("words", 9, struct.pack("<IQ", 8, 3) + text("a") + text("bc") + text("")),
        entry("scores", 9, struct.pack("<IQ", 6, 3) + struct.pack("<3f", 1, 2, 3)),
        entry("x.context_length", 4, struct.pack("<I", 512)),
        entry("flag", 7, b"\x01"),
        entry("tokenizer.chat_template", 8, text("{{ messages }}")),
        entry("end", 10, struct.pack("<Q", 5)),
    )


WHOLE = whole_head()


class FileOf:
    """A file that is never on a disk."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def open(self, mode: str) -> io.BytesIO:
        assert mode == "rb"
        return io.BytesIO(self.data)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8)), max_size=4
    ),
    st.integers(0, len(WHOLE)) | st.just(len(WHOLE)),
    st.binary(max_size=20),
)
@example([], len(WHOLE), b"")
def test_damaged_heads(changes: list[tuple[int, bytes]], length: int, behind: bytes) -> None:
    """Guards against any other exception, and against a length that is believed: a damaged one may
    claim exabytes, or four thousand million entries.
    """
    data = bytearray(WHOLE)
    for at, new in changes:
        data[at : at + len(new)] = new
    file: Any = FileOf(bytes(data[:length]) + behind)
    tracemalloc.start()
    begun = time.process_time()
    try:
        header = read_header(file)
    except GeneratorError as error:
        assert "fetch the model again" in str(error)  # noqa: PT017 (either is right)
    else:
        assert isinstance(header, Header)
        assert isinstance(header.chat_template, str)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - begun < 1
    assert most < 40_000_000


@settings(max_examples=40)
@given(st.data())
def test_cut_and_flipped_files(boat: Path, data: st.DataObject) -> None:
    """The same on a real file, on disk: every cut through its head is told, no flip is a crash."""
    content = bytearray(boat.read_bytes()[:8192])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file = boat.with_name("flipped.gguf")
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    begun = time.process_time()
    with suppress(GeneratorError):
        assert isinstance(read_header(file), Header)
    assert time.process_time() - begun < 1


def test_every_cut_through_the_head_is_told(tmp_path: Path) -> None:
    """Guards against the beginning of a download taken for a model without a template."""
    file = tmp_path / "cut.gguf"
    for length in range(len(WHOLE)):
        file.write_bytes(WHOLE[:length])
        with pytest.raises(GeneratorError, match="fetch the model again"):
            read_header(file)
    file.write_bytes(WHOLE)
    assert read_header(file) == Header(architecture="x", chat_template="{{ messages }}", window=512)
