"""What rzen adds to a language model's own time, what mixing costs, and how long evidence takes.

A plain loop is what one would write without rzen: the finished prompt, the library's own streaming,
and nothing behind it. rzen's time goes from hits to a checked answer: evidence within its budget,
the prompt, the same tokens, the check of each sentence.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from benchmarks.results import Section
from examples.demo import corpus
from examples.demo.queries import QUERIES, QUESTIONS
from rzen.api import Index, load
from rzen.config import AskSettings, ModelSettings, cache_folder
from rzen.rag import context, fetched, generators
from rzen.rag.answer import answer
from rzen.rag.fusion.joint import JointFusion
from rzen.rag.gguf import GgufModel
from rzen.rag.language_model import LanguageModel, Message
from rzen.rag.local.model import LocalModel
from rzen.rag.prompt import Form, messages
from rzen.types import Evidence, Hit, Turn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "rag"))

from labelled_questions import ANSWERED, PASSAGES

TOKENS = 32
_SETTINGS = AskSettings(answer_tokens=TOKENS)
_FORM = Form(brief=True)

Timed = tuple[float, float, int]
"""Seconds to the first piece, seconds in all, pieces."""


def run(quick: bool = False) -> list[Section]:
    """All three claims."""
    asked = 3 if quick else 8
    smollm2 = generators.local_model("smollm2", device="cpu", model=ModelSettings())
    sections = [_overhead(smollm2, asked), _mixing(smollm2, (3,) if quick else (3, 5, 10))]
    return [*sections, _evidence(quick=quick)]


def _overhead(smollm2: LocalModel, asked: int) -> Section:
    rows = []
    for name, model, plain in _models(smollm2):
        first, whole = _compared(model, plain, asked)
        rows.append([name, *first, *whole])
    return Section(
        title="rzen beside a plain loop over the same generator and evidence",
        claim="At most 1.10 is wanted, to the first token and for the whole answer.",
        columns=[
            *("generator", "first token, plain (s)", "rzen (s)", "ratio (lowest to highest)"),
            *("whole answer, plain (s)", "rzen (s)", "ratio (lowest to highest)"),
        ],
        rows=rows,
        notes=[
            f"{asked} questions, four passages each in four orders, {TOKENS} tokens at most.",
            "rzen's time holds what the loop's lacks: choosing evidence, the prompt, the check.",
        ],
    )


def _models(
    smollm2: LocalModel,
) -> Iterator[tuple[str, LanguageModel, Callable[[Sequence[Message]], Iterator[str]]]]:
    yield "SmolLM2, transformers", smollm2, lambda asked: _plain_transformers(smollm2, asked)
    gguf = GgufModel(fetched.found("smollm2"), "smollm2")
    yield "SmolLM2, llama.cpp", gguf, lambda asked: _plain_llama(gguf, asked)


def _plain_transformers(model: LocalModel, asked: Sequence[Message]) -> Iterator[str]:
    """As the documentation of transformers streams."""
    import torch
    from transformers import GenerationConfig, TextIteratorStreamer

    tokenizer, network = model.loaded.tokenizer, model.loaded.network
    turns = [{"role": each.speaker, "content": each.text} for each in asked]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    told = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        max_new_tokens=TOKENS,
        eos_token_id=network.generation_config.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )

    def work() -> None:
        with torch.inference_mode():
            network.generate(**inputs, generation_config=config, streamer=told)

    worker = Thread(target=work)
    worker.start()
    yield from (piece for piece in told if piece)
    worker.join()


def _plain_llama(model: GgufModel, asked: Sequence[Message]) -> Iterator[str]:
    """The library's own call: pieces reach a list through its callback, so they count at once."""
    from queue import SimpleQueue

    arriving: SimpleQueue[Any] = SimpleQueue()
    request = {
        "messages": [{"role": each.speaker, "content": each.text} for each in asked],
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
    }

    def take(event: Any) -> bool:
        arriving.put(event)
        return False

    def work() -> None:
        model._server.handle_chat_completions(request, take)
        arriving.put(None)

    worker = Thread(target=work)
    worker.start()
    while (event := arriving.get()) is not None:
        for choice in event.get("choices") or ():
            if piece := choice.get("delta", {}).get("content"):
                yield piece
    worker.join()


