"""Which short prompt a small model answers best: ours beside other forms, on labelled questions.

36 questions with four passages each, of which one answers, and 12 that none answers; by SmolLM2,
and by the GGUF file that RZEN_BENCH_GGUF names. Right: the answer says what it has to.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.results import Section
from rzen import load
from rzen.evaluation.statistics import interval
from rzen.protocols import Encoder
from rzen.rag import fetched
from rzen.rag.citations import NOT_FOUND, Checker
from rzen.rag.context import describe
from rzen.rag.gguf import GgufModel
from rzen.rag.language_model import LanguageModel, Message
from rzen.rag.prompt import FULL, Form, messages
from rzen.types import Evidence, Hit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "rag"))

from labelled_questions import ANSWERED, NEEDED, PASSAGES, UNANSWERED, is_right

_TOKENS = 40
_PIECES = 4

Ask = Callable[[str, Sequence[Evidence]], Sequence[Message]]


def _put(form: str, *, numbered: bool) -> Ask:
    """A form with places for the pieces and the question, as one message."""

    def ask(question: str, evidence: Sequence[Evidence]) -> Sequence[Message]:
        heads = [f"[{one.number}] {describe(one.hit)}\n" if numbered else "" for one in evidence]
        pieces = [f"{head}{one.text}" for head, one in zip(heads, evidence, strict=True)]
        return [Message("user", (form.format("\n\n".join(pieces), question),))]

    return ask


_USE = "Use the context to answer the question"
FORMS: Mapping[str, Ask] = {
    "rzen, brief": lambda question, pieces: messages(question, pieces, form=Form(brief=True)),
    "rzen, full": lambda question, pieces: messages(question, pieces, form=FULL),
    "context, question last": _put(f"Context:\n{{}}\n\n{_USE}.\n\nQuestion: {{}}", numbered=False),
    "the same, numbered": _put(f"Context:\n{{}}\n\n{_USE}.\n\nQuestion: {{}}", numbered=True),
    "numbered, one sentence": _put(
        f"Context:\n{{}}\n\n{_USE} in one sentence.\n\nQuestion: {{}}", numbered=True
    ),
    "numbered, may not know": _put(
        f"Context:\n{{}}\n\n{_USE}. If the context does not hold the answer, say: {NOT_FOUND}"
        "\n\nQuestion: {}",
        numbered=True,
    ),
    "question alone behind": _put("{}\n\nQuestion: {}", numbered=True),
}
"""Name -> what the model is asked."""


def run(quick: bool = False) -> list[Section]:
    """A table for each model."""
    return [_table(model, quick=quick) for model in _models()]


def _models() -> Iterator[LanguageModel]:
    yield GgufModel(fetched.found("smollm2"), "smollm2")
    if named := os.environ.get("RZEN_BENCH_GGUF"):
        yield GgufModel(Path(named))


def _table(model: LanguageModel, *, quick: bool) -> Section:
    judge = load("mini")
    rows = []
    for name, ask in FORMS.items():
        begun = time.process_time()
        answered = [
            _tried(model, judge, ask, question, passage, at)
            for at, (question, passage, _) in enumerate(ANSWERED[: 4 if quick else None])
        ]
        said, left = (
            np.array(
                [is_right(pair[which], need) for pair, need in zip(answered, NEEDED, strict=False)],
                np.float64,
            )
            for which in (0, 1)
        )
        names = list(PASSAGES)
        unknown = [
            _tried(model, judge, ask, question, names[at % len(names)], at)
            for at, question in enumerate(UNANSWERED[: 2 if quick else None])
        ]
        seen = interval(said)
        rows.append(
            [
                name,
                f"{said.mean():.2f} ({seen.low:.2f} to {seen.high:.2f})",
                f"{left.mean():.2f}",
                f"{np.mean([NOT_FOUND in pair[0] for pair in unknown]):.2f}",
                f"{np.mean([NOT_FOUND in pair[1] for pair in unknown]):.2f}",
                f"{(time.process_time() - begun) / (len(answered) + len(unknown)):.1f}",
            ]
        )
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    return Section(
        title=f"Short prompts: {model.name}",
        claim="What a form costs or wins before and behind the check.",
        columns=[
            *("form", "right, as written", "right, after the check"),
            *("no answer: the model says so", "after the check", "CPU s an answer"),
        ],
        rows=rows,
    )


def _tried(
    model: LanguageModel, judge: Encoder, ask: Ask, question: str, passage: str, at: int
) -> tuple[str, str]:
    """What the model writes, and what is left of it; the right piece stands at each place."""
    names = list(PASSAGES)
    first = (names.index(passage) - at % _PIECES) % len(names)
    chosen = [names[(first + step) % len(names)] for step in range(_PIECES)]
    evidence = [
        Evidence(
            number=number,
            hit=Hit(id=name, modality="text", uri=f"/{name}.txt", score=0.5),
            text=PASSAGES[name],
        )
        for number, name in enumerate(chosen, 1)
    ]
    written = "".join(model.write(ask(question, evidence), max_tokens=_TOKENS))
    checker = Checker(evidence, judge, question)
    left = "".join([*checker.feed(written), *checker.finish()])
    return written, left.strip() or NOT_FOUND
