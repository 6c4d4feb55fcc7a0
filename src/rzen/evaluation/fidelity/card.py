"""Does an encoder give the values that are printed on its model's card?

The examples and their values are in ``cards.toml``, each with its origin. Pictures of examples are
fetched once, over https, into the cache.
"""

import hashlib
import tomllib
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rzen.config import cache_folder
from rzen.errors import MediaError
from rzen.protocols import Encoder
from rzen.types import Content, Image, Part, Role, Text

_LARGEST = 20 * 2**20  # bytes of a picture
_SECONDS = 30.0

Verdict = Literal["agrees", "differs", "right order", "wrong order", "not run"]


class CardContent(BaseModel):
    """A content of an example."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None = None
    image: str | None = None
    sha256: str | None = None
    instruction: str | None = None
    role: Role | None = None


class Card(BaseModel):
    """One example of a model's card.

    Attributes:
        model: name on the hub.
        origin: where the example and its values are from.
        tolerance: by which a cosine may differ.
        queries: B contents.
        documents: M contents.
        expected: B x M cosines, NaN where none is printed; ``None`` where none is at all, and each
            query's own document must come first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    origin: str
    tolerance: float
    queries: tuple[CardContent, ...]
    documents: tuple[CardContent, ...]
    expected: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CardResult:
    """What an encoder makes of an example.

    Attributes:
        card: the example.
        verdict: whether its values came out.
        found_BM: cosines; ``None`` if it was not run.
        largest: difference to what is printed; ``None`` where nothing is.
        reason: why it was not run; empty if it was.
    """

    card: Card
    verdict: Verdict
    found_BM: NDArray[np.float32] | None = None
    largest: float | None = None
    reason: str = ""

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "model": self.card.model,
            "origin": self.card.origin,
            "verdict": self.verdict,
            "tolerance": self.card.tolerance,
            "largest_difference": self.largest,
            "expected": self.card.expected,
            "found": None if self.found_BM is None else self.found_BM.round(6).tolist(),
            "reason": self.reason,
        }


@cache
def cards() -> tuple[Card, ...]:
    """All examples that are known."""
    text = files("rzen.evaluation.fidelity").joinpath("cards.toml").read_text(encoding="utf-8")
    return tuple(Card.model_validate(each) for each in tomllib.loads(text)["card"])


def cards_of(model: str) -> list[Card]:
    """The examples of a model, whatever the case of its name.

    >>> [card.tolerance for card in cards_of("baai/BGE-M3")]
    [0.01]
    """
    return [card for card in cards() if card.model.lower() == model.lower()]


def compare(
    encoder: Encoder, card: Card, fetch: Callable[[CardContent], Path] | None = None
) -> CardResult:
    """Encodes an example and compares its cosines with those that are printed.

    Args:
        encoder: who is asked.
        card: the example.
        fetch: a content's picture as a file; ``None`` fetches it from its address.
    """
    fetch = fetch or fetched
    try:
        query_BD = _vectors(encoder, card.queries, "query", fetch)
        document_MD = _vectors(encoder, card.documents, "document", fetch)
    except MediaError as error:
        return CardResult(card=card, verdict="not run", reason=str(error))
    found_BM = np.asarray(query_BD @ document_MD.T, np.float32)
    if card.expected is None:
        is_right = bool((found_BM.argmax(1) == np.arange(len(found_BM))).all())
        return CardResult(
            card=card, verdict="right order" if is_right else "wrong order", found_BM=found_BM
        )
    largest = float(np.nanmax(np.abs(found_BM - np.array(card.expected, np.float32))))
    agrees = largest <= card.tolerance
    return CardResult(
        card=card,
        verdict="agrees" if agrees else "differs",
        found_BM=found_BM,
        largest=largest,
    )


def fetched(content: CardContent) -> Path:
    """The picture of a content, in the cache.

    Raises:
        MediaError: if it cannot be fetched, is too large, or is another one than it was.
    """
    address = content.image
    assert address is not None
    assert address.startswith("https://"), address
    name = hashlib.sha256(address.encode()).hexdigest()[:24]
    file = cache_folder() / "cards" / name
    if not file.is_file():
        request = urllib.request.Request(address, headers={"User-Agent": "rzen"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                data: bytes = response.read(_LARGEST + 1)
        except OSError as error:
            raise MediaError(f"{address}: cannot be fetched: {error}") from error
        if len(data) > _LARGEST:
            raise MediaError(f"{address}: larger than {_LARGEST} bytes")
        if content.sha256 and hashlib.sha256(data).hexdigest() != content.sha256:
            raise MediaError(f"{address}: no longer the picture that the values are for")
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.write_bytes(data)
        aside.replace(file)
    return file


def _vectors(
    encoder: Encoder,
    contents: Sequence[CardContent],
    role: Role,
    fetch: Callable[[CardContent], Path],
) -> NDArray[np.float32]:
    """(N, D): each with its own instruction."""
    rows = []
    for each in contents:
        parts: list[Part] = [Image(fetch(each))] if each.image is not None else []
        if each.text is not None:
            parts.append(Text(each.text))
        found = encoder.encode(
            [Content(*parts)], role=each.role or role, instruction=each.instruction
        )
        rows.append(np.asarray(found)[0])
    return np.stack(rows)


def summary(results: Sequence[CardResult]) -> Mapping[Verdict, int]:
    """How many examples came to which verdict."""
    counts: dict[Verdict, int] = {}
    for each in results:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    return counts
