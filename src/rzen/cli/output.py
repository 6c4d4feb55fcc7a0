"""What commands print: one JSON document, or lines for people; errors with the way out."""

import base64
import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rzen.types import Answer, Explanation, Hit

OK, PARTLY, CANNOT, INTERRUPTED = 0, 1, 2, 130


def wants_json() -> bool:
    """Whether the command line asks for JSON: errors need to know before it is parsed."""
    return "--json" in sys.argv[1:]


def emit(document: Mapping[str, Any]) -> None:
    """Prints the one JSON document.

    Infinity and NaN, which files may hold and JSON has no form for, are null in it.
    """
    text = json.dumps(_with_finite(document), indent=2, default=_plain, allow_nan=False)
    sys.stdout.write(text + "\n")


def say(line: str = "") -> None:
    """Prints one line for people; what could steer a terminal is made visible."""
    print(printable(line))


def say_text(text: str) -> None:
    """Prints a text of several lines for people."""
    for line in text.splitlines():
        say(line)


def complain(message: str) -> None:
    """Prints an error for people; programs find it in the JSON document."""
    print(f"rzen: {printable(message)}", file=sys.stderr)


def printable(text: str) -> str:
    r"""Text in which nothing can steer a terminal or forge a line, for names are not ours.

    >>> printable("a\x1b[31mred\x07"), printable("two\nlines")
    ('a\\x1b[31mred\\x07', 'two\\nlines')
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def hit_document(hit: "Hit") -> dict[str, Any]:
    """A hit as JSON; its preview as a data address that any browser shows."""
    document = {field.name: getattr(hit, field.name) for field in dataclasses.fields(hit)}
    document["metadata"] = dict(hit.metadata)
    document["preview"] = (
        "data:image/jpeg;base64," + base64.b64encode(hit.preview).decode("ascii")
        if hit.preview
        else None
    )
    document["others"] = [
        {
            name: getattr(other, name)
            for name in ("id", "page", "t_start", "t_end", "char_start", "char_end", "score")
        }
        for other in hit.others
    ]
    return document


def why(explanation: "Explanation | None") -> dict[str, Any] | None:
    """An explanation as JSON; ``None`` for a hit that has none."""
    if explanation is None:
        return None
    return {
        "similarity": explanation.similarity,
        "maps": [
            {
                "time": one.time,
                "score": one.score,
                "heat": [[round(float(cosine), 4) for cosine in row] for row in one.heat_HW],
            }
            for one in explanation.maps
        ],
        "warnings": list(explanation.warnings),
    }


def answer_document(answer: "Answer") -> dict[str, Any]:
    """An answer as JSON."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "citations": [
            {"number": cite.number, "quote": cite.quote, **hit_document(cite.hit)}
            for cite in answer.citations
        ],
        "unsupported": list(answer.unsupported),
        "warnings": list(answer.warnings),
        "generator": answer.generator,
        "found": answer.is_found,
    }


def say_hits(hits: Iterable["Hit"]) -> None:
    """Lists hits for people."""
    from rzen.render.page import place, snippet

    number = 0
    for number, hit in enumerate(hits, start=1):
        where = ", ".join(filter(None, [hit.uri, place(hit)]))
        say(f"{number:3}. {hit.score:.3f}  {hit.modality:5}  {where}")
        if hit.text:
            say(f"            {snippet(hit.text, 110)}")
        if hit.others:
            places = [place(other) or "another passage" for other in hit.others]
            say(f"            also {', '.join(dict.fromkeys(places))}")
    if not number:
        say("Nothing was found.")


def _with_finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_with_finite(key): _with_finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_with_finite(each) for each in value]
    return value


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)
