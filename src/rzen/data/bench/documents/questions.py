"""What the pages of the manuals can be asked for by, and which pages answer, with grades."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from rzen.data.bench.documents.headings import LEAST_LETTERS, Section
from rzen.data.bench.documents.manuals import LONGEST_SECTION
from rzen.data.bench.documents.pool import STRONGEST, DocumentPool, title_key
from rzen.data.bench.documents.printed_index import IndexTerm
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.workshop import Workshop

_LEAST_WORDS = 2  # of a title, that carry meaning
_LONGEST_TITLE = 100  # letters
_LEAST_TERM = 5  # letters
_MOST_PLACES = 6  # pages with a term that the index does not name; more, and it is no term
_STEM = 6  # letters by which the forms of a word are compared
_STOPS = frozenset(
    """about all and are can does for from get has have how its let may not other should some than
    that the their them there these this use used using via was what when where which who why will
    with within you your""".split()  # noqa: SIM905 (a list of 45 strings is no easier to read)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A text and the pages that answer it.

    Attributes:
        text: what is asked.
        grades: id of a page -> how well it answers.
        is_name: whether it is the name of a function or the like.
    """

    text: str
    grades: Mapping[str, int]
    is_name: bool


def heading_questions(shop: Workshop, pool: DocumentPool, name: str) -> list[Question]:
    """Titles of sections with the pages they stand on: 2 where it begins, 1 where it goes on.

    Left out are titles of one word, of several sections or with other pages on which they stand
    literally, sections that are long, and pages that show hardly any of the section.

    Args:
        shop: its tallies say what was left out.
        pool: where to search.
        name: of the set, for the tallies.
    """
    questions = []
    for section in pool.sections:
        own = pool.among(section.manual, section.first, section.last)
        if why := _unfit(section, pool, own):
            shop.tallies[f"{name}: headings dropped, {why}"] += 1
            continue
        grades = dict.fromkeys(own, 1) | {f"{section.manual}-{section.first}": 2}
        questions.append(Question(text=section.title, grades=grades, is_name=False))
    return questions


def term_questions(shop: Workshop, pool: DocumentPool, split: Split) -> list[Question]:
    """Entries of the printed indexes: 2 for the pages named, 1 for others that say the same.

    A page counts as named only if the words stand on it. Left out are terms that many other pages
    say, names that are plain words, and what another split has a stronger claim to.
    """
    questions = []
    elsewhere = _claimed_elsewhere(pool, split)
    for manual in pool.manuals.values():
        for term in manual.terms:
            if not _is_term(term) or not pool.claims(manual.name, term.pages, split):
                continue
            if title_key(term.words) in elsewhere:
                shop.tallies["manuals-index-t2p: terms dropped, asked in a stronger split"] += 1
                continue
            named = [
                name
                for name in (pool.page_id(manual.name, number) for number in term.pages)
                if name is not None and _says_words(pool.pages[name].text, term.words)
            ]
            said = sorted(pool.saying(term.words))
            grades = dict.fromkeys(said, 1) | dict.fromkeys(named, 2)
            if not named:
                shop.tallies["manuals-index-t2p: terms dropped, not on the page named"] += 1
            elif len(grades) - len(named) > _MOST_PLACES:
                shop.tallies["manuals-index-t2p: terms dropped, on many other pages"] += 1
            else:
                questions.append(Question(text=term.words, grades=grades, is_name=term.is_name))
    texts = Counter(title_key(question.text) for question in questions)
    alone = [question for question in questions if texts[title_key(question.text)] == 1]
    shop.tallies["manuals-index-t2p: terms dropped, in several indexes"] += len(questions) - len(
        alone
    )
    return alone


def _claimed_elsewhere(pool: DocumentPool, split: Split) -> frozenset[str]:
    """Terms of any manual that a split with a stronger claim has."""
    stronger = STRONGEST[: STRONGEST.index(split)]
    return frozenset(
        title_key(term.words)
        for manual in pool.manuals.values()
        for term in manual.terms
        if any(pool.claims(manual.name, term.pages, other) for other in stronger)
    )


def partners(pool: DocumentPool) -> dict[str, dict[str, int]]:
    """For each page the others of its sections: 2 for its neighbours, 1 for the rest.

    Pages of sections that are longer than four pages have no entry.
    """
    related: dict[str, dict[str, int]] = defaultdict(dict)
    barred: set[str] = set()
    for section in pool.sections:
        first = section.first + (section.own_letters < LEAST_LETTERS)
        names = pool.among(section.manual, first, section.own_last)
        if section.own_last - first >= LONGEST_SECTION:
            barred.update(names)
            continue
        numbers = {name: pool.pages[name].number for name in names}
        for one, other in permutations(names, 2):
            grade = 2 if abs(numbers[one] - numbers[other]) == 1 else 1
            related[one][other] = max(grade, related[one].get(other, 0))
    return {name: others for name, others in sorted(related.items()) if name not in barred}


def _unfit(section: Section, pool: DocumentPool, own: Sequence[str]) -> str:
    """Why a heading is no question; empty if it is one."""
    title = section.title
    words = [word for word in re.findall(r"[a-z]{3,}", title.lower()) if word not in _STOPS]
    if len(words) < _LEAST_WORDS or len(title) > _LONGEST_TITLE:
        return "fewer than two words, or very long"
    if pool.titles[title_key(title)] > 1:
        return "several sections have it"
    if section.last - section.first >= LONGEST_SECTION:
        return f"the section is longer than {LONGEST_SECTION} pages"
    if section.own_letters < LEAST_LETTERS:
        return "the page shows hardly any of the section"
    if not pool.saying(title) <= set(own):
        return "other pages say it literally"
    return ""


def _is_term(term: IndexTerm) -> bool:
    """Whether it can only mean the thing: a name that is no plain word, or no short word."""
    if term.is_name:
        return re.search(r"\w[._]\w|[a-z][A-Z]", term.words) is not None
    return len(term.words) >= _LEAST_TERM


def _says_words(text: str, words: str) -> bool:
    """Whether a page has all words of a term, in whatever form and order."""
    stems = (word[:_STEM] for word in re.findall(r"\w{3,}", words.lower()) if word not in _STOPS)
    lowered = text.lower()
    return all(stem in lowered for stem in stems)
