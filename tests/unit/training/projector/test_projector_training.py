"""Projectors: what they learn, what stays as it was, resuming, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import PIL.Image
import pytest
import torch

import language_models as tiny
from rzen import load
from rzen.config import AskSettings, Limits, ModelSettings
from rzen.data.questions.question_set import Item, Question, QuestionSet
from rzen.data.questions.rows import rows_of
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import DataError, GeneratorError, UsageError
from rzen.rag import generators
from rzen.rag.language_model import SoftItem
from rzen.rag.local import projector as projectors
from rzen.rag.local.projector import Projector, ProjectorShape
from rzen.training import checkpoints
from rzen.training.projector import rows as question_rows
from rzen.training.projector.recipe import is_projector_recipe, read_projector_recipe
from rzen.training.projector.rows import of_file
from rzen.training.projector.run import ProjectorRun
from rzen.training.projector.trainer import ProjectorReport
from rzen.training.ranks import Ranks
from rzen.types import Content, Evidence, Hit, Image, Text

COLOURS = ("red", "blue", "green", "gold")


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[ProjectorReport] = []
        self.warnings: list[str] = []

    def begin(self, name: str, steps: int, about: str) -> None:
        pass

    def on_step(self, stage: str, report: ProjectorReport) -> None:
        assert stage in ("one", "two")
        self.reports.append(report)

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)

    def on_saved(self, path: Path) -> None:
        pass


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model, rows, and a recipe that names them."""
    folder = tmp_path_factory.mktemp("projector")
    tiny.write_checkpoint(folder / "model", tiny.language_model(3, template=tiny.TEMPLATE))
    rows = [
        {
            "question": "What colour?",
            "answer": colour,
            "items": [{"text": f"thing {number} is {colour}"}],
        }
        for number in range(8)
        for colour in COLOURS
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    (folder / "recipe.toml").write_text(
        'name = "toy"\ngenerator = "model"\nencoder = "dummy"\n'
        "[projector]\ntokens = 2\nhidden = 32\n"
        '[[stage]]\nname = "one"\nrows = [{ file = "rows.jsonl" }]\nsteps = 12\n'
        "batch = { size = 8, chunk = 3 }\ncheckpoint = { every_steps = 4 }\n"
        "optimizer = { learning_rate = 0.02 }\n"
    )
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


def run(
    home: Path,
    folder: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    allow_changes: bool = False,
    **changes: Any,
) -> tuple[Path | None, Listener]:
    listener = Listener()
    named = {name.replace("__", "."): value for name, value in changes.items()}
    model = ProjectorRun(
        recipe=read_projector_recipe(home / "recipe.toml", named),
        recipe_folder=home,
        folder=folder,
        encoder=load("dummy"),
        ranks=Ranks(device="cpu"),
        listener=listener,
        limits=Limits(),
        model=ModelSettings(),
        stop=stop,
        allow_changes=allow_changes,
    ).run()
    return model, listener


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / projectors.WEIGHTS)


def test_it_learns_and_the_language_model_stays(home: Path, tmp_path: Path) -> None:
    """Guards against a projector without a gradient, and a model that is trained along."""
    before = (home / "model" / "model.safetensors").read_bytes()
    model, listener = run(home, tmp_path / "run", stage__one__steps=25)
    losses = [report.loss for report in listener.reports]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert model is not None
    assert (home / "model" / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in model.iterdir()) == [
        "README.md",
        projectors.CONFIG,
        projectors.WEIGHTS,
    ]


def test_chunks_and_the_shared_beginning_change_nothing(home: Path, tmp_path: Path) -> None:
    """Guards against a gradient that hangs on how a batch is cut: golden by construction."""
    _, small = run(home, tmp_path / "a", stage__one__steps=3)
    _, whole = run(home, tmp_path / "b", stage__one__steps=3, stage__one__batch={"size": 8})
    for one, other in zip(small.reports, whole.reports, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(home: Path, tmp_path: Path) -> None:
    """Guards against rows, rates or moments that are lost with a checkpoint."""
    whole, _ = run(home, tmp_path / "whole")
    seen: list[int] = []

    def stop() -> bool:
        seen.append(1)
        return len(seen) == 6

    stopped, first = run(home, tmp_path / "cut", stop=stop)
    assert stopped is None
    assert len(first.reports) == 6
    ended, second = run(home, tmp_path / "cut")
    assert [report.step for report in second.reports] == list(range(7, 13))
    assert whole is not None
    assert ended is not None
    for name, value in weights(whole).items():
        torch.testing.assert_close(value, weights(ended)[name], rtol=1e-5, atol=1e-6)
    lines = (tmp_path / "cut" / "one" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 13))


