"""The scores of a trained model, beside its base: measured, shown, and written into its card."""

from typing import TYPE_CHECKING, Any

from rzen.cli.training.measuring import mean_of, score_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rzen.config import Settings
    from rzen.evaluation.comparison import RunComparison
    from rzen.evaluation.outcome import RunOutcome
    from rzen.evaluation.suites import Suite
    from rzen.protocols import Encoder
    from rzen.training.stages import Run
    from rzen.training.stages import RunOutcome as Trained


def write_scores(
    work: "Run",
    suites: "Mapping[tuple[str, str], Suite]",
    done: "Trained",
    settings: "Settings",
) -> list[dict[str, Any]]:
    """Measures the model and its base, and writes the model's card anew.

    Returns:
        A line each: what, base, model, difference, low, high, and how it is said.
    """
    from rzen.cli.evaluation.progress import evaluation_progress
    from rzen.cli.output import complain
    from rzen.encoders import create

    assert done.model is not None
    own = work.recipe.evaluation

    def load(name: str) -> "Encoder":
        complain(f"measuring {name} on {own.suite}: {', '.join(own.splits)}")
        return create(name, device=settings.device, limits=settings.limits, model=settings.model)

    with evaluation_progress() as on_progress:
        found = score_model(
            work.recipe, suites, done.model, work.folder / "scores", load, on_progress
        )
    lines = [
        line
        for split, (outcome, compared) in found.items()
        for line in _lines(split, outcome, compared)
    ]
    work.write_card(done.model, [_score(line) for line in lines])
    return lines


def _lines(
    split: str, outcome: "RunOutcome", compared: "RunComparison | None"
) -> list[dict[str, Any]]:
    if compared is None:
        return [_line(f"{outcome.suite}, {split}, mean over sets", None, mean_of(outcome))]
    overall = compared.document()["overall"]
    lines = [
        _line(
            f"{outcome.suite}, {split}, mean over sets",
            overall["second"],
            overall["first"],
            (overall["low"], overall["high"]),
        )
    ]
    for group, mean in outcome.groups.items():
        of_group = {each.name for each in outcome.sets if each.group == group}
        theirs = [row.second for row in compared.rows if row.set in of_group]
        base = sum(theirs) / len(theirs) if theirs else None
        lines.append(_line(f"{outcome.suite}, {split}, {group}", base, mean))
    return lines


def _line(
    what: str, base: float | None, model: float, interval: tuple[float, float] | None = None
) -> dict[str, Any]:
    said = f"{what:44} {model:.4f}"
    if base is not None:
        said += f"   base {base:.4f}   {model - base:+.4f}"
    if interval is not None:
        said += f" ({interval[0]:+.4f} to {interval[1]:+.4f})"
    low, high = interval or (None, None)
    return {"what": what, "base": base, "model": model, "low": low, "high": high, "said": said}


def _score(line: dict[str, Any]) -> Any:
    from rzen.training.card import Score

    base, model = line["base"], line["model"]
    interval = "" if base is None else f"{model - base:+.4f}"
    if line["low"] is not None:
        interval += f" ({line['low']:+.4f} to {line['high']:+.4f})"
    return Score(what=line["what"], base=base, model=model, interval=interval)
