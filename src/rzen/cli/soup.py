"""rzen soup: several trained models averaged into one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rzen.cli import output
from rzen.cli.options import DataOption, JsonOption, SetOption, given_path
from rzen.errors import UsageError

if TYPE_CHECKING:
    from rzen.training.soup import Souped


def run(  # noqa: PLR0913 (one parameter an option)
    models: Annotated[
        list[Path],
        typer.Argument(
            parser=given_path, metavar="MODEL", help="Folders of adapters, or of checkpoints."
        ),
    ],
    target: Annotated[
        Path,
        typer.Option("--output", "-o", parser=given_path, metavar="DIR", help="The new folder."),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="W,W,...",
            help="One for each model; they are divided by their sum. Default: all the same.",
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Merge adapters into their base: a whole checkpoint."),
    ] = False,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(
            "--dtype", help="Of the weights. Default: float32 for an adapter, else as they are."
        ),
    ] = None,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="Take only models that do not make the soup worse."),
    ] = False,
    suite: Annotated[
        str | None, typer.Option("--suite", help="Whose scores --greedy goes by: rzen-bench, ...")
    ] = None,
    split: Annotated[
        Literal["test", "validation"],
        typer.Option("--split", help="Of that suite; what is chosen by cannot be reported."),
    ] = "validation",
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Only so many queries of each set of that suite."),
    ] = None,
    data: DataOption = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Average trained models into one: LoRA adapters of one base, or whole checkpoints.

    Adapters give an adapter with the sum of their ranks, which is their exact mean. With --greedy
    each model and each soup is scored by a suite, and only what does not harm goes in.
    """
    from rzen.cli.progress import step_progress
    from rzen.training import soup

    folders = [folder.expanduser() for folder in models]
    shares = None if weights is None else _numbers(weights)
    _check(greedy, suite, shares)
    with step_progress() as on_step:
        if greedy:
            assert suite is not None
            score = _scorer(suite, split, limit, data, settings)
            made = soup.greedy(
                folders, target.expanduser(), score, merge=merge, dtype=dtype, on_step=on_step
            )
        else:
            made = soup.soup(
                folders,
                target.expanduser(),
                weights=shares,
                merge=merge,
                dtype=dtype,
                on_step=on_step,
            )
    if json:
        output.emit({"folder": made.folder, **made.document()})
    else:
        _say(made)


def _check(greedy: bool, suite: str | None, shares: list[float] | None) -> None:
    if greedy and suite is None:
        raise UsageError("--greedy goes by the scores of a suite: name it, e.g. --suite rzen-bench")
    if greedy and shares is not None:
        raise UsageError("--greedy gives all models in the soup the same weight: no --weights")
    if not greedy and suite is not None:
        raise UsageError("--suite says what --greedy goes by: add --greedy, or leave it out")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--weights {text!r}: numbers with commas between them are wanted, as in 0.5,0.3,0.2"
        ) from None


def _scorer(
    suite: str,
    split: Literal["test", "validation"],
    limit: int | None,
    data: Path | None,
    settings: list[str] | None,
) -> Callable[[Path], float]:
    """What measures the model in a folder: the mean of the main figures of a suite's sets."""
    from tempfile import TemporaryDirectory

    from rzen.config import load_settings, parse_override
    from rzen.encoders import create
    from rzen.evaluation.runner import run as evaluate
    from rzen.evaluation.suites import open_suite

    opened = open_suite(suite, split=split, data=data)
    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))

    def score(folder: Path) -> float:
        encoder = create(
            str(folder), device=merged.device, limits=merged.limits, model=merged.model
        )
        with TemporaryDirectory(prefix="rzen-soup-") as results:
            done = evaluate(opened, encoder, Path(results), limit=limit)
        # Models of one kind take the same sets, so the means compare.
        return sum(each.value for each in done.sets) / len(done.sets)

    return score


def _say(made: "Souped") -> None:
    for step in made.steps:
        kept = "  kept" if step.is_kept else ""
        output.say(f"{step.score:.4f}  {' + '.join(step.ingredients)}{kept}")
    output.say("Weights, which sum to 1:")
    for each in made.ingredients:
        output.say(f"  {each.weight:.4f}  {each.name}")
    if made.temperatures:
        said = ", ".join(f"{task} {value:.4f}" for task, value in made.temperatures.items())
        output.say(f"Temperatures: {said}")
    for note in made.notes:
        output.say(f"Note: {note}")
    rank = f" of rank {made.rank}" if made.rank is not None else ""
    output.say(f"{made.kind.capitalize()}{rank}, {made.dtype}: {made.folder}")
