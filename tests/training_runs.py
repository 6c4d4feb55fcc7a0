"""Runs small enough for a test: shapes and their names, a recipe, and a run of it in process."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from lora_files import RZEN
from rzen.config import Limits
from rzen.data.mixture import Mixture
from rzen.training.batch import FailedRow
from rzen.training.processes import Processes
from rzen.training.recipe import read_recipe
from rzen.training.stages import Measure, Run, RunOutcome
from rzen.training.trainer import StepReport

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "yellow": (230, 220, 40),
    "black": (10, 10, 10),
    "white": (250, 250, 250),
}
SHAPES = ("square", "bar")
RETRIEVAL, CLASSES = "image retrieval", "image classification"

NETWORK = f"""
name = "toy"
[network]
base = "{RZEN}"
template = "rzen-paper"
look = {{ picture_tokens = [4, 4] }}
lora = {{ rank = 4, alpha = 8 }}
"""
SHORT = NETWORK.replace("rzen-paper", "rzen-release")  # a third of the tokens
DEFAULTS = """
[defaults]
batch = { size = 4, chunk_tokens = 200 }
optimizer = { learning_rate = 5e-3 }
loss = { alpha = 0, false_negatives = "none" }
"""
DATA = """
[[data.source]]
kind = "jsonl"
path = "rows.jsonl"
name = "shapes"
[evaluation]
suite = ""
"""
TEXTS = """
[[data.source]]
kind = "jsonl"
path = "texts.jsonl"
name = "words"
columns = { query_text = "q", positive_text = "p", negative_text = "n" }
task = "text retrieval"
[evaluation]
suite = ""
"""


def write_shapes(folder: Path) -> Path:
    """Pictures, and rows.jsonl: a task that finds them by their names, one that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    down, across = np.mgrid[:56, :56]
    for colour, rgb in COLOURS.items():
        for number, shape in enumerate(SHAPES):
            pixels = np.full((56, 56, 3), 60 + 40 * number, np.uint8)
            inside = abs(down - 28) < (16 if shape == "square" else 8)
            pixels[inside & (abs(across - 28) < 16 + 8 * number)] = rgb
            Pillow.fromarray(pixels).save(folder / f"{colour}-{shape}.png")
            other = SHAPES[1 - number]
            rows.append(
                {
                    "task": RETRIEVAL,
                    "query": text(f"a {colour} {shape}"),
                    "positives": [picture(f"{colour}-{shape}.png")],
                    "negatives": [picture(f"{colour}-{other}.png")],
                }
            )
            rows.append(
                {
                    "task": CLASSES,
                    "query": picture(f"{colour}-{shape}.png"),
                    "positives": [text(f"{colour} {shape}")],
                    "negatives": [],
                }
            )
    write_rows(folder / "rows.jsonl", rows)
    return folder


def write_texts(folder: Path, count: int = 24) -> Path:
    """texts.jsonl: short questions, an answer and a wrong one each."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [*COLOURS, *SHAPES]
    rows = [
        {
            "q": f"where is {name} {at}",
            "p": f"{name} {at} is here",
            "n": [f"{name} {at + 1} is not"],
        }
        for at, name in ((at, names[at % len(names)]) for at in range(count))
    ]
    write_rows(folder / "texts.jsonl", rows)
    return folder


def text(words: str) -> dict[str, Any]:
    return {"parts": [{"text": words}]}


def picture(name: str) -> dict[str, Any]:
    return {"parts": [{"image": name}]}


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@dataclass
class Heard:
    """Keeps what a run says."""

    stages: list[tuple[str, int, int]] = field(default_factory=list)
    reports: list[tuple[str, StepReport]] = field(default_factory=list)
    failed: list[tuple[str, FailedRow]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    measured: list[tuple[str, int, Mapping[str, float]]] = field(default_factory=list)
    saved: list[Path] = field(default_factory=list)

    def on_stage(self, name: str, steps: int, mixture: Mixture) -> None:
        self.stages.append((name, steps, len(mixture)))

    def on_step(self, stage: str, report: StepReport) -> None:
        self.reports.append((stage, report))

    def on_failed(self, stage: str, row: FailedRow) -> None:
        self.failed.append((stage, row))

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)

    def on_measured(self, stage: str, step: int, scores: Mapping[str, float]) -> None:
        self.measured.append((stage, step, scores))

    def on_saved(self, path: Path) -> None:
        self.saved.append(path)


@dataclass
class Ran:
    """A run that was carried out, and what it said."""

    outcome: RunOutcome
    heard: Heard
    work: Run


def train(
    recipe: Path,
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
    stop: Callable[[], bool] = lambda: False,
    allow_changes: bool = False,
) -> Ran:
    """A run in this process."""
    read = read_recipe(recipe, changes)
    heard = Heard()
    work = Run(
        recipe=read,
        recipe_folder=recipe.parent,
        folder=folder,
        processes=Processes("cpu", read.track, folder / "curves"),
        listener=heard,
        limits=Limits(),
        measure=measure,
        stop=stop,
        allow_changes=allow_changes,
    )
    return Ran(work.run(), heard, work)


def written(folder: Path, text: str) -> Path:
    """A recipe beside its data."""
    file = folder / "recipe.toml"
    file.write_text(text)
    return file


def logged(folder: Path) -> list[dict[str, Any]]:
    """The log of a stage, without what differs from run to run."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    for line in found:
        line.pop("seconds", None)
    return found


def weights(stage: Path) -> dict[str, Any]:
    """The final weights, moments and temperatures of a stage, bit by bit."""
    from safetensors.torch import load_file

    name = json.loads((stage / "done.json").read_text())["checkpoint"]
    return {
        f"{file.name}: {key}": tensor.flatten().tolist()
        for file in sorted((stage / "checkpoints" / name).glob("*.safetensors"))
        for key, tensor in load_file(file).items()
    }
