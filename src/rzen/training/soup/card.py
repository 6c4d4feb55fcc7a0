"""The card of a soup, for people; soup.json says the same to programs."""

import json

from rzen.encoders.export.layout import versions
from rzen.training.soup.outcome import Souped, public_name
from rzen.version import __version__

_WHAT = {
    "adapter": "the weighted mean of the changes of LoRA adapters, as one adapter",
    "merged adapter": "the weighted mean of the changes of LoRA adapters, merged into their base",
    "checkpoint": "the weighted mean of checkpoints",
}
_HOW = {
    "adapter": "Exact: the adapters' thin matrices stand beside each other, their scales and "
    "weights folded in, so the rank is the sum of theirs.",
    "merged adapter": "Added in float32, cast once.",
    "checkpoint": "Added up tensor by tensor in float32, cast once; what all have in common was "
    "copied.",
}


def card(souped: Souped) -> str:
    """README.md, in Markdown, with what model hubs read on top of it."""
    lines = [
        *_front(souped),
        "",
        "# A model soup",
        "",
        f"This is {_WHAT[souped.kind]}, made by rzen {__version__} (`rzen soup`), with "
        + ", ".join(f"{name} {version}" for name, version in versions().items())
        + f". {_HOW[souped.kind]} Weights are stored as {souped.dtype}.",
        "",
        "| model | weight | hash of its files | licence |",
        "|---|---|---|---|",
        *(
            f"| {_cell(each.name)} | {each.weight:.4f} | `{each.hash}` | "
            f"{_cell(each.licence) or 'not named'} |"
            for each in souped.ingredients
        ),
        "",
        "The weights sum to 1.",
        "",
    ]
    if souped.base is not None:
        lines += [f"Base: `{public_name(souped.base)}`.", ""]
    if souped.rank is not None:
        lines += [f"Rank: {souped.rank}; the scale is 1.", ""]
    if souped.temperatures:
        lines += ["Temperatures (geometric means):", ""]
        lines += [f"- {_cell(task)}: {value:.5f}" for task, value in souped.temperatures.items()]
        lines += [""]
    if souped.steps:
        lines += _steps(souped)
    if souped.notes:
        lines += ["## Good to know", "", *(f"- {each}" for each in souped.notes), ""]
    return "\n".join(lines)


def _front(souped: Souped) -> list[str]:
    licences = {each.licence for each in souped.ingredients}
    lines = ["---"]
    if souped.kind == "adapter":
        lines += ["library_name: peft"]
    if souped.base is not None and souped.base == public_name(souped.base):
        lines += [f"base_model: {souped.base}"]
    if len(licences) == 1 and (named := licences.pop()):
        # As JSON, which YAML reads: a name may hold anything.
        lines += [f"license: {json.dumps(named)}"]
    return [*lines, "tags: [rzen, model-soup]", "---"]


def _steps(souped: Souped) -> list[str]:
    return [
        "## How they were chosen",
        "",
        "The best alone, then each that does not make it worse (Wortsman et al., 2022).",
        "",
        "| tried | score | |",
        "|---|---|---|",
        *(
            f"| {_cell(' + '.join(each.ingredients))} | {each.score:.4f} | "
            f"{'kept' if each.is_kept else ''} |"
            for each in souped.steps
        ),
        "",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
