"""rzen generators: who can write answers, and models that a package brings."""

from typing import Annotated

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption

app = typer.Typer(
    help="Who can write the answers of rzen ask; fetch a small model for it.",
    invoke_without_command=True,
)


@app.callback()
def run(context: typer.Context, json: JsonOption = False) -> None:
    """List who can write answers, and what is here."""
    if context.invoked_subcommand is not None:
        return
    from rzen.rag import fetched

    models = {name: fetched.is_here(name) for name in fetched.MODELS}
    if json:
        output.emit(
            {
                "generators": [
                    {"name": "extractive", "here": True},
                    *({"name": name, "here": here} for name, here in models.items()),
                ]
            }
        )
        return
    output.say("extractive            quotes sentences word for word; no model, nothing to fetch")
    for name, here in models.items():
        state = "here" if here else f"rzen generators fetch {name}"
        output.say(f"{name:21} {fetched.MODELS[name].about} ({state})")
    output.say("FILE.gguf             any language model that llama.cpp runs")
    output.say("a folder, a hub name  any causal or vision-language model of transformers")
    output.say("http(s)://.../v1      an OpenAI-compatible server; --set ask.model=NAME")


@app.command("fetch")
def fetch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Such as smollm2.")],
    json: JsonOption = False,
) -> None:
    """Fetch a language model into the cache, checked against its SHA-256; offline from then on."""
    from rzen.rag import fetched

    file = fetched.fetch(name, output.complain)
    if json or (context.parent is not None and context.parent.params.get("json")):
        output.emit({"name": name, "file": str(file)})
        return
    output.say(f"{name} is here: {file}")
    output.say(f'now:  rzen ask "..." --generator {name}')