class _Clocked(JointFusion):
    """Notes when the first piece comes."""

    first = 0.0

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        self.first = 0.0
        for piece in super().generate(question, evidence, history):
            self.first = self.first or time.perf_counter()
            yield piece


def _compared(
    model: LanguageModel, plain: Callable[[Sequence[Message]], Iterator[str]], asked: int
) -> tuple[list[object], list[object]]:
    judge = load("mini")
    fusion = _Clocked(model, _FORM, max_tokens=TOKENS)
    firsts: list[tuple[float, float]] = []
    wholes: list[tuple[float, float]] = []
    for question, hits in _cases(asked):
        orders = [[*hits[at:], *hits[:at]] for at in range(len(hits))]
        orders = [
            [replace(hit, score=1 - place / 10) for place, hit in enumerate(order)]
            for order in orders
        ]
        prompts = [
            messages(question, _as_given(fusion, question, order), form=_FORM) for order in orders
        ]
        turns: list[tuple[Timed, Timed]] = []
        for turn in range(len(orders) + 1):
            # Never the prompt of the call before: llama.cpp would not read it again.
            own = _ours(fusion, question, orders[turn % len(orders)], judge)
            other = _timed(plain(prompts[(turn + 2) % len(orders)]))
            if turn:  # the first warms up
                turns.append((own, other))
        firsts.append(_medians(turns, 0))
        wholes.append(_medians(turns, 1))
    return _cells(firsts), _cells(wholes)


def _cases(count: int) -> Iterator[tuple[str, list[Hit]]]:
    """Labelled questions, each with its passage and three others."""
    names = list(PASSAGES)
    for question, name, _ in ANSWERED[:count]:
        at = names.index(name)
        chosen = [names[(at + step) % len(names)] for step in range(4)]
        yield (
            question,
            [
                Hit(
                    id=each,
                    modality="text",
                    uri=f"/{each}.txt",
                    score=1 - place / 10,
                    text=PASSAGES[each],
                )
                for place, each in enumerate(chosen)
            ],
        )


def _as_given(fusion: JointFusion, question: str, hits: Sequence[Hit]) -> list[Evidence]:
    budget = context.Budget(tokens=_SETTINGS.context_tokens, count=fusion.count)
    return context.for_reading(context.gather(hits, budget, question)).evidence


def _ours(fusion: _Clocked, question: str, hits: Sequence[Hit], judge: Any) -> Timed:
    begun = time.perf_counter()
    answer(question, hits, fusion, _SETTINGS, judge=judge)
    return fusion.first - begun, time.perf_counter() - begun, 0


def _timed(pieces: Iterator[str]) -> Timed:
    begun, first, count = time.perf_counter(), 0.0, 0
    for _ in pieces:
        first = first or time.perf_counter()
        count += 1
    return first - begun, time.perf_counter() - begun, count


def _medians(turns: Sequence[tuple[Timed, Timed]], at: int) -> tuple[float, float]:
    return (
        statistics.median(own[at] for own, _ in turns),
        statistics.median(other[at] for _, other in turns),
    )


def _cells(pairs: Sequence[tuple[float, float]]) -> list[object]:
    ratios = sorted(own / other for own, other in pairs)
    median = statistics.median(ratios)
    return [
        statistics.median(other for _, other in pairs),
        statistics.median(own for own, _ in pairs),
        f"{median:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
    ]


