"""rzen doctor: does an encoder give what its authors say it gives, on this machine?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rzen.cli import output
from rzen.cli.options import JsonOption, SetOption, given_path

if TYPE_CHECKING:
    from rzen.encoders.registry import Resolved
    from rzen.evaluation.fidelity.agreement import Fidelity
    from rzen.evaluation.fidelity.card import CardResult

RIGHT = ("agrees", "right order")


def run(
    encoder: Annotated[
        str, typer.Option("--encoder", help="A model's name on a hub, or a local folder.")
    ],
    card: Annotated[
        str | None,
        typer.Option("--card", metavar="MODEL", help="Whose card; default: the encoder's name."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            parser=given_path,
            metavar="FOLDER",
            help="Also reference vectors: cases.json, inputs/, reference.npy.",
        ),
    ] = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Load a model, run its card's own example, and compare with the values written there.

    Prints the verdict with versions, to paste into an issue. Exit status 0: all agrees; 1:
    something differs, or could not be compared.
    """
    from rzen.config import load_settings, parse_override
    from rzen.encoders import create, names, resolve
    from rzen.endpoint import is_address
    from rzen.errors import UsageError
    from rzen.evaluation.fidelity.agreement import check
    from rzen.evaluation.fidelity.card import cards, cards_of, compare

    if card is not None and not cards_of(card):
        known = dict.fromkeys(each.model for each in cards())
        raise UsageError(
            f"no values of a card of {card!r} are known: take one of {', '.join(known)}"
        )
    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))
    model = create(encoder, device=merged.device, limits=merged.limits, model=merged.model)
    results = [compare(model, each) for each in cards_of(card or encoder)]
    fidelity = check(model, against) if against is not None else None
    fingerprint = model.fingerprint
    is_plain = encoder in names() or is_address(encoder)
    document: dict[str, Any] = {
        "encoder": encoder,
        "family": None if is_plain else _family(resolve(encoder)),
        "template": fingerprint.template,
        "pooling": fingerprint.pooling,
        "positions": fingerprint.positions,
        "dim": fingerprint.dim,
        "weights": fingerprint.weights,
        "environment": dict(fingerprint.environment),
        "cards": [result.document() for result in results],
        "reference": None if fidelity is None else _reference(fidelity),
        "verdict": _verdict(results, fidelity),
    }
    if json:
        output.emit(document)
    else:
        _say(document, results, fidelity)
    is_right = document["verdict"].startswith("agrees")
    raise typer.Exit(output.OK if is_right else output.PARTLY)


def _family(found: "Resolved") -> dict[str, Any]:
    return {"name": found.family.name, "by": found.because, "or": list(found.others)}


def _verdict(results: "list[CardResult]", fidelity: "Fidelity | None") -> str:
    if fidelity is None and not results:
        return "not compared: no card of it is known (--card names another), nor --against given"
    wrong = [each for each in results if each.verdict in ("differs", "wrong order")]
    if wrong or (fidelity is not None and not fidelity.faithful):
        return "differs from what was published"
    if fidelity is None and not any(each.verdict in RIGHT for each in results):
        return "not compared: no example could be run"
    left = sum(each.verdict == "not run" for each in results)
    said = "agrees with what was published"
    if fidelity is None and not any(each.verdict == "agrees" for each in results):
        said = "agrees in order; no values were published"
    return f"{said} ({left} of {len(results)} examples could not be run)" if left else said


def _reference(fidelity: "Fidelity") -> dict[str, Any]:
    return {
        "faithful": fidelity.faithful,
        "tolerance": fidelity.tolerance,
        "distances": dict(fidelity.distances),
        "failed": dict(fidelity.failed),
        "suspects": list(fidelity.suspects),
        "not_shown": list(fidelity.unseen),
    }


def _say(
    document: dict[str, Any], results: "list[CardResult]", fidelity: "Fidelity | None"
) -> None:
    output.say(f"encoder    {document['encoder']}")
    if family := document["family"]:
        output.say(f"family     {family['name']}, by {family['by']}")
        if family["or"]:
            output.say(
                f"           {', '.join(family['or'])} look the same: --set model.template=NAME if "
                "it is one of them"
            )
    output.say(
        f"template   {document['template']}, pooling {document['pooling']}, positions "
        f"{document['positions']}, dim {document['dim']}"
    )
    versions = ", ".join(f"{name} {value}" for name, value in document["environment"].items())
    output.say(f"machine    {versions}")
    output.say(f"weights    {document['weights']}")
    for result in results:
        output.say()
        output.say(f"example    {result.card.model}: {result.card.origin}")
        if result.reason:
            output.say(f"  not run: {result.reason}")
            continue
        assert result.found_BM is not None
        printed = result.card.expected or [[float("nan")] * result.found_BM.shape[1]] * len(
            result.found_BM
        )
        for row, (expected, found) in enumerate(zip(printed, result.found_BM, strict=True)):
            pairs = (
                f"{got:.4f}" if want != want else f"{got:.4f} ({want:.4f})"
                for want, got in zip(expected, found.tolist(), strict=True)
            )
            output.say(f"  query {row + 1}: {'  '.join(pairs)}   found (printed)")
        largest = "" if result.largest is None else f", {result.largest:.4f} at most"
        output.say(f"  {result.verdict}{largest} (tolerance {result.card.tolerance})")
    if fidelity is not None:
        output.say()
        worst = fidelity.worst
        far = f"; farthest: {worst[0]}, {worst[1]:.2e}" if worst else ""
        output.say(
            f"reference  {len(fidelity.distances)} vectors, tolerance {fidelity.tolerance}{far}"
        )
        for line in (*fidelity.suspects, *fidelity.unseen):
            output.say(f"  {line}")
        for name, why in fidelity.failed.items():
            output.say(f"  failed: {name}: {why}")
    output.say()
    output.say(f"verdict    {document['verdict']}")