def test_stages_go_on_from_each_other(home: Path, tmp_path: Path) -> None:
    """Guards against a second stage that begins anew."""
    recipe = (home / "recipe.toml").read_text()
    second = recipe[recipe.index("[[stage]]") :].replace('"one"', '"two"')
    (home / "two.toml").write_text(recipe + second)
    listener = Listener()
    ProjectorRun(
        recipe=read_projector_recipe(home / "two.toml"),
        recipe_folder=home,
        folder=tmp_path / "run",
        encoder=load("dummy"),
        ranks=Ranks(device="cpu"),
        listener=listener,
        limits=Limits(),
        model=ModelSettings(),
    ).run()
    first, last = listener.reports[:12], listener.reports[12:]
    assert last[0].loss < 0.8 * first[0].loss


def test_another_recipe_is_no_continuation(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "run", stop=lambda: True)
    with pytest.raises(UsageError, match="seed: 1 -> 2"):
        run(home, tmp_path / "run", seed=2)
    _, listener = run(home, tmp_path / "run", seed=2, allow_changes=True)
    assert any("seed" in warning for warning in listener.warnings)


def test_a_twin_sees_nothing(home: Path, tmp_path: Path) -> None:
    """Guards against a twin that is told apart by its items: other items give the same losses."""
    rows = [json.loads(line) for line in (home / "rows.jsonl").read_text().splitlines()]
    items = [row["items"] for row in rows]
    moved = [{**row, "items": items[at - 5]} for at, row in enumerate(rows)]
    (home / "moved.jsonl").write_text("".join(json.dumps(row) + "\n" for row in moved))

    def losses(zeroed: bool, file: str) -> list[float]:
        _, listener = run(
            home,
            tmp_path / f"{zeroed}-{file}",
            zeroed=zeroed,
            stage__one__steps=3,
            stage__one__rows=[{"file": file}],
        )
        return [report.loss for report in listener.reports]

    assert losses(True, "rows.jsonl") == losses(True, "moved.jsonl")
    assert losses(False, "rows.jsonl") != losses(False, "moved.jsonl")


def test_lora_trains_the_language_model_along(home: Path, tmp_path: Path) -> None:
    """Guards against adapters that are trained and not written, or not read."""
    lora = {"rank": 2, "alpha": 4.0}
    model, _ = run(home, tmp_path / "lora", lora=lora, stage__one__steps=6)
    assert model is not None
    assert (model / "adapter" / "adapter_model.safetensors").is_file()
    with_it = generator(home, model)
    (model / "adapter").rename(model / "elsewhere")
    without = generator(home, model)
    assert scores(with_it, 0, 0) != pytest.approx(scores(without, 0, 0))


def generator(home: Path, model: Path, encoder: Any = None) -> Any:
    settings = AskSettings(fusion="projector", projector=model, answer_tokens=12)
    return generators.create(str(home / "model"), settings, encoder=encoder or load("dummy"))


def scores(made: Any, number: int, colour: int) -> float:
    """log p of the right answer of a row."""
    content = Content(Text(f"thing {number} is {COLOURS[colour]}"))
    vector = np.asarray(load("dummy").encode([content], role="document"))[0]
    evidence = Evidence(
        number=1, hit=Hit(id="a", modality="text", uri="", score=1.0), text="", vector=vector
    )
    return float(made.scores("What colour?", [evidence], [COLOURS[colour]])[0])


def test_what_was_trained_is_what_is_asked(home: Path, tmp_path: Path) -> None:
    """Guards against a prompt of answering that differs from the prompt of training.

    The loss of a step over all rows is what the fusion says of their answers.
    """
    model, listener = run(
        home,
        tmp_path / "run",
        stage__one__steps=1,
        stage__one__batch={"size": 32},
        stage__one__optimizer={"learning_rate": 1e-12},
    )
    assert model is not None
    made = generator(home, model)
    told = sum(scores(made, number, colour) for number in range(8) for colour in range(4))
    tokens = 8 * sum(len(colour) + 1 for colour in COLOURS)
    assert listener.reports[0].loss == pytest.approx(-told / tokens, rel=1e-4)


