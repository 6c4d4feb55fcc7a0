"""From an encoder to one folder that plain sentence-transformers loads with the same vectors.

The folder is written aside, judged by a process that cannot import rzen, and renamed into place
when it is whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rzen.config import ModelSettings
from rzen.encoders.export import weights
from rzen.encoders.export.card import card
from rzen.encoders.export.check import Outcome, by_rzen, demand, distances, without_rzen
from rzen.encoders.export.layout import write, write_note
from rzen.encoders.export.probes import Probe, drawn, of_library, of_templates, once
from rzen.encoders.export.weights import Dtype
from rzen.encoders.families import MINI, Family, Look
from rzen.encoders.loading import describe, hub_folder
from rzen.encoders.model_source import ModelSource
from rzen.encoders.new_folder import check_new, new_folder
from rzen.encoders.registry import Resolved, names, resolve
from rzen.encoders.templates import Template
from rzen.encoders.transformer import TransformerEncoder
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder, template_named
from rzen.encoders.vision_language.model import load
from rzen.encoders.vision_language.pixels import Pixels
from rzen.errors import EncoderError

OTHER_POSITIONS = "--allow-other-positions"
_PLACES = "other positions"
_TWICE = "resized more than once"
_ROUNDED = "weights rounded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was exported, and how well it agrees.

    Attributes:
        folder: where it is.
        family: of the model.
        template: id of its template; ``None`` where sentence-transformers runs the model.
        outcomes: of the probes.
        differences: what plain sentence-transformers gives otherwise than rzen, in words.
    """

    folder: Path
    family: str
    template: str | None
    outcomes: Sequence[Outcome]
    differences: Sequence[str]


def export(
    name: str,
    target: Path,
    *,
    template: str | None = None,
    dtype: Dtype | None = None,
    allow_other_positions: bool = False,
    on_step: Callable[[str], None] | None = None,
) -> Exported:
    """Writes an encoder as a model of sentence-transformers, after a check that it agrees.

    Args:
        name: of the encoder: a model's folder, or its name on the hub.
        target: the new folder; it may be there if it is empty.
        template: name of another template than the model's own.
        dtype: of the weights; ``None`` means as they are.
        allow_other_positions: whether a template may be exported whose positions of a picture's
            tokens sentence-transformers cannot give.
        on_step: called with what is done next.

    Raises:
        EncoderError: if it cannot be exported, or its vectors would not be the same; then nothing
            is written.
        MissingExtraError: if an optional library is not installed.
    """
    _check_name(name)
    check_new(target)
    resolved = resolve(name)
    if resolved.source.base is not None:
        raise EncoderError(
            f"{name} is an adapter, which others load beside its base only: make a whole model of "
            f"it first (rzen soup {name} -o FOLDER --merge), and export that"
        )
    if resolved.family is MINI:
        raise EncoderError(
            f"{name} is a trained mini: its networks are rzen's own, and nothing else loads them: "
            "give the folder as it is to  rzen --encoder"
        )
    say = on_step or (lambda _: None)
    with new_folder(target) as folder:
        if resolved.is_ours:
            job = _Job(resolved, folder, template, dtype, allow_other_positions, say)
            exported = _by_template(job)
        elif template:
            raise EncoderError(
                f"{resolved.source.name} is run by sentence-transformers, with the prompts that it "
                f"brings: it takes no template (asked for: {template})"
            )
        else:
            exported = _by_library(resolved, folder, dtype, say)
    return replace(exported, folder=target)


@dataclass(frozen=True, slots=True)
class _Job:
    resolved: Resolved
    folder: Path
    template: str | None
    dtype: Dtype | None
    allow_other_positions: bool
    say: Callable[[str], None]


def _check_name(name: str) -> None:
    if name in names():
        raise EncoderError(
            f"{name} is no checkpoint: it is part of rzen, and nothing else loads it: export the "
            "folder of a model, or a model's name on the hub"
        )
    if name.startswith(("http://", "https://")):
        raise EncoderError(
            f"{name} is a service: its weights are not here: export the model that it serves"
        )


