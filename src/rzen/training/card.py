"""The card of a trained model: what it is, how and on what it was trained, how well it does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rzen.data.mixture import SourceFacts
from rzen.encoders.model_source import HUB_NAME
from rzen.training.recipe import Recipe
from rzen.training.run_folder import versions
from rzen.training.settings import StageSettings

_USE = """```python
import rzen

encoder = rzen.load("this folder")
```"""
# By what lies in the model's folder; the first that is there counts.
_ELSEWHERE = {
    "adapter_config.json": "It is a LoRA adapter of that base: `rzen soup FOLDER -o WHOLE --merge` "
    "makes it a whole checkpoint, and `rzen export WHOLE OUT` one that plain sentence-transformers "
    "loads with the same vectors.",
    "modules.json": "Plain sentence-transformers loads it with the same vectors.",
    "tokenizer*": "`rzen export FOLDER OUT` writes a folder that plain "
    "sentence-transformers loads with the same vectors.",
}
_NOWHERE = "It runs in rzen alone."


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFacts:
    """What a stage came to.

    Attributes:
        stage: its settings.
        steps: of the optimiser.
        rows: that it was trained on.
        failed: rows that could not be read.
        temperatures: of the tasks, at the end.
        sources: what it was trained on.
    """

    stage: StageSettings
    steps: int
    rows: int
    failed: int
    temperatures: Mapping[str, float]
    sources: Sequence[SourceFacts]

    def document(self) -> dict[str, Any]:
        """For done.json."""
        return {
            "steps": self.steps,
            "rows": self.rows,
            "failed": self.failed,
            "temperatures": dict(self.temperatures),
            "sources": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "origin": _public(each.origin),
                    "revision": each.revision,
                    "licence": each.licence,
                    "rows": each.rows,
                    "skipped": each.skipped,
                    "tasks": dict(each.tasks),
                }
                for each in self.sources
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One line of the table of scores.

    Attributes:
        what: suite, split and group.
        base: of the base; ``None`` where it was not measured.
        model: of the model.
        interval: of the difference, in words; empty where there is none.
    """

    what: str
    base: float | None
    model: float
    interval: str = ""


def card(
    recipe: Recipe,
    stages: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    base: str,
    scores: Sequence[Score] = (),
) -> str:
    """README.md, in Markdown, with what model hubs read on top of it.

    Args:
        recipe: that was carried out.
        stages: name, settings and :meth:`StageFacts.document` of each stage that led to the model.
        folder: of the model, written but for its card.
        base: what the first one began with.
        scores: of the model; empty while it was not measured.
    """
    lines = [*_front(recipe, base), "", f"# {recipe.name}", ""]
    if recipe.about:
        lines += [recipe.about, ""]
    network = recipe.network.model_dump(mode="json", exclude_defaults=True, exclude={"base"})
    how = f" with {_values(network)}" if network else ""
    lines += [
        f"Trained by rzen from `{_public(base)}`{how}.",
        "",
        _USE,
        "",
        next((text for name, text in _ELSEWHERE.items() if any(folder.glob(name))), _NOWHERE),
        "",
    ]
    if scores:
        lines += _scores(scores)
    for each in stages:
        lines += _stage(each)
    lines += ["## Made with", "", _values(versions()), ""]
    return "\n".join(lines)


def with_scores(text: str, scores: Sequence[Score]) -> str:
    """A card with a table of scores at its end, in the place of an earlier one."""
    kept = text.split("## Scores\n")[0].rstrip()
    return "\n".join([kept, "", *_scores(scores)])


def _front(recipe: Recipe, base: str) -> list[str]:
    lines = ["---", "library_name: rzen", "pipeline_tag: sentence-similarity"]
    if HUB_NAME.fullmatch(base):
        lines.append(f"base_model: {base}")
    if recipe.licence:
        # As JSON, which YAML reads: a name may hold anything.
        lines.append(f"license: {json.dumps(recipe.licence)}")
    return [*lines, "tags: [rzen, feature-extraction, multimodal]", "---"]


def _scores(scores: Sequence[Score]) -> list[str]:
    return [
        "## Scores",
        "",
        "| | base | model | difference (95 % interval) |",
        "|---|---|---|---|",
        *(
            f"| {each.what} | {_number(each.base)} | {_number(each.model)} | {each.interval} |"
            for each in scores
        ),
        "",
    ]


def _stage(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"## Stage {facts['name']}",
        "",
        f"{facts['steps']:,} steps, {facts['rows']:,} rows"
        + (f", {facts['failed']:,} unreadable" if facts["failed"] else "")
        + ".",
        "",
        *(f"- {name}: {_values(values)}" for name, values in facts["settings"].items()),
        "",
        "| source | kind | from | revision | licence | rows | left out |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {_cell(each['name'])} | {each['kind']} | {_cell(each['origin'])} | "
            f"`{_cell(each['revision'])[:16]}` | {_cell(each['licence']) or 'not named'} | "
            f"{each['rows']:,} | {each['skipped']:,} |"
            for each in facts["sources"]
        ),
        "",
        "| task | temperature |",
        "|---|---|",
        *(f"| {_cell(task)} | {value:.5f} |" for task, value in facts["temperatures"].items()),
        "",
    ]


def shown_settings(stage: StageSettings) -> dict[str, Any]:
    """The settings that decide what a stage learns, section by section."""
    own = stage.model_dump(mode="json")
    decisive = ("batch", "optimizer", "loss", "temperature")
    plain = {name: own[name] for name in ("start", "epochs", "steps") if own[name]}
    return {"run": plain, **{name: own[name] for name in decisive}}


def _values(values: Any) -> str:
    if not isinstance(values, Mapping):
        return str(values)
    return ", ".join(
        f"{name} {json.dumps(value) if isinstance(value, dict | list) else value}"
        for name, value in values.items()
        if value not in (None, "", [], {}, ())
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _public(name: str) -> str:
    """A name without the folders of this machine."""
    return Path(name).name if Path(name).is_absolute() else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
