"""Sentences and words of a text, for choosing what to quote and for checking what was claimed."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof st jr sr vs etc fig figs eq nos vol pp ed eds al approx dept inc ltd co "
        "corp jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e cf ca bzw nr str usw",
    )
)
# A full stop with what may close it, citations behind it included, and the blank after it; CJK
# writing leaves no blank. Or an empty line, or a line break before a list item.
_CITED = r"(?:\s*\[\d[\d,; ]*\])"
_BOUNDARY = re.compile(
    rf"(?P<stop>[.!?\u2026]+[\"'\u201d\u2019\u00bb)\]]*{_CITED}*)\s+(?!\[\d)(?=\S)"
    rf"|(?P<cjk>[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f\uff09]*{_CITED}*)\s*(?!\[\d)(?=\S)"
    rf"|(?P<cited>{_CITED})[ \t]*\n\s*(?=\S)"
    r"|[ \t]*\n[ \t]*\n\s*(?=\S)"
    r"|[ \t]*\n\s*(?=(?:[-*\u2022\u2023\u25aa\u2013]|\d{1,3}[.)])\s+\S)"
    r"|[ \t]*(?P<line>\n)\s*(?=\S)"
)
_EMPTY_LINE = re.compile(r"\n\s*\n")
_SHORT_LINE = 45  # characters; a line that ends earlier was not broken for want of room
_STARTS_ANEW = re.compile(r"[A-Z0-9\u00c0-\u00de]")
_DELIMITERS = (re.compile(r",(?!\s)"), re.compile(";"), re.compile("\t"), re.compile(r"\|"))
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*(?:[.,]\d+)*", re.UNICODE)
_DIGIT = re.compile(r"\d")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        "a an and are as at be been but by can could did do does for from had has have he her his "
        "how i if in into is it its me my no not of on or our she so than that the their them then "
        "there these they this those to up was we were what when where which who whom whose why "
        "will with would you your about after all also any because before between both during each "
        "more most much many must may might only other over same should some such through under "
        "until very while s t don isn aren wasn",
    )
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a text, without the blanks around it.

    Attributes:
        start: offset of its first character.
        end: offset behind its last.
        text: what stands there.
    """

    start: int
    end: int
    text: str

    @property
    def flat(self) -> str:
        """On one line."""
        return " ".join(self.text.split())


def split(text: str) -> list[Sentence]:
    """Splits a text into sentences, list items and short lines, as tables and headings have them.

    >>> [sentence.text for sentence in split("Dr. Ito paid 3.50 euros. [2] It was late!")]
    ['Dr. Ito paid 3.50 euros. [2]', 'It was late!']
    """
    sentences = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if not _is_boundary(text, start, match):
            continue
        kept = next((match.end(name) for name in ("stop", "cjk", "cited") if match[name]), None)
        sentences.append((start, match.start() if kept is None else kept))
        start = match.end()
    sentences.append((start, len(text)))
    return [sentence for pair in sentences if (sentence := _stripped(text, *pair)).text]


def column_names(parts: Sequence[Sentence]) -> set[Sentence]:
    r"""Those of the sentences of a text that only name the columns of a table.

    That is a table's first row where it holds no digit and the row below it does; a rule between
    the two, as Markdown has it, does not count.

    >>> [row.text for row in column_names(split("boat,flag,built\nIda,se,1931\nEos,no,1950"))]
    ['boat,flag,built']
    """
    rows = [one for one in parts if _WORD.search(one.text)]
    found = set()
    for place, (one, below) in enumerate(pairwise(rows)):
        is_first = place == 0 or not _are_rows(rows[place - 1].text, one.text)
        names = not _DIGIT.search(one.text) and _DIGIT.search(below.text)
        if is_first and names and _are_rows(one.text, below.text):
            found.add(one)
    return found


def words(text: str) -> list[str]:
    """The telling words of a text: lower case, without accents and plural endings, no stop words.

    Scripts without blanks between words give pairs of characters.

    >>> words("The 2 boats aren't RED; naïve")
    ['2', 'boat', 'red', 'naive']
    """
    found = []
    for match in _WORD.finditer(_plain(text)):
        word = match[0]
        if _CJK.search(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        elif word not in _STOP_WORDS and word.split("'")[0] not in _STOP_WORDS:
            found.append(_stem(word))
    return found


def numbers(text: str) -> set[str]:
    """The numbers in a text, without the marks that group their digits.

    >>> sorted(numbers("1,200 boats in 2024, 3.5 m"))
    ['1200', '2024', '3.5']
    """
    found = re.findall(r"\d+(?:[.,]\d+)*", text)
    return {re.sub(r"[.,](?=\d{3}(?:\D|$))", "", number).replace(",", ".") for number in found}


def rarity(texts: Iterable[Iterable[str]]) -> dict[str, float]:
    """Inverse document frequency of each word over texts that are split into words."""
    counts: dict[str, int] = {}
    total = 0
    for text in texts:
        total += 1
        for word in set(text):
            counts[word] = counts.get(word, 0) + 1
    return {word: log(1 + total / count) for word, count in counts.items()}


def coverage(wanted: Sequence[str], found: Iterable[str], weights: Mapping[str, float]) -> float:
    """The share of the wanted words that were found, in [0, 1]; rare ones weigh more.

    A word without a weight weighs as much as the heaviest.
    """
    heaviest = max(weights.values(), default=1.0)
    weight = {word: weights.get(word, heaviest) for word in wanted}
    total = sum(weight.values())
    return sum(weight[word] for word in weight.keys() & set(found)) / total if total else 0.0


def _is_boundary(text: str, start: int, match: re.Match[str]) -> bool:
    if match["line"]:
        line = text[max(start, text.rfind("\n", 0, match.start()) + 1) : match.start()]
        following = text[match.end() :].split("\n", 1)[0]
        is_short = len(line.strip()) < _SHORT_LINE
        return (is_short and bool(_STARTS_ANEW.match(following))) or _are_rows(line, following)
    if not match["stop"]:
        return True
    if match["stop"] != "." or _EMPTY_LINE.search(match[0]):
        return True
    before = text[start : match.start()].split()
    last = before[-1].lower().lstrip("(\"'[") if before else ""
    following = text[match.end()]
    is_initial = len(last) == 1 and last.isalpha() and last != "i"
    is_item = len(before) == 1 and last.isdigit()
    is_number = last == "no" and following.isdigit()
    return not (last in _ABBREVIATIONS or is_initial or is_item or is_number or following.islower())


def _are_rows(one: str, other: str) -> bool:
    """Whether two lines are rows of one table: as many columns, at least three, of any kind."""
    counts = [(len(mark.findall(one)), len(mark.findall(other))) for mark in _DELIMITERS]
    return any(mine == its >= 2 for mine, its in counts)


def _stripped(text: str, start: int, end: int) -> Sentence:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    return Sentence(start, start + len(piece), piece)


def _plain(text: str) -> str:
    text = text.lower().replace("\u2019", "'")
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare)


def _stem(word: str) -> str:
    """Without the commonest English endings; both sides of a comparison are cut alike."""
    word = word.removesuffix("'s")
    for ending, least in (("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            cut = word[: -len(ending)]
            return cut + "y" if ending == "ies" else cut
    return word
