"""Runs an encoder over a suite, set by set: encode, rank, score, write. A kill costs little."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rzen.data.bench.suite import train_examples
from rzen.data.retrieval_set import Group, RetrievalSet
from rzen.errors import DataError, UsageError
from rzen.evaluation.baselines import Baselines
from rzen.evaluation.metrics import KEYS
from rzen.evaluation.mmeb.sets import find_set
from rzen.evaluation.outcome import RunOutcome, SetOutcome
from rzen.evaluation.progress import Meter, Progress
from rzen.evaluation.run_folder import RunFolder
from rzen.evaluation.run_folder import read_run as read_run
from rzen.evaluation.set_run import SetRun, limited, whole_encoder
from rzen.evaluation.suites import MMEB, Suite
from rzen.evaluation.vector_cache import VectorCache, cache_file, encoder_document
from rzen.protocols import Encoder
from rzen.types import Content, Modality
from rzen.version import __version__


def run(
    suite: Suite,
    encoder: Encoder,
    output: Path,
    *,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> RunOutcome:
    """Runs an encoder over a suite.

    Started again after a kill, it takes what is done from the folder, and vectors from the cache.
    Results of the same encoder's earlier data or libraries are renewed; those of anything else in
    the folder are left alone, and the run refused.

    Args:
        suite: what is asked.
        encoder: who is asked.
        output: the folder of the results.
        limit: queries of each set, at most; see :func:`limited`.
        progress: called after each step.

    Raises:
        DataError: if a set is damaged, or the folder cannot be written.
        EncoderError: if the encoder gives something else than unit vectors, or can encode none of
            a set's queries or documents.
        UsageError: if the limit is less than 1, the encoder takes no set of the suite, or the
            folder holds results of something else.
    """
    started = time.monotonic()
    plan = _plan(suite, encoder, output, limit)
    if finished := _finished(plan, suite):
        return finished
    plan.folder.begin(plan.to_run, total=len(plan.to_run) + len(plan.kept))
    meter = Meter(len(plan.to_run), plan.contents, progress)
    outcomes: dict[str, SetOutcome] = {name: kept for name, (kept, _) in plan.kept.items()}
    baselines = _baselines(suite)
    whole_vectors = whole_encoder(encoder)
    with VectorCache(cache_file(whole_vectors), dim=whole_vectors.dim) as cache:
        for name in plan.to_run:
            begun = time.monotonic()
            meter.begin(name)
            one = SetRun(suite.load(name), encoder, cache, limit, meter.step)
            outcome = one.outcome(baselines)
            seconds = time.monotonic() - begun
            outcomes[name] = plan.folder.write(outcome, one.ranked.rankings, seconds)
            meter.end()
    earlier = sum(seconds for _, seconds in plan.kept.values())
    seconds = time.monotonic() - started + earlier
    whole = replace(_whole(suite, encoder, plan, outcomes), seconds=seconds)
    plan.folder.finish(whole)
    return whole


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What there is to do.

    Attributes:
        folder: of the results.
        limit: queries of each set, at most.
        groups: group -> its sets, skipped and missing ones among them.
        skipped: set -> why; missing ones too.
        kept: set -> outcome and seconds, from an earlier start of the same run.
        to_run: the other sets.
        contents: of those, by modality.
    """

    folder: RunFolder
    limit: int | None
    groups: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    skipped: dict[str, str] = field(default_factory=dict)
    kept: dict[str, tuple[SetOutcome, float]] = field(default_factory=dict)
    to_run: list[str] = field(default_factory=list)
    contents: Counter[Modality] = field(default_factory=Counter)


def _plan(suite: Suite, encoder: Encoder, output: Path, limit: int | None) -> _Plan:
    identity = {
        "suite": suite.name,
        "split": suite.split,
        "limit": limit,
        "encoder": encoder_document(encoder),
    }
    plan = _Plan(folder=RunFolder(output, identity, suite.versions), limit=limit)
    for name, reason in suite.missing.items():
        plan.groups[_group_of_missing(suite, name)].append(name)
        plan.skipped[name] = reason
    for name in suite.sets:
        retrieval_set = limited(suite.load(name), limit)
        _check(retrieval_set, name)
        plan.groups[retrieval_set.group].append(name)
        contents = [query.content for query in retrieval_set.queries]
        contents += retrieval_set.documents.values()
        if reason := _not_taken(contents, encoder):
            plan.skipped[name] = reason
        elif kept := plan.folder.kept(name):
            plan.kept[name] = kept
        else:
            plan.to_run.append(name)
            plan.contents.update(each.modality for each in contents)
    if not plan.to_run and not plan.kept:
        reasons = sorted(set(plan.skipped.values()))
        raise UsageError(
            f"there is no set of {suite.name} to run ({'; '.join(reasons) or 'it is empty'}): "
            "choose another encoder or suite"
        )
    return plan


def _finished(plan: _Plan, suite: Suite) -> RunOutcome | None:
    """The whole run, if nothing is left to do, not even to write it down."""
    found = None if plan.to_run else plan.folder.finished()
    if found is None or found.version != suite.version:
        return None
    # Sets that are left out this time, or were then, stand among the skipped ones.
    kept = [plan.kept[name][0] for name in suite.sets if name in plan.kept]
    return found if found.skipped == plan.skipped and list(found.sets) == kept else None


def _baselines(suite: Suite) -> Baselines:
    file = suite.folder / f"baselines-{suite.split}.json"
    return Baselines(file, suite.versions, lambda: train_examples(suite.folder))


def _group_of_missing(suite: Suite, name: str) -> Group:
    return find_set(name).modality if suite.name == MMEB else suite.load(name).group


def _check(retrieval_set: RetrievalSet, name: str) -> None:
    where = f"set {name!r}"
    if retrieval_set.name != name or Path(name).name != name:
        raise DataError(f"{where}: its name {retrieval_set.name!r} does not fit: build it again")
    if not retrieval_set.queries:
        raise DataError(f"{where} has no query: there is nothing to measure; leave it out")
    if retrieval_set.metric not in KEYS:
        raise DataError(
            f"{where}: there is no score {retrieval_set.metric!r}: its metric is one of "
            f"{', '.join(KEYS)}"
        )


def _not_taken(contents: Sequence[Content], encoder: Encoder) -> str:
    """Why an encoder cannot run a set; empty where it can."""
    needed = {Content(part).modality for content in contents for part in content.parts}
    missing = sorted(needed - encoder.modalities)
    return f"{encoder.fingerprint.encoder} takes no {' and no '.join(missing)}" if missing else ""


def _whole(
    suite: Suite, encoder: Encoder, plan: _Plan, outcomes: Mapping[str, SetOutcome]
) -> RunOutcome:
    """The run, but for its seconds."""
    values = {name: each.value for name, each in outcomes.items()}
    groups = {
        group: float(np.mean([values[name] for name in names]))
        for group, names in plan.groups.items()
        if all(name in values for name in names)
    }
    return RunOutcome(
        suite=suite.name,
        version=suite.version,
        split=suite.split,
        limit=plan.limit,
        encoder=encoder.fingerprint.encoder,
        fingerprint=encoder_document(encoder)["fingerprint"],
        rzen=__version__,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        sets=tuple(outcomes[name] for name in suite.sets if name in outcomes),
        skipped=plan.skipped,
        groups=groups,
        overall=float(np.mean(list(values.values()))) if not plan.skipped else None,
    )
