"""Recipes for the projectors of the experiment: pictures and clips, answers from vectors.

python -m benchmarks.rag_experiment.recipes FOLDER --encoder MODEL
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

PICTURES = ("pictures", "moments")
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
batch = {{ size = 8, chunk = 8 }}
optimizer = {{ learning_rate = 1e-3, weight_decay = 0.01 }}
checkpoint = {{ every_steps = 200, keep = 1 }}
"""

KINDS: Mapping[str, tuple[str, int, bool]] = {
    "projector": ("four soft tokens an item", 4, False),
    "twin": ("trained alike, all vectors zeros", 4, True),
    "single": ("one soft token an item, as xRAG has", 1, False),
}
"""Kind of run -> what it is, soft tokens, whether its vectors are zeros."""
SEEDS = (1, 2, 3)


def main() -> None:
    """Writes nine recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", required=True, help="whose vectors are read")
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = ", ".join(f'{{ questions = "{family}" }}' for family in PICTURES)
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


if __name__ == "__main__":
    main()
