"""Questions about R's manuals: what the pages of rzen-bench say, in the words they say it with.

An answer stands on its page, as a word of its own, and the question has words of the page (a
function's name, a sentence) by which it can be found. The headings are hidden in the suite, so
nothing is asked by heading.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rzen.data.bench import suite
from rzen.data.bench.language.concepts import Split
from rzen.data.questions.balance import Draft, asked
from rzen.data.questions.question_set import Item, QuestionSet, says
from rzen.data.questions.usage_lines import Topic, prose, topics
from rzen.types import Content, Page

FAMILY: Final = "manuals"

_SET = "manuals-t2p"
_TASK = "document retrieval"
_MOST: Final[Mapping[Split, int]] = {"train": 5_000, "validation": 150, "test": 300}
_STRONGEST: Sequence[Split] = ("test", "validation", "train")
"""Which split keeps a question that two of them could ask."""

_FLAGS: Final = frozenset({"TRUE", "FALSE"})
_SENTENCE = re.compile(r"(?<=[.?!]\s)[A-Z][^.?!:]{40,220}\.(?=\s)")
_PROSE = re.compile(r"[A-Za-z ,;()\u2018\u2019\u201c\u201d'\-]+\.")
_HYPHENED = re.compile(r"\w-\w")
_FEWEST_WORDS = 9  # of a sentence
_LEAST_LETTERS = 5  # of a word that is left out
_MOST_GAPS: Final[Mapping[Split, int]] = {"train": 8, "validation": 2, "test": 2}  # of a page
_ENDING = 2
_GAP = "____"


def manuals(folder: Path, split: Split) -> QuestionSet:
    """Defaults of arguments, arguments and functions by description, gaps in sentences.

    Args:
        folder: of the built suite.
        split: which one.

    Raises:
        DataError: if the suite is not there or damaged.
    """
    pages = _pages(folder, split)
    # Pages of two splits may show one function, if one of them names it in passing.
    stronger = _STRONGEST[: _STRONGEST.index(split)]
    elsewhere = {
        draft.text for other in stronger for draft in _drafts(_pages(folder, other), other)
    }
    drafts = [draft for draft in _drafts(pages, split) if draft.text not in elsewhere]
    return QuestionSet(
        name=f"{FAMILY}-{split}",
        split=split,
        corpus=tuple(Item(id=name, content=content) for name, content in pages.items()),
        questions=tuple(asked(FAMILY, drafts, _MOST[split])),
    )


def _drafts(pages: Mapping[str, Content], split: Split) -> Iterator[Draft]:
    """All that can be asked of pages, if the answer stands on them as a word of its own."""
    for draft in (*_about_functions(pages), *_about_sentences(pages, _MOST_GAPS[split])):
        if says(pages[draft.gold[0]].text, draft.answer):
            yield draft


def _pages(folder: Path, split: Split) -> dict[str, Content]:
    """Id of a page -> its picture and text; in training those that answer an example."""
    if split != "train":
        return dict(suite.load(folder, split, _SET).documents)
    found: dict[str, Content] = {}
    for example in suite.train_examples(folder):
        for content in example.positives if example.task == _TASK else ():
            page = content.parts[0]
            assert isinstance(page, Page)
            assert isinstance(page.source, Path)
            found.setdefault(f"page-{page.source.stem}", content)
    return found


def _about_functions(pages: Mapping[str, Content]) -> Iterator[Draft]:
    found = [(name, topic) for name, page in pages.items() for topic in topics(page.text)]
    homes: dict[str, set[str]] = defaultdict(set)
    defaults: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, topic in found:
        for call in topic.calls:
            homes[call.function].add(name)
            for argument, default in call.arguments.items():
                defaults[call.function, argument].add(default)
    one_home = {function for function, names in homes.items() if len(names) == 1}
    clear = {pair for pair, values in defaults.items() if len(values) == 1}
    for name, topic in found:
        yield from _defaults(name, topic, one_home, clear)
        yield from _descriptions(name, topic, one_home)


def _defaults(
    name: str, topic: Topic, one_home: set[str], clear: set[tuple[str, str]]
) -> Iterator[Draft]:
    pairs = {
        (call.function, argument): default
        for call in topic.calls
        for argument, default in call.arguments.items()
        if default and call.function in one_home and (call.function, argument) in clear
    }
    for (function, argument), default in pairs.items():
        yield Draft(
            template="default flag" if default in _FLAGS else "default value",
            text=f"In the usage of {function}(), what is the default of the argument {argument}?",
            answer=default,
            accepted=(default.strip('"'),) if default.startswith('"') else (),
            gold=(name,),
            kin=_kind_of_value(default),
        )


def _descriptions(name: str, topic: Topic, one_home: set[str]) -> Iterator[Draft]:
    functions = tuple(dict.fromkeys(call.function for call in topic.calls))
    if topic.description and functions and one_home.issuperset(functions):
        yield Draft(
            template="function",
            text=f"Which function is described so: “{topic.description}”?",
            answer=functions[0],
            accepted=functions[1:],
            gold=(name,),
        )
    for argument, description in topic.arguments.items():
        owners = [call.function for call in topic.calls if argument in call.arguments]
        if owners and owners[0] in one_home:
            yield Draft(
                template="argument",
                text=f"Which argument of {owners[0]}() is described so: “{description}”?",
                answer=argument,
                gold=(name,),
            )


def _about_sentences(pages: Mapping[str, Content], most: int) -> Iterator[Draft]:
    """Sentences of one page alone with their rarest word left out, a few of each page."""
    texts = {name: " ".join(page.text.split("\n")) for name, page in pages.items()}
    frequency = Counter(word for text in texts.values() for word in set(_words(text)))
    sentences = {name: [*_sentences(pages[name].text)] for name in pages}
    times = Counter(sentence for found in sentences.values() for sentence in found)
    for name, found in sentences.items():
        made = 0
        for sentence in found:
            hidden = _telling_word(sentence, frequency)
            if hidden is None or times[sentence] > 1 or made == most:
                continue
            made += 1
            gapped = re.sub(rf"\b{hidden}\b", _GAP, sentence)
            yield Draft(
                template="gap",
                text=f"Which word is left out of this sentence: “{gapped}”?",
                answer=hidden,
                gold=(name,),
                kin=hidden[-_ENDING:],
            )


def _sentences(text: str) -> Iterator[str]:
    for found in _SENTENCE.finditer(prose(text)):
        sentence = " ".join(found[0].split())
        plain = _PROSE.fullmatch(sentence) and len(sentence.split()) >= _FEWEST_WORDS
        if plain and not _HYPHENED.search(sentence):
            yield sentence


def _telling_word(sentence: str, frequency: Mapping[str, int]) -> str | None:
    """The rarest word, of those that stand in the sentence once and on another page too.

    A word of one page alone would be a name or a slip.
    """
    words = Counter(_words(sentence))
    found: Iterable[str] = (
        word
        for word, times in words.items()
        if times == 1 and len(word) >= _LEAST_LETTERS and frequency[word] > 1
    )
    return min(found, key=lambda word: (frequency[word], word), default=None)


def _words(text: str) -> list[str]:
    return re.findall(r"(?<![\w.-])[a-z]+(?![\w-])", text)


def _kind_of_value(default: str) -> str:
    if default.startswith('"'):
        return "text"
    return "number" if re.fullmatch(r"[-+.\deE]+[Li]?", default) else "name"
