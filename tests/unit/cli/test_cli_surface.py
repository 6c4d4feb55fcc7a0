"""The command line's surface is frozen: a new verb or option must be argued for here."""

import subprocess
import sys
from typing import Any

import typer.main

from rzen.cli import app

# search --explain: a hit that nobody expected is either a mistake of the encoder's or of the
# reader's, and only its map tells which. How many hits get one is a setting, not an option.
SURFACE = {
    # How evidence enters the generation is what one compares: --fusion. --chat: follow-ups.
    "ask": "after before chat encoder fusion generator help html index json k modality open path"
    " set where",
    "config": "help json set",
    "doctor": "against card encoder help json set",
    "duplicates": "help index json set threshold",
    # template and dtype change a vector, so they stand beside the encoder, not in --set alone.
    "embed": "dim dtype encoder help json output set template",
    "encoders": "help json",
    "eval": "beside data dim encoder help json limit only open output set split suite",
    "eval compare": "help html json open",
    "eval fetch": "force help json",
    "eval report": "data help html json open suite",
    "eval score": "help json",
    # A model for others: its template and dtype decide the vectors; where other software cannot
    # give the same ones, nobody gets them unasked.
    "export": "allow-other-positions dtype help json template",
    "generators": "help json",
    "generators fetch": "help json",
    "index": "encoder follow-links help hidden index json retry-failed set",
    "list": "failed help index json set",
    "remove": "help index json set",
    "search": "after before encoder explain help html image index json k min-score minus modality"
    " mode no-group open page path rerank set video where",
    "similar": "encoder help html index json k modality open path set",
    # How much of each model is the mean itself. --merge: what serves models often takes no adapter.
    # --greedy chooses by scores, so it has what says which scores: suite, split, limit, data, set.
    "soup": "data dtype greedy help json limit merge output set split suite weights",
    # --check looks at the data and --plan at the machine, before hours are spent on them. --change
    # is a recipe's --set: the same run with another base or rate, without a second file. A run goes
    # on with other settings or rows than it began with only by --allow-changes. --open shows the
    # page of --check.
    "train": "allow-changes change check help json open output plan set",
    "verify": "help index json set",
}


def test_the_surface_is_as_argued_for() -> None:
    """Options that creep in are never taken out again."""
    assert _options(typer.main.get_command(app), "") == SURFACE


def _options(group: Any, above: str) -> dict[str, str]:
    """Verb, with the verbs above it -> its options."""
    found = {}
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=name)
        options = {
            text.removeprefix("--")
            for parameter in command.get_params(context)
            for text in parameter.opts
            if text.startswith("--")
        }
        found[f"{above}{name}"] = " ".join(sorted(options))
        if hasattr(command, "commands"):
            found |= _options(command, f"{above}{name} ")
    return found


def test_help_imports_nothing_heavy() -> None:
    """`rzen --help` must answer at once: no numpy, no torch, no pydantic, no SQLite."""
    script = (
        "import sys, rzen.cli\n"
        "heavy = {'numpy', 'torch', 'pydantic', 'sqlite3', 'av', 'PIL', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
