"""rzen train."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption, SetOption, given_path

if TYPE_CHECKING:
    from rzen.config import Settings
    from rzen.training.recipe import Recipe
    from rzen.training.stages import RunOutcome


def run(  # noqa: PLR0913 (one parameter an option)
    recipe: Annotated[
        Path, typer.Argument(parser=given_path, metavar="RECIPE.toml", help="What to train, how.")
    ],
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=given_path,
            metavar="FOLDER",
            help="Of the run. Default: rzen-train/ and the recipe's name.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look at the data instead: a page of examples.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what memory and time it will need, and stop.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            metavar="NAME=VALUE",
            help="Another value than the recipe's, e.g. network.base=FOLDER. Repeatable.",
        ),
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Go on with a run though its recipe or data changed."),
    ] = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page of --check in the browser.")
    ] = False,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Train an encoder by a recipe: stages, soup, scores. Or a projector, for rzen ask.

    May be stopped at any time; the same command goes on where it stopped.

    On several GPUs:  torchrun --standalone --nproc-per-node 8 -m rzen train RECIPE.toml
    """
    from rzen.config import load_settings, parse_override
    from rzen.errors import UsageError
    from rzen.training.projector.recipe import is_projector_recipe
    from rzen.training.recipe import read_recipe

    if check and plan:
        raise UsageError("--check and --plan are two questions: ask one after the other")
    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))
    own_changes = dict(parse_override(text, "--change") for text in changes or ())
    if is_projector_recipe(recipe):
        if check or plan:
            raise UsageError(
                "--check and --plan are for recipes that train an encoder: leave them out"
            )
        from rzen.cli.training.projecting import train_projector

        train_projector(recipe, own_changes, target, merged, allow_changes=allow_changes, json=json)
        return
    read = read_recipe(recipe, own_changes)
    folder = target or Path("rzen-train") / read.name
    if check:
        from rzen.cli.training.checking import check_data

        check_data(read, recipe.parent, folder, merged, open_page=open_page, json=json)
    elif plan:
        from rzen.cli.training.planned import say_plan

        say_plan(read, recipe.parent, merged, json=json)
    else:
        _train(read, recipe.parent, folder, merged, allow_changes=allow_changes, json=json)


def _train(
    recipe: "Recipe",
    recipe_folder: Path,
    folder: Path,
    settings: "Settings",
    *,
    allow_changes: bool,
    json: bool,
) -> None:
    from rzen.cli.training.measuring import measure_with, open_suites
    from rzen.cli.training.progress import training_progress
    from rzen.cli.training.scores import write_scores
    from rzen.cli.training.stopping import stop_flag
    from rzen.training.processes import Processes
    from rzen.training.stages import Run

    suites = open_suites(recipe, recipe_folder)
    processes = Processes(settings.device, recipe.track, folder / "curves")
    with training_progress() as speaker, stop_flag() as stop:
        work = Run(
            recipe=recipe,
            recipe_folder=recipe_folder,
            folder=folder,
            processes=processes,
            listener=speaker,
            limits=settings.limits,
            measure=measure_with(suites),
            stop=lambda: bool(stop),
            allow_changes=allow_changes,
        )
        done = work.run()
    if not processes.ranks.is_first:
        return
    if not done.is_done:
        raise typer.Abort
    scores = write_scores(work, suites, done, settings) if recipe.evaluation.suite else []
    if json:
        output.emit(_document(folder, done, scores))
        return
    output.say(f"model: {done.model}")
    for line in scores:
        output.say(line["said"])


def _document(folder: Path, done: "RunOutcome", scores: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "run": str(folder),
        "model": str(done.model),
        "stages": {name: str(path) for name, path in done.stages.items()},
        "scores": [{k: v for k, v in each.items() if k != "said"} for each in scores],
    }
