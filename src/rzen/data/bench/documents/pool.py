"""Which pages of the manuals belong to which split, and to which pool within it.

Sections share pages, so pages are dealt out in stretches: a stretch begins with a section that
begins on a fresh page and ends before the next such section. A long one is cut where two sections
meet on a page, and that page goes to neither. So every page that is used, and all that is used of a
section, lies in one split.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rzen.data.bench.documents.headings import LEAST_LETTERS, Section
from rzen.data.bench.documents.manuals import REFERENCE, Manual, Sheet, read_manuals
from rzen.data.bench.language.concepts import Split, split_of, stable_number
from rzen.data.bench.language.text_overlap import similar_texts

_POOL_PAGES: Mapping[Split, int] = {"train": 1200, "validation": 330, "test": 650}
_LONG = 8  # pages, from which a stretch may be cut
STRONGEST: Sequence[Split] = ("test", "validation", "train")
"""Which split keeps what two of them have."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentPool:
    """Pages that are searched together.

    Attributes:
        manuals: all that were read, by name.
        pages: id -> page, in the order of the manuals.
        homes: id of a page -> name of its manual.
        words: id of a page -> its text in the form of ``title_key``, with spaces around it.
        splits: id -> split, of all pages of all splits.
        sections: those that begin on one of the pages.
        titles: how many sections of all manuals have a title (in the form of ``title_key``).
        left_out: what was left out of the split, and why.
    """

    manuals: Mapping[str, Manual]
    pages: Mapping[str, Sheet]
    homes: Mapping[str, str]
    words: Mapping[str, str]
    splits: Mapping[str, Split]
    sections: tuple[Section, ...]
    titles: Mapping[str, int]
    left_out: Mapping[str, int]

    def page_id(self, manual: str, number: int) -> str | None:
        """The id of a page, if it is in the pool."""
        name = f"{manual}-{number}"
        return name if name in self.pages else None

    def claims(self, manual: str, numbers: Iterable[int], split: Split) -> bool:
        """Whether what stands on several pages belongs to a split: the test comes first."""
        names = (f"{manual}-{number}" for number in numbers)
        found = {self.splits[name] for name in names if name in self.splits}
        return bool(found) and min(found, key=STRONGEST.index) == split

    def saying(self, phrase: str) -> set[str]:
        """Ids of the pages on which a phrase stands, whatever its case and punctuation."""
        wanted = f" {title_key(phrase)} "
        return {name for name, words in self.words.items() if wanted in words}

    def among(self, manual: str, first: int, last: int) -> list[str]:
        """Ids of those pages from the first to the last that are in the pool."""
        names = (self.page_id(manual, number) for number in range(first, last + 1))
        return [name for name in names if name is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    manual: str
    concept: str
    numbers: tuple[int, ...]


def pools(package: Path, split: Split) -> tuple[DocumentPool, DocumentPool]:
    """The pages of a split: those that are searched as they are, and those kept for scans.

    Args:
        package: the unpacked package ``r-doc-pdf``.
        split: which one.
    """
    manuals = read_manuals(package)
    stretches = [each for each in _all_stretches(manuals) if split_of(each.concept) == split]
    # The small manuals come first, for their indexes; then chance decides.
    stretches.sort(key=lambda each: (each.manual == REFERENCE, _shuffled(each)))
    plain, scans = list[_Stretch](), list[_Stretch]()
    count = 0
    for stretch in stretches:
        (plain if count < _POOL_PAGES[split] else scans).append(stretch)
        count += len(stretch.numbers)
    splits, left_out = _without_repeats(package)
    return (
        _pool(manuals, plain, splits, left_out[split]),
        _pool(manuals, scans, splits, left_out[split]),
    )


def title_key(title: str) -> str:
    """A title in the form in which titles are compared.

    >>> title_key("The  Normal-Distribution")
    'the normal distribution'
    """
    return " ".join(re.findall(r"\w+", title.lower()))


@cache
def _without_repeats(package: Path) -> tuple[Mapping[str, Split], Mapping[Split, Counter[str]]]:
    """Split of every page that is kept, and what was left out of each split.

    Of two pages that say nearly the same, the test keeps its own, then the validation; within a
    split the first is kept.
    """
    manuals = read_manuals(package)
    splits: dict[str, Split] = {}
    texts: dict[str, str] = {}
    left_out: dict[Split, Counter[str]] = {split: Counter() for split in STRONGEST}
    for stretch in _all_stretches(manuals):
        sheets = next(each.sheets for each in manuals if each.name == stretch.manual)
        split = split_of(stretch.concept)
        for number in stretch.numbers:
            sheet = sheets[number]
            if len(sheet.text) < LEAST_LETTERS:
                left_out[split]["pages with hardly any text"] += 1
            else:
                splits[sheet.id], texts[sheet.id] = split, sheet.text
    gone: set[str] = set()
    for one, other in similar_texts(texts):
        if gone.isdisjoint((one, other)):
            strength = [STRONGEST.index(splits[name]) for name in (one, other)]
            weaker = other if strength[0] <= strength[1] else one
            gone.add(weaker)
            same = splits[one] == splits[other]
            why = "pages like another of the split" if same else "pages like one of another split"
            left_out[splits[weaker]][why] += 1
    return {name: split for name, split in splits.items() if name not in gone}, left_out


def _all_stretches(manuals: Sequence[Manual]) -> Iterator[_Stretch]:
    for manual in manuals:
        fresh, within = dict[int, str](), dict[int, str]()
        for section in manual.sections:
            if section.rank <= 1:
                (fresh if section.opens_page else within)[section.first] = section.title
        concept, numbers = manual.name, list[int]()
        for number in manual.sheets:
            meets = number in within and number not in fresh and len(numbers) >= _LONG
            if numbers and (number in fresh or meets or number != numbers[-1] + 1):
                yield _Stretch(manual=manual.name, concept=concept, numbers=tuple(numbers))
                concept, numbers = manual.name, []
            if not numbers:
                concept = title_key(within.get(number) or fresh.get(number) or concept)
            if not meets:
                numbers.append(number)
        if numbers:
            yield _Stretch(manual=manual.name, concept=concept, numbers=tuple(numbers))


def _shuffled(stretch: _Stretch) -> int:
    return stable_number(f"stretch {stretch.manual} {stretch.numbers[0]}")


def _pool(
    manuals: Sequence[Manual],
    stretches: Sequence[_Stretch],
    splits: Mapping[str, Split],
    left_out: Mapping[str, int],
) -> DocumentPool:
    chosen = {(stretch.manual, number) for stretch in stretches for number in stretch.numbers}
    pages: dict[str, Sheet] = {}
    homes: dict[str, str] = {}
    for manual in manuals:
        for number, sheet in manual.sheets.items():
            if (manual.name, number) in chosen and sheet.id in splits:
                pages[sheet.id], homes[sheet.id] = sheet, manual.name
    every = [section for manual in manuals for section in manual.sections]
    return DocumentPool(
        manuals={manual.name: manual for manual in manuals},
        pages=pages,
        homes=homes,
        words={name: f" {title_key(sheet.text)} " for name, sheet in pages.items()},
        splits=splits,
        sections=tuple(each for each in every if f"{each.manual}-{each.first}" in pages),
        titles=Counter(title_key(section.title) for section in every),
        left_out=left_out,
    )
