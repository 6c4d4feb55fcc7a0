"""rzen train --plan: memory, time and disk of a recipe, before anything is trained."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rzen.cli import output

if TYPE_CHECKING:
    from rzen.config import Settings
    from rzen.training.planning.memory import Memory
    from rzen.training.planning.report import Plan, Seconds, StagePlan
    from rzen.training.recipe import Recipe

_GROUPS = 12  # shown of a stage; all are in the JSON


def say_plan(recipe: "Recipe", recipe_folder: Path, settings: "Settings", *, json: bool) -> None:
    """Prints the plan of a recipe on this machine.

    It is made for as many ranks as WORLD_SIZE says, which torchrun sets and anyone may.

    Raises:
        Exit: with 1, if something does not fit or cannot be planned.
    """
    from rzen.cli.progress import share_progress
    from rzen.training.planning.plan import Planner

    if os.environ.get("RANK", "0") != "0":
        return  # torchrun started this once for each rank
    with share_progress("reading sources") as on_progress:
        plan = Planner(
            recipe=recipe,
            folder=recipe_folder,
            device=settings.device,
            limits=settings.limits,
            ranks=_ranks(),
            on_progress=on_progress,
        ).plan()
    if json:
        output.emit(plan.to_json())
    else:
        for line in _lines(plan):
            output.say(line)
    if plan.misfits or any(stage.problem for stage in plan.stages):
        raise typer.Exit(output.PARTLY)


def _ranks() -> int:
    text = os.environ.get("WORLD_SIZE", "1")
    return int(text) if text.isdigit() and int(text) > 0 else 1


def _lines(plan: "Plan") -> Iterator[str]:
    from rzen.training.planning.advice import size

    place, network, speed = plan.place, plan.network, plan.speed
    device = "" if place.device_bytes is None else f", {size(place.device_bytes)}"
    yield (
        f"{plan.name} on this machine: {place.device} ({place.name}{device}), "
        f"{size(place.host_bytes)} of memory, {plan.ranks} rank{'s' * (plan.ranks > 1)}"
    )
    parts = ", ".join(f"{part} {_count(own.parameters)}" for part, own in network.sections.items())
    yield (
        f"network: {_count(network.parameters)} parameters ({parts}), "
        f"{_count(network.trained)} of them trained; {plan.base}"
    )
    yield (
        f"speed: {_flop(speed.operations)}/s, measured with products of "
        f"{' x '.join(map(str, speed.shape))} in {speed.dtype}; "
        f"{size(speed.bandwidth)}/s of memory"
    )
    shown: dict[tuple[str, ...], str] = {}
    for stage in plan.stages:
        yield ""
        yield from _stage(plan, stage)
        names = tuple(group.name for group in stage.groups)
        if names in shown:
            yield f"  groups: those of {shown[names]}"
        else:
            shown[names] = stage.name
            yield from _groups(stage)
    yield ""
    yield (
        f"total: {_span(plan.total)} · "
        + (f"{size(plan.device_bytes)} on the device · " if place.device_bytes is not None else "")
        + f"{size(plan.host_bytes)} on the host · {size(plan.disk)} on the disk"
    )
    yield from (f"does not fit: {each}" for each in plan.misfits)
    yield from (f"change: {each}" for each in plan.changes)
    yield from (f"note: {each}" for each in plan.notes)


def _stage(plan: "Plan", stage: "StagePlan") -> Iterator[str]:
    from rzen.training.planning.advice import size

    if stage.problem:
        yield f"{stage.name}: cannot be planned: {stage.problem}"
        return
    assert stage.memory is not None
    assert stage.disk is not None
    yield (
        f"{stage.name}: {stage.steps:,} steps ({stage.batches:,} batches an epoch) of "
        f"{stage.rows:,.0f} rows and {stage.tokens:,.0f} tokens ({stage.most_tokens:,} at most)"
    )
    yield (
        f"  a step: {stage.chunks:.0f} chunks of {stage.chunk_tokens:,} tokens, "
        f"{stage.padding:.0%} padding, {_flop(stage.operations)}"
        f"{' a rank' * (plan.ranks > 1)}; {_second(stage.computing)} for the network, "
        f"{_second(stage.reading)} for reading {_readers(stage.workers)}"
    )
    yield f"  time: {_span(stage.total)}"
    yield f"  memory: {', '.join(_memory(stage.memory))}"
    yield (
        f"  disk: {size(stage.disk.total)} ({stage.disk.checkpoints} checkpoints of "
        f"{size(stage.disk.checkpoint)}, a model of {size(stage.disk.model)})"
    )


def _groups(stage: "StagePlan") -> Iterator[str]:
    for group in stage.groups[:_GROUPS]:
        failed = f", {group.failed} cannot be read" if group.failed else ""
        usual = ", usual sizes" if group.is_typical else ""
        yield (
            f"  {group.name}: {group.rows:,} rows, {group.query_tokens:.0f} tokens a query, "
            f"{group.documents:.1f} documents of {group.document_tokens:.0f} "
            f"({group.sampled} looked at{failed}{usual})"
        )
    if len(stage.groups) > _GROUPS:
        yield f"  and {len(stage.groups) - _GROUPS} further groups"
    yield from (f"  {reason}" for reason in stage.reasons)


def _memory(memory: "Memory") -> Iterator[str]:
    """What it is made of; what is nothing is left out."""
    from rzen.training.planning.advice import size

    named = {
        "weights": memory.weights,
        "their copies": memory.copies,
        "gradients and moments": memory.training,
        "activations": memory.activations,
        "loss": memory.loss,
        "allocator's slack": memory.overhead,
        "waiting contents": memory.waiting,
        "read ahead": memory.prefetched,
        "processes": memory.processes,
        "index of rows": memory.index,
        "saving": memory.saving,
    }
    yield from (f"{name} {size(count)}" for name, count in named.items() if count >= 2**20)


def _count(number: int) -> str:
    """A number of parameters.

    >>> _count(2_209_000_000), _count(73_900_000), _count(512)
    ('2.21 B', '73.9 M', '512')
    """
    if number >= 10**9:
        return f"{number / 1e9:.2f} B"
    return f"{number / 1e6:.1f} M" if number >= 10**6 else f"{number:,}"


def _flop(count: float) -> str:
    """Operations.

    >>> _flop(3.21e12), _flop(4.5e15)
    ('3,210 GFLOP', '4,500 TFLOP')
    """
    return f"{count / 1e12:,.0f} TFLOP" if count >= 1e13 else f"{count / 1e9:,.0f} GFLOP"


def _readers(workers: int) -> str:
    return f"beside it (workers = {workers})" if workers else "before it"


def _second(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    return _clock(seconds)


def _span(span: "Seconds") -> str:
    return f"{_clock(span.likely)} ({_clock(span.low)} to {_clock(span.high)})"


def _clock(seconds: float) -> str:
    """A time from seconds to days.

    >>> _clock(75), _clock(3 * 86_400 + 7_300)
    ('1:15', '3 d 2 h')
    """
    from rzen.types import clock

    days, rest = divmod(int(seconds), 86_400)
    return f"{days:,} d {rest // 3600} h" if days else clock(seconds)