def _by_template(job: _Job) -> Exported:
    family, described = job.resolved.family, job.resolved.described
    look = family.look
    assert look is not None
    template = template_named(job.template or described.template or look.template)
    _check_positions(template, job.allow_other_positions)
    job.say("loading the model")
    encoder = _encoder(job.resolved, family, template)
    source = job.resolved.source
    origin = source.folder or hub_folder(source.name)
    assert origin is not None, "it was loaded, so its files are on this machine"
    pictures, probes = drawn(look.picture[-1].side), of_templates()
    job.say("encoding the probes with rzen")
    true_ND = by_rzen(encoder, probes, pictures, "")
    dim = encoder.dim
    del encoder  # its memory is wanted
    job.say("writing weights")
    weights.copy(origin, job.folder, job.dtype)
    write(origin, job.folder, family, template, dim=dim, dtype=job.dtype)
    differs = _PLACED if template.positions == "1d" else None
    write_note(job.folder, family, template, look=described.look, differs=differs)
    is_rounded = weights.rounds(origin, job.dtype)
    should_ND = _expressed(job, template, is_rounded, probes, pictures)
    job.say("encoding the probes without rzen")
    prompts = [probe.instruction for probe in probes]
    found_ND = without_rzen(job.folder, probes, prompts, pictures)
    reasons = [_reason(probe, pictures, template, look, is_rounded) for probe in probes]
    outcomes = _outcomes(probes, found_ND, true_ND, should_ND, reasons)
    demand(outcomes)
    differences = _differences(outcomes, look)
    text = card(_called(source), family, template, outcomes, differences)
    (job.folder / "README.md").write_text(text, encoding="utf-8")
    return Exported(
        folder=job.folder,
        family=family.name,
        template=template.id,
        outcomes=outcomes,
        differences=differences,
    )


def _called(source: ModelSource) -> str:
    """What a model is called elsewhere: no path of this machine."""
    return source.folder.name if source.folder is not None else source.name


_PLACED = (
    "vectors of pictures differ: the template counts the tokens of a picture one after the other, "
    "sentence-transformers places them in a grid (M-RoPE); rzen.load gives the true ones"
)


def _check_positions(template: Template, allowed: bool) -> None:
    if template.positions == "1d" and not allowed:
        raise EncoderError(
            f"the template {template.name} counts the tokens of a picture one after the other; "
            "sentence-transformers cannot: it places them in a grid (M-RoPE), so that every vector "
            f"of a picture would differ. To export it all the same, add {OTHER_POSITIONS}; texts "
            "will agree, and rzen will still give the true vectors from the exported folder"
        )


def _encoder(resolved: Resolved, family: Family, template: Template) -> VisionLanguageEncoder:
    model = load(resolved.source, resolved.described, device="cpu", dtype="float32")
    return VisionLanguageEncoder(resolved.source.name, model, family, template=template.name)


def _expressed(
    job: _Job,
    template: Template,
    is_rounded: bool,
    probes: Sequence[Probe],
    pictures: dict[str, Pixels],
) -> NDArray[np.float32] | None:
    """(N, D): rzen's vectors with what such a folder can express; ``None`` if that is all.

    So what cannot be expressed does not hide a mistake in what can.
    """
    family, resolved = job.resolved.family, job.resolved
    look = family.look
    assert look is not None
    if template.positions == "m-rope" and len(look.picture) == 1 and not is_rounded:
        return None
    job.say("encoding the probes with rzen, as the folder can express them")
    if is_rounded:
        source = ModelSource(name=str(job.folder), folder=job.folder)
        resolved = replace(resolved, source=source, described=describe(source))
    once_only = replace(family, look=replace(look, picture=look.picture[-1:]))
    encoder = _encoder(resolved, once_only, template)
    encoder.template = replace(template, positions="m-rope")
    return by_rzen(encoder, probes, pictures, "")


def _reason(
    probe: Probe,
    pictures: dict[str, Pixels],
    template: Template,
    look: Look,
    is_rounded: bool,
) -> str:
    """Why the vector of a probe may differ from rzen's; empty if it may not."""
    shown = [pictures[value].shape for kind, value in probe.parts if kind == "image"]
    reasons = []
    if shown and template.positions == "1d":
        reasons.append(_PLACES)
    if not all(once(height, width, look.picture) for height, width, _ in shown):
        reasons.append(_TWICE)
    if is_rounded:
        reasons.append(_ROUNDED)
    return ", ".join(reasons)


