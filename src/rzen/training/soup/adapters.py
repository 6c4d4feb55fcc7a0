"""The weighted sum of LoRA adapters, exactly: an adapter again, whose rank is the sum of theirs.

Averaging A and B apart would average a product by its factors: it is another change, and not a
mixture of any kind. The products add up when the thin matrices are set beside each other:
``w1 s1 B1 A1 + w2 s2 B2 A2 = [w1 s1 B1, w2 s2 B2] [A1; A2]``. PEFT does so too
(``add_weighted_adapter``, "cat"), on a loaded model; the files alone are enough, and need a
thousandth of the memory. Shape suffixes: R rank, I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rzen.encoders.export.layout import write_json
from rzen.encoders.loading import weights_hash
from rzen.encoders.lora.base_model import CONFIG, local_base, named_base
from rzen.encoders.lora.reading import PREFIX, WEIGHTS, Lora, Shape
from rzen.encoders.model_source import ModelSource
from rzen.encoders.weight_files import DTYPES, NAMES, Layout, write_tensors
from rzen.errors import EncoderError


class LoraSum:
    """Adapters of one base, added up with their weights.

    Args:
        adapters: the ingredients.
        weights: their shares.

    Attributes:
        folder: of the first, for errors.
        rank: of the sum: the same for all its modules, filled up with zeros.
        modules: name of a module -> shape of its change. A module that an ingredient lacks is one
            that it leaves as it is.

    Raises:
        EncoderError: if they do not fit each other.
    """

    def __init__(self, adapters: Sequence[Lora], weights: Sequence[float]) -> None:
        # What has no share adds nothing but rank.
        used = [(each, w) for each, w in zip(adapters, weights, strict=True) if w]
        self._adapters = [each for each, _ in used]
        self._weights = [weight for _, weight in used]
        self.folder = adapters[0].folder
        _check_names(adapters)
        shapes = _shapes(adapters)
        self.rank = max(
            sum(each.modules[name].rank for each in self._adapters if name in each.modules)
            for name in shapes
        )
        self.modules: Mapping[str, Shape] = {
            name: Shape(
                self.rank,
                1.0,
                (self.rank, *shape.a[1:]),
                (shape.b[0], self.rank, *shape.b[2:]),
            )
            for name, shape in shapes.items()
        }

    def factors(self, module: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A (R, I, ...) and B (O, R, ...) of a module, float32; their product is the change."""
        shape = self.modules[module]
        a, b = torch.zeros(shape.a), torch.zeros(shape.b)
        start = 0
        for adapter, weight in zip(self._adapters, self._weights, strict=True):
            if module in adapter.modules:
                a_RI, b_OR = adapter.factors(module)
                end = start + a_RI.shape[0]
                a[start:end] = a_RI
                b[:, start:end] = b_OR * weight
                start = end
        return a, b

    def write(self, target: Path, dtype: str) -> None:
        """Writes the sum as an adapter, for PEFT and whatever reads its files.

        Args:
            target: the new folder.
            dtype: of the matrices: a name of torch's.

        Raises:
            OSError: if it cannot be written.
        """
        layouts, sides = {}, {}
        for module, shape in self.modules.items():
            for side, sizes in enumerate((shape.a, shape.b)):
                name = f"{PREFIX}{module}.lora_{'AB'[side]}.weight"
                layouts[name] = Layout(NAMES[dtype], sizes)
                sides[name] = (module, side)

        def half(name: str) -> torch.Tensor:
            module, side = sides[name]
            return self.factors(module)[side].to(DTYPES[NAMES[dtype]])

        write_tensors(target / WEIGHTS, layouts, half)


def write_config(adapters: Sequence[Lora], mixed: LoraSum, target: Path) -> None:
    """Writes adapter_config.json: only what a plain adapter of scale 1 needs.

    Args:
        adapters: the ingredients.
        mixed: their sum.
        target: the new folder.
    """
    name, revision = named_base(adapters[0].folder)
    base = local_base(adapters[0].folder, name)
    configs = [each.config for each in adapters]
    config = {
        "peft_type": "LORA",
        "task_type": _common(configs, "task_type"),
        "auto_mapping": _common(configs, "auto_mapping"),
        "base_model_name_or_path": name if base is None else str(base),
        "revision": revision,
        "inference_mode": True,
        "r": mixed.rank,
        "lora_alpha": mixed.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "fan_in_fan_out": any(each.get("fan_in_fan_out") for each in configs),
        # By their whole names: patterns of the ingredients may say otherwise when put together.
        "target_modules": sorted(mixed.modules),
    }
    write_json(target / CONFIG, config)


def check_same_base(folders: Sequence[Path]) -> None:
    """Sees to it that adapters go on top of the same model.

    A base that was moved is the same if its files are.

    Args:
        folders: of the adapters.

    Raises:
        EncoderError: if they name none, or different ones.
    """
    named = [named_base(folder) for folder in folders]
    bases = [local_base(folder, name) for folder, (name, _) in zip(folders, named, strict=True)]
    for folder, base, (name, revision) in zip(folders, bases, named, strict=True):
        here = _identity(base, name, revision)
        first = _identity(bases[0], *named[0])
        if here == first or (base and bases[0] and _hash(base) == _hash(bases[0])):
            continue
        raise EncoderError(
            f"{folders[0]} goes on top of {first}, {folder} on top of {here}: adapters of "
            "different models have no sum; where it is the same model under another name, set "
            f"base_model_name_or_path and revision in {CONFIG} alike"
        )


def _identity(base: Path | None, name: str, revision: str | None) -> str:
    if base is not None:
        return str(base)
    return f"{name} (revision {revision})" if revision and revision != "main" else name


def _hash(base: Path) -> str:
    return weights_hash(ModelSource(name=str(base), folder=base), base)


def _shapes(adapters: Sequence[Lora]) -> dict[str, Shape]:
    """The modules of all, in order; their ranks are the first one's."""
    found: dict[str, tuple[Path, Shape]] = {}
    for adapter in adapters:
        for name, shape in adapter.modules.items():
            folder, known = found.setdefault(name, (adapter.folder, shape))
            if (known.a[1:], known.b[0]) != (shape.a[1:], shape.b[0]):
                raise EncoderError(
                    f"{name} is changed by {_sizes(known)} in {folder}, and by {_sizes(shape)} in "
                    f"{adapter.folder}: they are adapters of different models"
                )
    return {name: shape for name, (_, shape) in sorted(found.items())}


def _sizes(shape: Shape) -> list[int]:
    return [shape.b[0], *shape.a[1:]]


def _check_names(adapters: Sequence[Lora]) -> None:
    """Sees to it that modules are named from one place: half of them would not be found else."""
    first = adapters[0].modules.keys()
    for other in adapters[1:]:
        names = other.modules.keys()
        if first & names:
            continue
        for longer, shorter in ((first, names), (names, first)):
            inner = {name for name in longer if any(end in shorter for end in _ends(name))}
            if inner:
                raise EncoderError(
                    f"{adapters[0].folder} and {other.folder} name the modules of their base "
                    f"differently ({min(inner)}): they were trained through different classes of "
                    "transformers; merge each (rzen soup FOLDER -o NEW --merge), and mix the "
                    "checkpoints"
                )


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(1, len(parts) - 1)]


def _common(configs: Sequence[Mapping[str, Any]], key: str) -> Any:
    first = configs[0].get(key)
    return first if all(each.get(key) == first for each in configs) else None