def _mixing(model: LocalModel, sizes: Sequence[int]) -> Section:
    rows = []
    for k in sizes:
        decoded, prefilled = [], []
        for question, hits in _cases(2):
            hits = (hits * 3)[:k]
            alone = [
                messages(question, [Evidence(number=1, hit=hit, text=hit.text)], form=_FORM)
                for hit in hits
            ]
            # What one prompt goes on with, all do: so the tokens are as many in both.
            mixed = _steps(model, alone)
            separate = [_steps(model, [each]) for each in alone]
            decoded.append((mixed[1], sum(each[1] for each in separate)))
            prefilled.append((mixed[0], sum(each[0] for each in separate)))
        rows.append([k, *_cells(decoded), *_cells(prefilled)])
    return Section(
        title="marginal over k documents beside k separate runs (SmolLM2, transformers)",
        claim="At most 0.60 is wanted of a token's decoding: the weights are read once for all k.",
        columns=[
            *("k", "separate, s a token", "marginal, s a token", "ratio (lowest to highest)"),
            *("prefill, separate (s)", "prefill, marginal (s)", "ratio (lowest to highest)"),
        ],
        rows=rows,
        notes=["Separate: the sum of k runs, one after the other. Prefill: to the first token."],
    )


def _steps(model: LocalModel, dialogues: Sequence[Sequence[Message]]) -> tuple[float, float]:
    """Seconds of the prefill, and of each token behind it."""
    import torch
    from transformers import GenerationConfig

    from rzen.rag.local.prompts import prepare

    # Through the model's own options, with a fixed number of tokens in the place of its end.
    prompts = prepare(model.loaded, dialogues, None)
    weights = np.full(len(dialogues), 1 / len(dialogues))

    def seconds(tokens: int) -> float:
        from threading import Event

        begun = time.perf_counter()
        with torch.inference_mode():
            model.loaded.network.generate(
                **prompts.inputs,
                **model._options(weights, Event()),
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    do_sample=False,
                    min_new_tokens=tokens,
                    max_new_tokens=tokens,
                    eos_token_id=model.loaded.network.generation_config.eos_token_id,
                    pad_token_id=model.loaded.tokenizer.pad_token_id,
                ),
            )
        return time.perf_counter() - begun

    prefill = statistics.median(seconds(1) for _ in range(3))
    whole = statistics.median(seconds(TOKENS) for _ in range(3))
    return prefill, (whole - prefill) / (TOKENS - 1)


class _Waiting(JointFusion):
    """Notes when it is asked, and writes nothing."""

    asked = 0.0

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        del question, evidence, history
        self.asked = time.perf_counter()
        return iter(())


def _evidence(*, quick: bool) -> Section:
    """From the end of the search to the generator, in an index of real files."""
    questions = [*QUESTIONS, *(query.text for query in QUERIES if query.text)]
    model = GgufModel(fetched.found("smollm2"), "smollm2")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        files = corpus.build(Path(scratch) / "files", cache=cache_folder() / "demo")
        kept = files[:12] if quick else files
        with Index.open(Path(scratch) / "index.rzen") as index:
            index.add(kept)
            for k in (5, 10):
                times = [_assembly(index, model, question, k) for question in questions]
                rows.append(
                    [
                        k,
                        len(times),
                        *(f"{1e3 * each:.1f}" for each in np.quantile(times, [0.5, 0.9, 1.0])),
                    ]
                )
    return Section(
        title="Evidence: from hits to what the generator gets",
        claim="Less than 50 ms is wanted, without OCR.",
        columns=["k", "questions", "median (ms)", "90 % (ms)", "longest (ms)"],
        rows=rows,
        notes=[
            "Naming what pictures show, neighbours, cutting, orders.",
            "The demo's files: pages, pictures, videos and texts.",
        ],
    )


def _assembly(index: Index, model: LanguageModel, question: str, k: int) -> float:
    """The best of three, for what other processes do is no part of it."""
    waiting = _Waiting(model, _FORM, max_tokens=TOKENS)
    found = []
    ended = 0.0
    search = index.search

    def timed(*given: Any, **named: Any) -> Any:
        nonlocal ended
        hits = search(*given, **named)
        ended = time.perf_counter()
        return hits

    index.search = timed  # type: ignore[method-assign]
    for _ in range(3):
        index.ask(question, generator=waiting, k=k)
        found.append(waiting.asked - ended)
    index.search = search  # type: ignore[method-assign]
    return min(found)
