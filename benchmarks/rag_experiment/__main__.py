"""Runs all arms, each resumable: python -m benchmarks.rag_experiment FOLDER --encoder MODEL."""

import argparse
import fcntl
import json
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.rag_experiment.arms import FAMILIES, Arm, arms, evidence_for
from benchmarks.rag_experiment.captions import caption
from benchmarks.rag_experiment.cases import Cases, cases
from benchmarks.rag_experiment.scoring import contains, exact, f1
from rzen import load
from rzen.config import AskSettings, ModelSettings
from rzen.protocols import Encoder
from rzen.rag import generators
from rzen.rag.citations import NOT_FOUND, Checker
from rzen.rag.fusion.joint import JointFusion
from rzen.rag.fusion.marginal import MarginalFusion
from rzen.rag.language_model import Ensemble, Message
from rzen.rag.prompt import Form
from rzen.types import Evidence

TOKENS = 400  # of evidence: the small model loses its way in more
ANSWER = 24


def main() -> None:
    """Runs what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="also holds the trained projectors, in runs/")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--questions", type=int, default=150, help="of each family")
    parser.add_argument("--only", default="", help="arms whose name begins so")
    parser.add_argument("--families", nargs="*", default=FAMILIES, help="of questions")
    given = parser.parse_args()
    encoder, judge = load(given.encoder), load("mini")
    store = given.folder / "vectors"

    @cache
    def found(family: str) -> Cases:
        return cases(family, "test", encoder, limit=given.questions, store=store)

    for arm in arms():
        if not arm.name.startswith(given.only):
            continue
        if arm.projector and not (given.folder / "runs" / arm.projector / "model").is_dir():
            print(f"{arm.name}: its projector is not trained yet", file=sys.stderr)
            continue
        for family in (each for each in arm.families if each in given.families):
            _run(arm, found(family), encoder, judge, given.folder)


def _run(arm: Arm, family: Cases, encoder: Encoder, judge: Encoder, folder: Path) -> None:
    file = folder / "arms" / f"{arm.name}, {family.family}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is at it
        done = _done(file)
        waiting = [row for row, each in enumerate(family.questions) if each.id not in done]
        if not waiting:
            return
        print(f"{arm.name}, {family.family}: {len(waiting)} questions", file=sys.stderr, flush=True)
        answer = _answerer(arm, encoder, folder)
        for row in waiting:
            lines.write(json.dumps(_answered(arm, family, row, answer, judge)) + "\n")
            lines.flush()


def _done(file: Path) -> set[str]:
    """Questions that were answered; half a line at the end is cut off."""
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            kept.append(json.loads(line))
        except ValueError:
            break
    file.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    return {line["id"] for line in kept}


def _answered(
    arm: Arm, family: Cases, row: int, answer: "_Answerer", judge: Encoder
) -> Mapping[str, Any]:
    question = family.questions[row]
    begun = time.perf_counter()
    evidence = evidence_for(
        arm, family, row, tokens=TOKENS, count=answer.fusion.count, caption=caption
    )
    gathered = time.perf_counter() - begun
    begun = time.perf_counter()
    said = answer.write(question.text, evidence)
    seconds = time.perf_counter() - begun
    score_C = answer.scores(question.text, evidence, question.candidates)
    chosen = question.candidates[int(score_C.argmax())]
    right = (question.answer, *question.accepted)
    checker = Checker(evidence, judge, question.text)
    whole = "".join([*checker.feed(said), *checker.finish()])
    cited = [cite.hit.id for cite in checker.checked(whole).citations]
    return {
        "id": question.id,
        "template": question.template,
        "answer": question.answer,
        "said": said,
        "chosen": chosen,
        "choice": chosen in right,
        "chance": 1 / len(question.candidates),
        "exact": exact(said, right),
        "f1": f1(said, right),
        "contains": contains(said, right),
        "abstained": NOT_FOUND in said or not said.strip(),
        "kept": bool(evidence and whole.strip()) and NOT_FOUND not in whole,
        "kept_right": NOT_FOUND not in whole and contains(whole, right),
        "held": sum(one.hit.id in question.gold for one in evidence),
        "cited": len(cited),
        "cited_right": sum(name in question.gold for name in cited),
        "tokens": answer.fusion.count(said),
        "seconds": round(seconds, 3),
        "gathered": round(gathered, 4),
    }


class _Answerer:
    """A language model with one arm's fusion."""

    def __init__(self, fusion: JointFusion | MarginalFusion, *, bare: bool) -> None:
        self.fusion = fusion
        self._bare = bare

    def write(self, question: str, evidence: list[Evidence]) -> str:
        if self._bare:
            return "".join(self.fusion.model.write(_bare(question), max_tokens=ANSWER))
        return "".join(self.fusion.generate(question, evidence))

    def scores(self, question: str, evidence: list[Evidence], candidates: tuple[str, ...]) -> Any:
        if self._bare:
            model = self.fusion.model
            assert isinstance(model, Ensemble)
            return model.log_likelihoods([_bare(question)], candidates)[0]
        return self.fusion.scores(question, evidence, candidates)


def _bare(question: str) -> list[Message]:
    return [Message("user", (f"Answer in a few words.\n\nQuestion: {question}",))]


def _answerer(arm: Arm, encoder: Encoder, folder: Path) -> _Answerer:
    run = folder / "runs" / arm.projector / "model" if arm.projector else None
    return _Answerer(_fusion(arm.fusion or "context", run, encoder), bare=not arm.fusion)


_LOADED: dict[tuple[str, Path | None], JointFusion | MarginalFusion] = {}


def _fusion(name: str, run: Path | None, encoder: Encoder) -> JointFusion | MarginalFusion:
    """Loaded once for all arms that share it."""
    if (name, run) not in _LOADED:
        _LOADED.clear()  # one language model at a time
        _LOADED[name, run] = _loaded(name, run, encoder)
    return _LOADED[name, run]


def _loaded(name: str, run: Path | None, encoder: Encoder) -> JointFusion | MarginalFusion:
    settings = AskSettings(fusion=name, projector=run, answer_tokens=ANSWER)
    if name == "context":
        model = generators.local_model("smollm2", device="auto", model=ModelSettings())
        return JointFusion(model, Form(brief=True), max_tokens=ANSWER)
    made = generators.create("smollm2", settings, encoder=encoder)
    assert isinstance(made, JointFusion | MarginalFusion)
    return made


if __name__ == "__main__":
    main()
