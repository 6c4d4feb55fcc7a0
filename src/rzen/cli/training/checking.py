"""rzen train --check: the data of a recipe, looked at before hours are spent on it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rzen.cli import output
from rzen.cli.pages import write_page

if TYPE_CHECKING:
    from rzen.config import Settings
    from rzen.data.batch_sampler import GlobalBatchSampler
    from rzen.training.recipe import Recipe

PAGE = "check.html"


def check_data(
    recipe: "Recipe",
    recipe_folder: Path,
    folder: Path,
    settings: "Settings",
    *,
    open_page: bool,
    json: bool,
) -> None:
    """Opens every source and all media, and writes a page of examples.

    Raises:
        Exit: with 1, if rows would be left out, or a stage could not start.
    """
    from rzen.cli.progress import share_progress
    from rzen.data.mixture import Mixture
    from rzen.training.check import check
    from rzen.training.check_page import render_check
    from rzen.training.feeding import check_stages, sampler_of

    def plan() -> "GlobalBatchSampler":
        check_stages(recipe, mixture)
        return sampler_of(mixture, recipe.stage[0], recipe.seed)

    with share_progress("reading sources") as on_progress:
        mixture = Mixture.open(recipe.data, folder=recipe_folder)
        report = check(
            mixture,
            settings.limits,
            plan=plan,
            on_progress=on_progress,
        )
    page = folder.with_name(f"{folder.name}-{PAGE}")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_page(page, open_page, render_check(report, title=recipe.name))
    if json:
        output.emit({**report.to_json(), "page": str(page)})
    else:
        output.say(
            f"{report.rows:,} rows can be trained on, {report.skipped:,} are left out; of "
            f"{report.looked_at:,} looked at, {report.failed_rows:,} hold media that cannot be read"
        )
        for warning in report.warnings:
            output.say(f"  {warning}")
        output.say(f"examples: {page}")
    if report.skipped or report.failed_rows or report.refused:
        raise typer.Exit(output.PARTLY)
