"""rzen verify: is the index whole?"""

import typer

from rzen.cli import output
from rzen.cli.options import IndexOption, JsonOption, SetOption, open_index


def run(index: IndexOption = None, settings: SetOption = None, json: JsonOption = False) -> None:
    """Check the catalog and every vector; what is damaged is named."""
    with open_index(index, settings) as opened:
        damages = opened.verify()
        counts = opened.counts()
    if json:
        bad = [{"uri": damage.uri, "reason": damage.reason} for damage in damages]
        output.emit({"ok": not damages, "bad": bad, "records": dict(counts.records)})
    else:
        for damage in damages:
            output.say(f"damaged: {damage.uri}: {damage.reason}")
        total = sum(counts.records.values())
        output.say(f"{total} records checked, {len(damages)} damaged")
        if damages:
            output.say("Index these files again: `rzen remove FILE`, then `rzen index FILE`.")
    raise typer.Exit(output.PARTLY if damages else output.OK)
