"""Words for the full-text table: of a file's name, and of a query.

The table's tokenizer splits at whatever is neither letter nor digit, folds case and removes
diacritics. Scripts written without spaces would become one token per sentence, so their characters
are set apart here, and a query asks for pairs of neighbours.
"""

import itertools
import os
import re
import unicodedata
from pathlib import PurePath

QUERY_TERMS = 64

# Thai, Lao, Myanmar, Khmer, kana, CJK ideographs, Hangul syllables.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\U00020000-\U0003134f"
)
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_TERM = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])\w)+")
# Where a name changes between words: redBoat, IMG2024, 4th.
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

# Left out of a query unless nothing else is in it: they match almost every English passage.
_STOP_TEXT = """
a about all also am an and any are as at be been but by can could did do does for from
had has have he her his how i if in into is it its me my no not of on or our she should show so some
than that the their them then there these they this those to us was we were what when where which
who whom whose why will with would you your"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


def indexed(text: str) -> str:
    """The text as the full-text table stores it; never longer than needed for its tokens.

    >>> indexed("a red boat"), indexed("红船 2")
    ('a red boat', ' 红  船  2')
    """
    # Half a surrogate pair (a damaged text layer) cannot be stored as UTF-8.
    whole = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", " ")
    return _CHARACTER.sub(r" \1 ", whole)


def name_words(path: str) -> str:
    """What a file can be found by: its name and its folder's, whole and split into words.

    >>> name_words("/home/me/Holiday/redBoat_2024.jpg")
    'Holiday redBoat_2024.jpg red Boat_2024.jpg'
    """
    # The bytes that are no text are of no use to a reader either.
    place = PurePath(os.fsencode(path).decode("utf-8", "replace"))
    whole = f"{place.parent.name} {place.name}".strip()
    split = _SEAM.sub(" ", place.name)
    return indexed(whole if split == place.name else f"{whole} {split}")


def match_expression(query: str) -> str | None:
    """A query as an FTS5 expression that no input can break: quoted words, OR-ed.

    >>> match_expression('the "red" boat NOT:')
    '"red" OR "boat"'
    >>> match_expression("to be or not to be"), match_expression("?!")
    ('"to" OR "be" OR "or" OR "not"', None)

    Returns:
        the expression; ``None`` if the query has no word.
    """
    terms = list(dict.fromkeys(_terms(query)))
    telling = [term for term in terms if term not in _STOP_WORDS]
    chosen = (telling or terms)[:QUERY_TERMS]
    return " OR ".join(f'"{term}"' for term in chosen) or None


def _terms(query: str) -> list[str]:
    terms: list[str] = []
    for run in _TERM.findall(unicodedata.normalize("NFC", query).lower()):
        if not _CHARACTER.match(run) or len(run) == 1:
            terms.append(run)
        else:
            terms += [f"{first} {second}" for first, second in itertools.pairwise(run)]
    return terms