def _outcomes(
    probes: Sequence[Probe],
    found_ND: NDArray[np.float32],
    true_ND: NDArray[np.float32],
    should_ND: NDArray[np.float32] | None,
    reasons: Sequence[str],
) -> list[Outcome]:
    to_true = distances(found_ND, true_ND)
    to_should = to_true if should_ND is None else distances(found_ND, should_ND)
    return [
        Outcome(name=probe.name, distance=distance, expressed=expressed, because=because)
        for probe, distance, expressed, because in zip(
            probes, to_true, to_should, reasons, strict=True
        )
    ]


def _differences(outcomes: Sequence[Outcome], look: Look) -> list[str]:
    found = []
    if placed := _worst(outcomes, _PLACES):
        found.append(f"{_PLACED}. Measured: cosine distances up to {placed:.1e}.")
    if len(look.picture) > 1:
        last = look.picture[-1]
        side = last.side**2
        measured = _worst(outcomes, _TWICE, but=_PLACES)
        found.append(
            f"Pictures of less than {last.low // side} or more than {last.high // side} tokens "
            f"({last.low} and {last.high} pixels): rzen resizes them twice, as the model's authors "
            "do, the library once."
            + (f" Measured: cosine distances up to {measured:.1e}." if measured else "")
        )
    if rounded := _worst(outcomes, _ROUNDED, but=_PLACES):
        found.append(f"The weights were rounded, at a cosine distance of up to {rounded:.1e}.")
    found.append(
        f"Contents of more than {look.tokens} tokens: rzen shrinks their pictures and cuts their "
        "texts; the library cuts texts, a few letters elsewhere, and refuses pictures."
    )
    found.append("Videos are refused, and pictures whose sides are to each other as 200 to 1.")
    return found


def _worst(outcomes: Sequence[Outcome], because: str, but: str = "-") -> float:
    return max(
        (each.distance for each in outcomes if because in each.because and but not in each.because),
        default=0.0,
    )


def _by_library(
    resolved: Resolved, folder: Path, dtype: Dtype | None, say: Callable[[str], None]
) -> Exported:
    """Copies a model that sentence-transformers runs already."""
    source, family = resolved.source, resolved.family
    say("loading the model")
    encoder = TransformerEncoder(source, family, device="cpu", model=ModelSettings(dtype="float32"))
    origin = source.folder or hub_folder(source.name)
    assert origin is not None, "it was loaded, so its files are on this machine"
    sees = "image" in encoder.modalities
    pictures, probes = drawn(28), of_library(sees=sees)
    prompts = [encoder.prompt(probe.role or "query") for probe in probes]
    say("encoding the probes with rzen")
    true_ND = by_rzen(encoder, probes, pictures, None)
    is_rounded = weights.rounds(origin, dtype)
    stored = weights.dtypes(origin)
    say("writing the model")
    encoder.save(folder, dtype or (stored.pop() if len(stored) == 1 else "float32"))
    del encoder  # its memory is wanted
    if family.look is None:
        write_note(folder, family, None)
    should_ND = None
    if is_rounded:
        copied = ModelSource(name=str(folder), folder=folder)
        settings = ModelSettings(dtype="float32")
        rounded = TransformerEncoder(copied, family, device="cpu", model=settings)
        should_ND = by_rzen(rounded, probes, pictures, None)
    say("encoding the probes without rzen")
    plain = [replace(probe, role=None) for probe in probes]
    found_ND = without_rzen(folder, plain, prompts, pictures if sees else {})
    reasons = [_ROUNDED if is_rounded else ""] * len(probes)
    outcomes = _outcomes(probes, found_ND, true_ND, should_ND, reasons)
    demand(outcomes)
    differences = []
    if rounding := _worst(outcomes, _ROUNDED):
        differences.append(
            f"The weights were rounded, at a cosine distance of up to {rounding:.1e}."
        )
    text = card(_called(source), family, None, outcomes, differences)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Exported(
        folder=folder,
        family=family.name,
        template=None,
        outcomes=outcomes,
        differences=differences,
    )
