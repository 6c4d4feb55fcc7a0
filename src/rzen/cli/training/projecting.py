"""rzen train, of a recipe that trains a projector."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from rzen.cli import output
from rzen.config import Settings


def train_projector(
    file: Path,
    changes: Mapping[str, Any],
    target: Path | None,
    settings: Settings,
    *,
    allow_changes: bool,
    json: bool,
) -> None:
    """Trains a projector for a language model; resumable as any training.

    Args:
        file: the recipe.
        changes: of it, by dotted names.
        target: folder of the run.
        settings: device, limits, and how models are loaded.
        allow_changes: whether a run may go on with another recipe or other rows.
        json: whether the outcome is told as JSON.
    """
    from rzen.api import load
    from rzen.cli.training.progress import training_progress
    from rzen.cli.training.stopping import stop_flag
    from rzen.training.processes import Processes
    from rzen.training.projector.recipe import read_projector_recipe
    from rzen.training.projector.run import ProjectorRun

    recipe = read_projector_recipe(file, changes)
    folder = target or Path("rzen-train") / recipe.name
    processes = Processes(settings.device, (), folder)
    encoder = load(
        recipe.encoder, device=settings.device, limits=settings.limits, model=settings.model
    )
    with training_progress() as speaker, stop_flag() as stop:
        model = ProjectorRun(
            recipe=recipe,
            recipe_folder=file.parent,
            folder=folder,
            encoder=encoder,
            ranks=processes.ranks,
            listener=speaker,
            limits=settings.limits,
            model=settings.model,
            stop=lambda: bool(stop),
            allow_changes=allow_changes,
            on_encoded=speaker.on_encoded,
        ).run()
    processes.end()
    if not processes.ranks.is_first:
        return
    if model is None:
        raise typer.Abort
    if json:
        output.emit({"run": str(folder), "model": str(model)})
        return
    output.say(f"projector: {model}")
    output.say(
        f'now:  rzen ask "..." --generator {recipe.generator} --fusion projector '
        f"--set ask.projector={model}"
    )
