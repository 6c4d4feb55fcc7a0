"""What training is handed to measure with: the suites of rzen eval."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rzen.evaluation.comparison import RunComparison
    from rzen.evaluation.outcome import RunOutcome
    from rzen.evaluation.suites import Split, Suite
    from rzen.protocols import Encoder
    from rzen.training.recipe import Recipe
    from rzen.training.settings import EvaluationSettings


def open_suites(recipe: "Recipe", recipe_folder: Path) -> "dict[tuple[str, str], Suite]":
    """All suites that a recipe names, so that a missing one is known before hours of training.

    Args:
        recipe: that names them.
        recipe_folder: that their folders are relative to.

    Raises:
        DataError: if one is not on this machine; the message says how to get it.
        UsageError: if one needs a folder, or is to be read from two.
    """
    from rzen.errors import UsageError
    from rzen.evaluation.suites import MMEB, open_suite

    own, others = recipe.evaluation, [stage.evaluation for stage in recipe.stage]
    wanted: list[tuple[str, Split, str]] = [(own.suite, each, own.data) for each in own.splits]
    wanted += [(each.suite, each.split, each.data) for each in others]
    folders: dict[tuple[str, Split], str] = {}
    for name, split, data in wanted:
        if name == MMEB and not data:
            raise UsageError(f"evaluation: {MMEB} is read from a folder: set data beside its suite")
        if name and folders.setdefault((name, split), data) != data:
            raise UsageError(f"evaluation: {name} has two folders: {folders[name, split]}, {data}")
    return {
        (name, split): open_suite(
            name,
            split=split,
            data=recipe_folder / Path(data).expanduser() if data else None,
        )
        for (name, split), data in sorted(folders.items())
    }


def measure_with(
    suites: "Mapping[tuple[str, str], Suite]",
) -> "Callable[[Encoder, EvaluationSettings], dict[str, float]]":
    """Measures an encoder in training; nothing of it is kept, for its weights change."""
    from rzen.evaluation.runner import run
    from rzen.evaluation.vector_cache import cache_file

    def measure(encoder: "Encoder", settings: "EvaluationSettings") -> dict[str, float]:
        suite = suites[settings.suite, settings.split]
        try:
            with TemporaryDirectory(prefix="rzen-measure-") as folder:
                outcome = run(suite, encoder, Path(folder) / "run", limit=settings.limit)
        finally:
            file = cache_file(encoder)
            for left in file.parent.glob(f"{file.name}*"):
                left.unlink(missing_ok=True)
        return {"score": mean_of(outcome), **outcome.groups}

    return measure


def mean_of(outcome: "RunOutcome") -> float:
    """The mean over the sets that were run of each one's main figure."""
    return sum(each.value for each in outcome.sets) / len(outcome.sets)


def score_model(
    recipe: "Recipe",
    suites: "Mapping[tuple[str, str], Suite]",
    model: Path,
    folder: Path,
    load: "Callable[[str], Encoder]",
    on_progress: Callable[[Any], None] | None,
) -> "dict[str, tuple[RunOutcome, RunComparison | None]]":
    """Measures the model of a run, and its base; what is measured already is read.

    Args:
        recipe: of the run.
        suites: opened.
        model: its folder.
        folder: where scores go.
        load: name or folder -> encoder.
        on_progress: see :func:`rzen.evaluation.runner.run`.

    Returns:
        Split -> the model's run, and how it compares with the base's.
    """
    from rzen.evaluation.comparison import compare_runs
    from rzen.evaluation.runner import run

    own = recipe.evaluation
    encoders = {"model": str(model), "base": recipe.network.base}
    if not own.beside_base:
        del encoders["base"]
    runs: dict[tuple[str, str], RunOutcome] = {}
    for who, name in encoders.items():
        encoder = load(name)
        for split in own.splits:
            target = folder / f"{split}-{who}"
            suite = suites[own.suite, split]
            runs[split, who] = run(suite, encoder, target, limit=own.limit, progress=on_progress)
    found: dict[str, tuple[RunOutcome, RunComparison | None]] = {}
    for split in own.splits:
        compared = (
            compare_runs(folder / f"{split}-model", folder / f"{split}-base")
            if own.beside_base
            else None
        )
        found[split] = (runs[split, "model"], compared)
    return found
