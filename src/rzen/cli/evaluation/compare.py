"""rzen eval compare: is one run better than another by more than chance?"""

from pathlib import Path
from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import HtmlOption, JsonOption, OpenOption, given_path


def run(
    first: Annotated[
        Path, typer.Argument(parser=given_path, metavar="A", help="The folder of a run.")
    ],
    second: Annotated[
        Path, typer.Argument(parser=given_path, metavar="B", help="The folder of the other.")
    ],
    html: HtmlOption = None,
    open_page: OpenOption = False,
    json: JsonOption = False,
) -> None:
    """Compare two runs query by query: differences with intervals, and p-values.

    Public score files hold no queries: `rzen eval report A.json B.json` lays them side by side.
    """
    from rzen.cli.pages import write_page
    from rzen.evaluation.comparison import compare_runs
    from rzen.evaluation.report.comparison_page import render_comparison

    found = compare_runs(first, second)
    if html or open_page:
        page = render_comparison(
            found.rows,
            first=found.first,
            second=found.second,
            overall=found.overall,
            facts=found.facts,
            warnings=found.warnings,
        )
        write_page(html, open_page, page)
    document = found.document()
    if json:
        output.emit(document)
        return
    output.say(f"{found.first} against {found.second}")
    output.say(f"{'set':22} {'A':>7} {'B':>7} {'A - B':>8}   {'95 % interval':17} p (Holm)")
    for row in document["sets"]:
        output.say(
            f"{row['set']:22} {row['first']:7.4f} {row['second']:7.4f} {row['difference']:+8.4f}   "
            f"{row['low']:+.3f} to {row['high']:+.3f}    {row['p_holm']:.4f}"
        )
    overall = document["overall"]
    output.say(
        f"{overall['set']:22} {overall['first']:7.4f} {overall['second']:7.4f} "
        f"{overall['difference']:+8.4f}   {overall['low']:+.3f} to {overall['high']:+.3f}    "
        f"{overall['p_value']:.4f} (not corrected)"
    )
    for warning in found.warnings:
        output.complain(warning)
