"""The card of a trained model: what model hubs and people read."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rzen.data.mixture import SourceFacts
from rzen.training.card import Score, StageFacts, card, shown_settings, with_scores
from rzen.training.recipe import Recipe

RECIPE = """
name = "my-model"
about = "Finds boats."
licence = "cc-by-4.0: a \\"quoted\\" one"
[network]
base = "/home/somebody/secret/base-model"
lora = { rank = 8 }
[[data.source]]
kind = "jsonl"
path = "a.jsonl"
[[stage]]
name = "first"
loss = { alpha = 0 }
[[stage]]
name = "second"
start = "first"
steps = 7
"""
SOURCE = SourceFacts(
    name="boats | cars",
    kind="jsonl",
    origin="/home/somebody/secret/a.jsonl",
    revision="0123456789abcdef0123456789abcdef",
    licence="",
    rows=1234,
    tasks={"image retrieval": 1234},
    skipped=5,
)
SCORES = [
    Score(what="rzen-bench, test", base=0.25, model=0.5, interval="+0.2500 (+0.1 to +0.4)"),
    Score(what="rzen-bench, test, image", base=None, model=0.125),
]


def recipe() -> Recipe:
    return Recipe.model_validate(tomllib.loads(RECIPE))


def facts(failed: int = 0) -> list[dict[str, Any]]:
    found = []
    for stage in recipe().stage:
        own = StageFacts(
            stage=stage,
            steps=7,
            rows=5376,
            failed=failed,
            temperatures={"image retrieval": 0.0213},
            sources=[SOURCE],
        )
        found.append({"name": stage.name, "settings": shown_settings(stage), **own.document()})
    return found


def test_says_what_the_model_is_and_how_it_was_made(tmp_path: Path) -> None:
    """A model nobody can make again: base, settings or data are missing."""
    text = card(recipe(), facts(failed=3), tmp_path, base=recipe().network.base, scores=SCORES)
    assert "# my-model\n\nFinds boats.\n" in text
    assert 'Trained by rzen from `base-model` with lora {"rank": 8}.' in text
    assert "7 steps, 5,376 rows, 3 unreadable." in text
    assert (
        "| boats \\| cars | jsonl | a.jsonl | `0123456789abcdef` | not named | 1,234 | 5 |" in text
    )
    assert "| image retrieval | 0.02130 |" in text
    assert text.index("## Stage first") < text.index("## Stage second")
    assert "- run: start first, epochs 1.0, steps 7" in text
    assert "alpha 0.0" in text.split("## Stage second")[0], "a zero is a setting, too"
    assert "alpha 9.0" in text.split("## Stage second")[1]
    assert "torch 2" in text
    assert "| rzen-bench, test | 0.2500 | 0.5000 | +0.2500 (+0.1 to +0.4) |" in text
    assert "| rzen-bench, test, image |  | 0.1250 |  |" in text


def test_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    """A card that is published with the user's name and paths in it."""
    assert "somebody" not in card(recipe(), facts(), tmp_path, base=recipe().network.base)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["adapter_config.json"], "rzen soup FOLDER -o WHOLE --merge"),
        (["config.json", "modules.json", "tokenizer.json"], "Plain sentence-transformers loads it"),
        (["config.json", "tokenizer_config.json"], "rzen export FOLDER OUT"),
        (["config.json", "model.safetensors"], "rzen alone"),
    ],
)
def test_says_what_else_loads_it(files: list[str], said: str, tmp_path: Path) -> None:
    """A card that sends the user to a command which refuses that kind of model."""
    for name in files:
        (tmp_path / name).touch()
    assert said in card(recipe(), facts(), tmp_path, base="mini")


@pytest.mark.parametrize(
    ("base", "line"),
    [("org/base", "base_model: org/base"), ("/home/somebody/base", None), ("mini", None)],
)
def test_what_hubs_read(base: str, line: str | None, tmp_path: Path) -> None:
    """A front that is no YAML shows the model without any card."""
    front = card(recipe(), facts(), tmp_path, base=base).split("---\n")[1]
    found = dict(each.split(": ", 1) for each in front.splitlines())
    assert found["license"] == r'"cc-by-4.0: a \"quoted\" one"'
    assert found["library_name"] == "rzen"
    assert ("base_model" in found) == (line is not None)
    if line:
        assert line in front


def test_scores_replace_earlier_ones(tmp_path: Path) -> None:
    """A card with two tables of scores, the first of another model."""
    own = "# Soup\n\nWords.\n"
    once = with_scores(own, SCORES)
    assert once.startswith("# Soup\n\nWords.\n\n## Scores\n")
    assert with_scores(once, SCORES[1:]).count("## Scores") == 1
    assert "0.2500" not in with_scores(once, SCORES[1:])
    assert with_scores(once, SCORES) == once
