"""Several tasks in one batch, from the recipe's words to the prompts that the network sees."""

from pathlib import Path
from typing import Any

import pytest

from lora_files import PEFT_WARNINGS
from rzen.training import losses, trainer
from rzen.training.backbones.vision_language import VisionLanguageBackbone
from training_runs import DEFAULTS, SHORT, train, write_shapes, write_texts, written

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]

MIXED = f"""
{SHORT}
{DEFAULTS.replace("size = 4", "size = 8, sub_batches = 2, hard_negatives = 1")}
[data]
[data.instructions]
"image classification" = "Name it."
"text retrieval" = "Never said: the source says something else."
[data.document_instructions]
"image retrieval" = "Seen by a camera."
[[data.source]]
kind = "jsonl"
path = "rows.jsonl"
name = "shapes"
instructions = {{ "image retrieval" = "Find the picture." }}
[[data.source]]
kind = "jsonl"
path = "texts.jsonl"
name = "words"
columns = {{ query_text = "q", positive_text = "p", negative_text = "n" }}
task = "text retrieval"
instruction = "Find the text."
document_instruction = "Read it."
[[stage]]
name = "mixed"
steps = 4
temperature = {{ initial = 0.05, start = {{ "text retrieval" = 0.1 }}, learned = false }}
[[stage]]
name = "words alone"
sources = ["words"]
steps = 1
[evaluation]
suite = ""
"""
# What is said -> what may follow, with {} for a colour or a word; pictures stand before it.
SAID = {
    "Find the picture.": "a ",
    "Find the text.": "where is ",
    "Read it.": "",
    "Name it.": None,
    "Seen by a camera.": None,
}


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The user's turn of all that the network is called with."""
    found: list[str] = []
    encode = VisionLanguageBackbone.encode

    def spy(self: VisionLanguageBackbone, prepared: Any) -> Any:
        for each in prepared:
            text = self._model.tokenizer.decode(each.ids_S.tolist())
            found.append(text.split("<|im_start|>user\n")[1].split("<|im_end|>")[0])
        return encode(self, prepared)

    monkeypatch.setattr(VisionLanguageBackbone, "encode", spy)
    return found


@pytest.fixture
def temperatures(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """Of the rows of each batch."""
    found: list[list[float]] = []

    def spy(query: Any, document: Any, positive: Any, own: Any, **options: Any) -> Any:
        found.append([round(each, 4) for each in own.tolist()])
        return losses.info_nce(query, document, positive, own, **options)

    monkeypatch.setattr(trainer, "info_nce", spy)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    return write_shapes(write_texts(tmp_path / "data"))


def test_every_row_gets_its_own_instruction_and_temperature(
    folder: Path, tmp_path: Path, prompts: list[str], temperatures: list[list[float]]
) -> None:
    """Instructions of one task said to another in the same batch, queries' said to documents, one
    temperature for all rows; and a stage of one source that fails over tasks of the other."""
    ran = train(written(folder, MIXED), tmp_path / "run")
    assert ran.outcome.is_done
    assert [each[2] for each in ran.heard.stages] == [24 + 24, 24]
    heard = set()
    for prompt in prompts:
        seen, words = prompt.rpartition("<|vision_end|>")[1:]
        said = next((each for each in SAID if words.startswith(each)), "")
        heard.add(said)
        if said:
            follows = SAID[said]
            assert bool(seen) == (follows is None), prompt
            assert words.removeprefix(said).startswith(follows or ""), prompt
            if said == "Read it.":
                assert words.endswith((" is here", " is not"))
            assert seen == "" or words == said, prompt
        else:
            assert len(words.split()) == 2, "the name of a class, of which nothing is said"
            assert not seen
    assert heard == {*SAID, ""}
    mixed = [report for stage, report in ran.heard.reports if stage == "mixed"]
    for report, own in zip(mixed, temperatures[:4], strict=True):
        assert len(own) == 8
        told = {0.1 if task == "text retrieval" else 0.05 for task in report.temperatures}
        assert set(own) == told
        assert all(own.count(each) == 8 // len(told) for each in told)
    assert any(len(set(own)) == 2 for own in temperatures[:4]), "two tasks in one batch"


@pytest.mark.parametrize("negatives", ["batch", "sub-batch"])
def test_whose_documents_a_query_meets(
    negatives: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that nobody reads: answers of another task are negatives though they must not."""
    candidates: list[Any] = []

    def spy(query: Any, *rest: Any, candidate_BM: Any, **options: Any) -> Any:
        candidates.append(candidate_BM)
        return losses.info_nce(query, *rest, candidate_BM=candidate_BM, **options)

    monkeypatch.setattr(trainer, "info_nce", spy)
    changes = {"stage.mixed.batch.negatives": negatives, "stage.mixed.steps": 1}
    train(written(folder, MIXED), tmp_path / "run", changes=changes)
    (found,) = candidates[:1]
    if negatives == "batch":
        assert found is None
        return
    first, second = found[0], found[-1]
    assert found[:4].equal(first.expand(4, -1))
    assert found[4:].equal(second.expand(4, -1))
    assert bool((first | second).all())
    assert not bool((first & second).any()), "no document of two tasks here"
