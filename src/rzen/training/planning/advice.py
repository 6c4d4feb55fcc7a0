"""What does not fit on a machine, and which settings would make it fit."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from rzen.training.planning.machine import Place
from rzen.training.planning.memory import Memory
from rzen.training.planning.report import Plan, StagePlan
from rzen.training.recipe import Recipe
from rzen.training.settings import LoraSettings, NetworkSettings, StageSettings

_SMALLEST_CHUNK = 512  # tokens; below it a step is calls more than arithmetic
_NEARLY = 0.9  # of the memory: from there on an estimate is no promise
_SLOW_READING = 1.2
_MANY_FAILED = 0.02
_BUSY = 0.8  # of its cores

Remember = Callable[[StageSettings, NetworkSettings, int, Place], Memory]


class _Measure(Protocol):
    def __call__(self, network: NetworkSettings, chunk_tokens: int) -> Memory: ...


def size(count: float) -> str:
    """Bytes as people read them.

    >>> size(3 * 2**30), size(5_000_000), size(70_000)
    ('3.0 GiB', '5 MiB', '68 KiB')
    """
    for unit, factor, digits in (("GiB", 2**30, 1), ("MiB", 2**20, 0)):
        if count >= factor:
            return f"{count / factor:,.{digits}f} {unit}"
    return f"{count / 2**10:,.0f} KiB"


def advised(plan: Plan, recipe: Recipe, remember: Remember) -> Plan:
    """The plan with what does not fit, and what would help.

    Args:
        plan: without them.
        recipe: that it is of.
        remember: stage, network, tokens of a chunk, machine -> memory of a rank.
    """
    misfits: list[str] = []
    changes: list[str] = []
    settings = {each.name: each for each in recipe.stage}
    for stage in plan.planned:
        assert stage.memory is not None
        problems = list(_misfits(plan, stage.memory))
        misfits += [f"{stage.name}: {each}" for each in problems]
        if not problems:
            continue
        own = settings[stage.name]

        def measure(
            network: NetworkSettings, chunk_tokens: int, own: StageSettings = own
        ) -> Memory:
            return remember(own, network, chunk_tokens, plan.place)

        changes += [
            f"{stage.name}: {each}" for each in _changes(plan, stage, recipe.network, measure)
        ]
    if plan.disk > plan.place.disk_free:
        misfits.append(
            f"disk: the run writes {size(plan.disk)}, and {size(plan.place.disk_free)} are free "
            "here"
        )
        changes.append("checkpoint.keep = 1, or another folder with -o")
    return replace(plan, misfits=tuple(misfits), changes=tuple(changes), notes=tuple(_notes(plan)))


def _misfits(plan: Plan, memory: Memory) -> Iterator[str]:
    place = plan.place
    if place.device_bytes is None:
        wanted = plan.ranks * memory.together
        if wanted > place.host_bytes:
            yield f"needs {size(wanted)} of memory, and this machine has {size(place.host_bytes)}"
        return
    if memory.device > place.device_bytes:
        yield (
            f"needs {size(memory.device)} on the device, and {place.name} has "
            f"{size(place.device_bytes)}"
        )
    wanted = plan.ranks * memory.host
    if wanted > place.host_bytes:
        yield f"needs {size(wanted)} on the host, and this machine has {size(place.host_bytes)}"


def _fits(plan: Plan, memory: Memory) -> bool:
    return not any(_misfits(plan, memory))


def _changes(
    plan: Plan, stage: StagePlan, network: NetworkSettings, measure: _Measure
) -> Iterator[str]:
    """Settings that make a stage fit; the gentlest first."""
    tried = list(_networks(network))
    for said, changed in tried:
        chunk = stage.chunk_tokens
        while True:
            memory = measure(changed, chunk)
            if _fits(plan, memory) or chunk <= _SMALLEST_CHUNK:
                break
            chunk //= 2
        if _fits(plan, memory):
            smaller = f"--change stage.{stage.name}.batch.chunk_tokens={chunk}"
            words = [*said, *[smaller] * (chunk < stage.chunk_tokens)]
            yield f"it fits with  {'  '.join(words)}  ({_needs(plan, memory)})"
            return
    yield from _beyond(plan, stage, measure(tried[-1][1], _SMALLEST_CHUNK))


def _networks(network: NetworkSettings) -> Iterator[tuple[list[str], NetworkSettings]]:
    said: list[str] = []
    yield said, network
    if not network.gradient_checkpointing:
        said = ["--change network.gradient_checkpointing=true"]
        network = network.model_copy(update={"gradient_checkpointing": True})
        yield said, network
    if network.lora is None:
        said = [*said, "--change 'network.lora={}'"]
        yield said, network.model_copy(update={"lora": LoraSettings()})


def _beyond(plan: Plan, stage: StagePlan, least: Memory) -> Iterator[str]:
    """What is left where no setting of the network helps."""
    assert stage.memory is not None
    waiting = stage.memory.waiting + stage.memory.prefetched
    if waiting > plan.place.host_bytes // 4:
        yield (
            f"{size(waiting)} are prepared contents that wait: workers = 0 or a few, smaller "
            "pictures (network.look), or a smaller batch.size: it grows with batch.size / ranks"
        )
    yield (
        "with gradient_checkpointing, adapters and the smallest chunks it still needs "
        f"{_needs(plan, least)}: a smaller base, or a larger machine"
    )


def _needs(plan: Plan, memory: Memory) -> str:
    if plan.place.device_bytes is None:
        return size(plan.ranks * memory.together)
    return f"{size(memory.device)} on the device, {size(plan.ranks * memory.host)} on the host"


def _notes(plan: Plan) -> Iterator[str]:
    yield from _of_sources(plan)
    yield from _of_machine(plan)
    for stage in plan.planned:
        yield from _of_stage(stage)
    yield "measurements, checkpoints and the soup take time of their own, which is not in it"
    if plan.place.device_bytes is not None:
        yield "times on a GPU were never compared with real runs: take the range seriously"


def _of_sources(plan: Plan) -> Iterator[str]:
    if capped := [each.name for each in plan.missing if each.rows is not None]:
        yield (
            "not on this machine, planned by their caps and by usual sizes (--json has the "
            f"reasons): {', '.join(capped)}"
        )
    for missing in plan.missing:
        if missing.rows is None:
            yield f"{missing.name} is left out, so times are too short: {missing.reason}"


def _of_machine(plan: Plan) -> Iterator[str]:
    place = plan.place
    wanted = plan.device_bytes if place.device_bytes is not None else plan.host_bytes
    whole = place.device_bytes if place.device_bytes is not None else place.host_bytes
    free = place.device_free if place.device_free is not None else place.host_free
    if _NEARLY * whole < wanted <= whole:
        yield f"{size(wanted)} of {size(whole)} is close: an estimate is no promise"
    elif free < wanted <= whole:
        yield f"only {size(free)} of {size(whole)} are free now"
    if place.load > _BUSY:
        yield f"this machine is busy (load {place.load:.1f} a core): times are those of an idle one"


def _of_stage(stage: StagePlan) -> Iterator[str]:
    if stage.workers and stage.reading / stage.workers > _SLOW_READING * stage.computing:
        yield (
            f"{stage.name}: reading is slower than training: with workers = {stage.workers} it "
            f"takes {stage.reading / stage.workers:.1f} s for a step of {stage.computing:.1f} s: "
            "more workers, or smaller files"
        )
    for group in stage.groups:
        if group.failed > _MANY_FAILED * group.sampled:
            yield (
                f"{stage.name}: {group.name}: {group.failed} of {group.sampled} rows cannot be "
                "read:  rzen train --check  names them"
            )