def test_another_encoder_or_model_is_refused(home: Path, tmp_path: Path) -> None:
    model, _ = run(home, tmp_path / "run", stage__one__steps=1)
    assert model is not None

    class Other(DummyEncoder):
        @property
        def fingerprint(self) -> Any:
            return replace(super().fingerprint, weights="others", encoder="other")

    with pytest.raises(GeneratorError, match=r"vectors of dummy.*--encoder dummy"):
        generator(home, model, Other())
    tiny.write_checkpoint(tmp_path / "model", tiny.language_model(4, template=tiny.TEMPLATE))
    settings = AskSettings(fusion="projector", projector=model)
    with pytest.raises(GeneratorError, match="was trained for the language model"):
        generators.create(str(tmp_path / "model"), settings, encoder=load("dummy"))
    with pytest.raises(GeneratorError, match="holds no projector"):
        generator(home, tmp_path)
    (model / projectors.WEIGHTS).write_bytes(b"nonsense")
    with pytest.raises(GeneratorError, match="cannot be read"):
        generator(home, model)


def test_rows_that_cannot_be_read_are_named(home: Path, tmp_path: Path) -> None:
    """Guards against a run on the half of the rows whose pictures were there."""
    good = (home / "rows.jsonl").read_text().splitlines()
    bad = [
        '{"question": "?", "answer": "x", "items": [{"image": "gone.png"}]}',
        '{"question": "?", "answer": 3, "items": []}',
        "no JSON",
        '{"question": "?", "answer": "x", "items": [{"sound": "a.wav"}]}',
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join([*good, *bad]) + "\n")
    with pytest.raises(DataError, match=r"4 of 36 rows cannot be read, more than max_failed 0\.05"):
        question_rows.read([of_file(file)], load("dummy"), Limits(), store=tmp_path / "store")
    read = question_rows.read(
        [of_file(file)], load("dummy"), Limits(), store=tmp_path / "store", max_failed=0.2
    )
    assert len(read.rows) == 32
    told = "\n".join(read.failed)
    for number, reason in ((33, "gone.png"), (34, "answer"), (35, "JSON"), (36, "sound")):
        assert f"rows.jsonl:{number}:" in told
        assert reason in told


@pytest.fixture
def red_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QuestionSet:
    """A question about a picture, in the place of those about rzen-bench."""
    picture = tmp_path / "red.png"
    PIL.Image.new("RGB", (8, 8), "red").save(picture)
    made = QuestionSet(
        name="pictures-train",
        split="train",
        corpus=(Item(id="a", content=Content(Image(picture))),),
        questions=(
            Question(
                id="q",
                family="pictures",
                template="colour",
                text="What colour?",
                answer="red",
                candidates=("blue", "red"),
                gold=("a",),
            ),
        ),
    )

    def question_set(family: str, split: str) -> QuestionSet:
        assert (family, split) == ("pictures", "train")
        return made

    monkeypatch.setattr("rzen.training.projector.run.question_set", question_set)
    return made


QUESTIONS: dict[str, Any] = {
    "stage__one__rows": [{"questions": "pictures"}],
    "stage__one__steps": 1,
}


def test_questions_of_the_suite_are_rows(
    home: Path, tmp_path: Path, red_question: QuestionSet
) -> None:
    """Guards the recipe that is shipped: its rows are built, and are those of the train split."""
    model, _ = run(home, tmp_path / "run", **QUESTIONS)
    assert model is not None
    assert "rzen-bench's questions, pictures" in (model / "README.md").read_text()
    (row,) = rows_of(red_question)
    assert row == {
        "id": "q",
        "question": "What colour?",
        "answer": "red",
        "items": [{"image": str(tmp_path / "red.png")}],
    }


