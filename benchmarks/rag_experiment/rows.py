"""Rows and recipes for the projectors of the experiment: pictures and clips, answers from vectors.

python -m benchmarks.rag_experiment.rows FOLDER --encoder MODEL
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rzen.data.questions.build import question_set
from rzen.types import Content, Image, Page, Text, Video

FAMILIES = ("pictures", "moments")
"""What a text-only model cannot read: the rest it reads as words."""

_RECIPE = """\
name = "{name}"
about = "{about}"
seed = {seed}
generator = "smollm2"
encoder = "{encoder}"
zeroed = {zeroed}

[projector]
tokens = {tokens}
hidden = 1024

[[stage]]
name = "answers"
rows = [{rows}]
steps = {steps}
batch = {{ size = 32, chunk = 32 }}
optimizer = {{ learning_rate = 1e-3, weight_decay = 0.01 }}
checkpoint = {{ every_steps = 50, keep = 1 }}
"""

KINDS: Mapping[str, tuple[str, int, bool]] = {
    "projector": ("four soft tokens an item", 4, False),
    "twin": ("trained alike, all vectors zeros", 4, True),
    "single": ("one soft token an item, as xRAG has", 1, False),
}
"""Kind of run -> what it is, soft tokens, whether its vectors are zeros."""
SEEDS = (1, 2, 3)


def main() -> None:
    """Writes one file of rows a family, and nine recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", required=True, help="whose vectors are read")
    parser.add_argument("--steps", type=int, default=250)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        made = question_set(family, "train")
        items = {item.id: item.content for item in made.corpus}
        lines = (
            {
                "id": question.id,
                "question": question.text,
                "answer": question.answer,
                "items": [item_row(items[name]) for name in question.gold[:1]],
            }
            for question in made.questions
        )
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (given.folder / f"{family}.jsonl").write_text(text, encoding="utf-8")
    rows = ", ".join(f'{{ file = "{family}.jsonl" }}' for family in FAMILIES)
    for kind, (about, tokens, zeroed) in KINDS.items():
        for seed in SEEDS:
            name = f"{kind}-{seed}"
            recipe = _RECIPE.format(
                name=name,
                about=about,
                seed=seed,
                encoder=given.encoder,
                zeroed=str(zeroed).lower(),
                tokens=tokens,
                rows=rows,
                steps=given.steps,
            )
            (given.folder / f"{name}.toml").write_text(recipe, encoding="utf-8")


def item_row(content: Content) -> dict[str, Any]:
    """An item as a row of training names it."""
    (part,) = content.parts
    match part:
        case Image(Path() as path):
            return {"image": str(path)}
        case Video(Path() as path):
            return {"video": str(path)}
        case Page(_, _, text) if text is not None:
            return {"text": text}
        case Text(text):
            return {"text": text}
    raise AssertionError(part)


if __name__ == "__main__":
    main()
