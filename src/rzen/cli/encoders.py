"""rzen encoders: the families that are known, and what runs here."""

from typing import TYPE_CHECKING

from rzen.cli import output
from rzen.cli.options import JsonOption

if TYPE_CHECKING:
    from rzen.encoders.families import Family
    from rzen.encoders.machine import Machine


def run(json: JsonOption = False) -> None:
    """List the families of encoders: sizes, memory, what runs on this machine, what was verified.

    Any other model that sentence-transformers loads can be named too.
    """
    from rzen.encoders import names
    from rzen.encoders.families import FAMILIES, MINI
    from rzen.encoders.machine import this_machine

    machine = this_machine()
    if json:
        output.emit(
            {
                "machine": {
                    "memory_gb": round(machine.memory, 1),
                    "gpu": machine.gpu,
                    "gpu_memory_gb": round(machine.gpu_memory, 1),
                },
                "built_in": list(names()),
                "families": [_document(family, machine) for family in FAMILIES],
            }
        )
        return
    here = f"{machine.memory:.0f} GB"
    if machine.gpu:
        here += f", {machine.gpu} with {machine.gpu_memory:.0f} GB"
    output.say(f"Built in: {', '.join(names())}. This machine: {here}.")
    for family in FAMILIES:
        output.say()
        runner = "by rzen" if family is MINI else "by sentence-transformers"
        if family.look:
            runner = f"template {family.look.template}"
        output.say(f"{family.name}  ({runner}; {family.licence or 'licence not given'})")
        output.say(f"  vectors: {family.verified}")
        for size in family.sizes:
            output.say(f"  {_line(size.name, _size(family, machine, size.name))}")
        if family.missing:
            output.say(f"  not found: {family.missing}")


def _document(family: "Family", machine: "Machine") -> dict[str, object]:
    return {
        "name": family.name,
        "template": family.look.template if family.look else None,
        "pooling": family.pooling,
        "dims": list(family.dims),
        "licence": family.licence,
        "vectors_verified": family.verified,
        "origin": family.origin,
        "not_found": family.missing,
        "models": [
            {"name": size.name, **_size(family, machine, size.name)} for size in family.sizes
        ],
    }


def _size(family: "Family", machine: "Machine", name: str) -> dict[str, object]:
    from rzen.encoders.machine import needed

    size = next(each for each in family.sizes if each.name == name)
    return {
        "parameters": size.parameters,
        "dim": size.dim,
        "gpu_memory_gb": round(needed(size), 1),
        "cpu_memory_gb": round(needed(size, on_cpu=True), 1),
        "runs_here": machine.runs(size) or None,
        "verified_on_real_weights": size.verified or None,
    }


def _line(name: str, about: dict[str, object]) -> str:
    parameters = about["parameters"]
    assert isinstance(parameters, int)
    count = f"{parameters / 1e9:.2f} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"
    runs = (
        f"runs here: {about['runs_here']}" if about["runs_here"] else "too large for this machine"
    )
    real = about["verified_on_real_weights"]
    return (
        f"{name:42} {count:>7}  dim {about['dim']:<5} GPU {about['gpu_memory_gb']} GB, "
        f"CPU {about['cpu_memory_gb']} GB  {runs}; real weights: {real or 'not verified'}"
    )
