"""rzen verify: is the index whole?"""

import typer

from rzen.cli import output
from rzen.cli.options import IndexOption, JsonOption, SetOption, open_index


def run(index: IndexOption = None, settings: SetOption = None, json: JsonOption = False) -> None:
    """Check the catalog and every vector; what is damaged is named."""
    with open_index(index, settings) as opened:
        damages = opened.verify()
        records = {} if damages else dict(opened.counts().records)
    if json:
        bad = [{"uri": damage.uri, "reason": damage.reason} for damage in damages]
        output.emit({"ok": not damages, "bad": bad, "records": records})
    else:
        for damage in damages:
            output.say(f"damaged: {damage.uri}: {damage.reason}")
        if damages:
            output.say("For a damaged file: `rzen remove FILE`, then `rzen index FILE`.")
        else:
            output.say(f"{sum(records.values())} records, all of them whole")
    raise typer.Exit(output.PARTLY if damages else output.OK)