@pytest.mark.usefixtures("red_question")
def test_a_run_that_was_stopped_while_items_were_encoded_goes_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a folder with half of a beginning, which is taken for something else's."""
    with monkeypatch.context() as patched:
        patched.setattr(DummyEncoder, "encode", MagicMock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(home, tmp_path / "run", **QUESTIONS)
    model, _ = run(home, tmp_path / "run", **QUESTIONS)
    assert model is not None


@pytest.mark.parametrize("rows", [{}, {"file": "rows.jsonl", "questions": "pictures"}])
def test_rows_come_from_one_place(home: Path, tmp_path: Path, rows: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="name a file or questions"):
        run(home, tmp_path / "run", stage__one__rows=[rows])


def test_items_are_encoded_once(home: Path, tmp_path: Path) -> None:
    """Guards against an hour of encoding at each start."""

    class Counting(DummyEncoder):
        count = 0

        def encode(self, contents: Any, **options: Any) -> Any:
            Counting.count += len(contents)
            return super().encode(contents, **options)

    files = [of_file(home / "rows.jsonl")]
    first = question_rows.read(files, Counting(), Limits(), store=tmp_path)
    assert Counting.count == 32
    second = question_rows.read(files, Counting(), Limits(), store=tmp_path)
    assert Counting.count == 32
    np.testing.assert_array_equal(first.vector_ID, second.vector_ID)


def test_vectors_are_kept_by_file_not_by_its_name(tmp_path: Path) -> None:
    """Guards against vectors of a picture that was there before, and against encoding all pictures
    again for each run that has its rows in a folder of its own."""
    picture = tmp_path / "a.png"
    PIL.Image.new("RGB", (8, 8), "red").save(picture)
    store = tmp_path / "store"

    def vector_in(run: str, name: str) -> Any:
        (tmp_path / run).mkdir(exist_ok=True)
        row = {"question": "What?", "answer": "red", "items": [{"image": name}]}
        (tmp_path / run / "rows.jsonl").write_text(json.dumps(row) + "\n")
        files = [of_file(tmp_path / run / "rows.jsonl")]
        encoder = MagicMock(wraps=DummyEncoder())
        encoder.configure_mock(
            dim=DummyEncoder().dim,
            fingerprint=DummyEncoder().fingerprint,
            budget=DummyEncoder().budget,
        )
        read = question_rows.read(files, encoder, Limits(), store=store)
        return read.vector_ID[0], encoder.encode.call_count

    before, calls = vector_in("one", str(picture))
    assert calls == 1
    again, calls = vector_in("two", str(picture))
    assert calls == 0
    np.testing.assert_array_equal(before, again)
    PIL.Image.new("RGB", (9, 8), "blue").save(picture)
    after, calls = vector_in("one", str(picture))
    assert calls == 1
    assert np.abs(after - before).max() > 1e-3


def test_every_row_comes_once_an_epoch(home: Path, tmp_path: Path) -> None:
    """Guards against rows that are never seen: batches are drawn without replacement."""
    from rzen.training.projector.trainer import ProjectorTrainer

    recipe = read_projector_recipe(home / "recipe.toml")
    read = question_rows.read(
        [of_file(home / "rows.jsonl")], load("dummy"), Limits(), store=tmp_path
    )
    loaded = tiny.language_model(template=tiny.TEMPLATE)
    loaded.network.requires_grad_(False)
    shape = ProjectorShape(dim=load("dummy").dim, hidden=8, tokens=1, width=32)
    trainer = ProjectorTrainer(
        loaded=loaded,
        projector=Projector(shape),
        rows=read,
        zeroed=False,
        settings=recipe.stage[0],
        folder=tmp_path,
        seed=1,
        watcher=Listener(),  # type: ignore[arg-type]
    )
    epochs = [[row for step in range(at, at + 4) for row in trainer._batch(step)] for at in (0, 4)]
    assert [sorted(each) for each in epochs] == [list(range(32))] * 2
    assert epochs[0] != epochs[1]


def test_a_projector_keeps_the_size_of_words_and_can_shut(tmp_path: Path) -> None:
    """Guards against soft tokens a hundred times as large as words; and says what the gate does."""
    shape = ProjectorShape(dim=6, hidden=8, tokens=3, width=32)
    torch.manual_seed(0)
    projector = Projector(shape, size=0.1)
    item = SoftItem(vector_D=np.ones(6, np.float32) / np.sqrt(6, dtype=np.float32), modality="page")
    soft = projector.project([item, item])
    assert soft.shape == (2, 3, 32)
    assert 0.05 < float(soft.detach().square().mean().sqrt()) < 0.1
    with torch.no_grad():
        projector.gate.bias.fill_(-50.0)
        projector.nothing_TH.fill_(7.0)
    assert torch.allclose(projector.project([item]), torch.full((1, 3, 32), 7.0))
    with pytest.raises(GeneratorError, match="takes vectors of 6 dimensions"):
        projector.project([SoftItem(vector_D=np.ones(5, np.float32), modality="page")])


def test_recipes_of_both_kinds_are_told_apart(home: Path) -> None:
    assert is_projector_recipe(home / "recipe.toml")
    assert not is_projector_recipe(Path("recipes/offline.toml"))
    assert not is_projector_recipe(home / "missing.toml")
    with pytest.raises(UsageError, match=r"stepz.*did you mean 'steps'"):
        read_projector_recipe(home / "recipe.toml", {"stage.one.stepz": 3})


def test_a_damaged_checkpoint_is_named(home: Path, tmp_path: Path) -> None:
    """Guards against a run that silently begins earlier than it stopped."""
    seen: list[int] = []

    def stop() -> bool:
        seen.append(1)
        return len(seen) == 8

    run(home, tmp_path / "run", stop=stop)
    newest = checkpoints.newest(tmp_path / "run" / "one" / "checkpoints")
    assert newest is not None
    (newest / "weights.safetensors").write_bytes(b"x")
    _, listener = run(home, tmp_path / "run")
    assert any("is damaged" in warning for warning in listener.warnings)
    assert listener.reports[0].step == 5
