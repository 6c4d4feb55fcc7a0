"""A projector: from an item's vector, of any modality, to soft tokens of a language model.

After xRAG (Cheng et al. 2024, arXiv 2405.13792, section 3), which has one token a document and no
gate. Here an item gets several tokens, and a gate that can put learned "nothing here" tokens in
their place, so that what was retrieved in vain need not disturb.

Shape suffixes: I items, D dimensions of a vector, T soft tokens of an item, H width of the language
model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rzen.encoders.loading import read_json
from rzen.errors import GeneratorError
from rzen.rag.language_model import SoftItem
from rzen.types import MODALITIES, Fingerprint

CONFIG, WEIGHTS = "projector.json", "projector.safetensors"
_FORMAT = 2
_OPEN = 2.0  # of the gate's bias: it begins nearly open
_COMPARED = ("weights", "template", "pooling", "positions", "dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorShape:
    """What its weights look like.

    Attributes:
        dim: D, of the vectors.
        hidden: of the layer between.
        tokens: T, of an item.
        width: H, of the language model's input embeddings.
    """

    dim: int
    hidden: int
    tokens: int
    width: int


class Projector(nn.Module):
    """A whitening, two layers, a norm, and a gate.

    soft = g * norm(W2 gelu(W1 W0 (v sqrt(D) + m))) + (1 - g) * nothing, where m is learned for each
    modality, and g in (0, 1) for each item. Training begins with W0, m and W2 in closed form:
    :mod:`rzen.training.projector.start`.

    Args:
        shape: of its weights.
        size: root mean square of the entries of the language model's input embeddings: soft tokens
            begin as large as words.
    """

    def __init__(self, shape: ProjectorShape, *, size: float = 1.0) -> None:
        super().__init__()
        self.shape = shape
        self.modality = nn.Embedding(len(MODALITIES), shape.dim)
        self.whiten = nn.Linear(shape.dim, shape.dim, bias=False)
        self.into = nn.Linear(shape.dim, shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.tokens * shape.width)
        self.gate = nn.Linear(shape.hidden, 1)
        self.norm = nn.RMSNorm(shape.width)
        self.nothing_TH = nn.Parameter(torch.zeros(shape.tokens, shape.width))
        nn.init.zeros_(self.modality.weight)
        nn.init.eye_(self.whiten.weight)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, _OPEN)
        nn.init.constant_(self.norm.weight, size)

    def forward(self, vector_ID: Tensor, modality_I: Tensor) -> Tensor:
        """Soft tokens (I, T, H).

        Args:
            vector_ID: unit vectors, or zeros.
            modality_I: numbers of their modalities, by :data:`rzen.types.MODALITIES`.
        """
        hidden = self.hidden(vector_ID, modality_I)
        made = self.norm(self.out(hidden).unflatten(1, (self.shape.tokens, self.shape.width)))
        gate_I11 = self.gate(hidden).sigmoid()[:, :, None]
        soft: Tensor = gate_I11 * made + (1 - gate_I11) * self.nothing_TH
        return soft

    def hidden(self, vector_ID: Tensor, modality_I: Tensor) -> Tensor:
        """What the last layer reads, (I, hidden); see :meth:`forward`."""
        seen = vector_ID * self.shape.dim**0.5 + self.modality(modality_I)
        hidden: Tensor = nn.functional.gelu(self.into(self.whiten(seen)))
        return hidden

    def project(self, items: Sequence[SoftItem]) -> Tensor:
        """See :data:`rzen.rag.local.prompts.Project`.

        Raises:
            GeneratorError: if a vector is of another encoder's size.
        """
        for item in items:
            if len(item.vector_D) != self.shape.dim:
                raise GeneratorError(
                    f"the projector takes vectors of {self.shape.dim} dimensions, and an item has "
                    f"{len(item.vector_D)}: use the encoder that it was trained with"
                )
        device = self.out.weight.device
        vector_ID = torch.stack([torch.from_numpy(item.vector_D) for item in items]).to(device)
        modality_I = torch.tensor([MODALITIES.index(item.modality) for item in items])
        soft: Tensor = self(vector_ID, modality_I.to(device))
        return soft


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorFacts:
    """What stands beside the weights.

    Attributes:
        shape: of them.
        generator: name of the language model that it was trained for.
        generator_weights: hash of that model's files.
        encoder: that made the vectors, by the parts of its fingerprint that are compared.
        encoder_name: that it was loaded by.
    """

    shape: ProjectorShape
    generator: str
    generator_weights: str
    encoder: Mapping[str, Any]
    encoder_name: str

    def check_encoder(self, fingerprint: Fingerprint) -> None:
        """Refuses vectors of another encoder.

        Raises:
            GeneratorError: if they are.
        """
        if own_parts(fingerprint) != dict(self.encoder):
            raise GeneratorError(
                f"the projector was trained with vectors of {self.encoder_name}, and the index has "
                f"those of {fingerprint.encoder}: index with  --encoder {self.encoder_name}, or "
                "train a projector for this one"
            )


def own_parts(fingerprint: Fingerprint) -> dict[str, Any]:
    """The parts of a fingerprint that decide whether a projector understands the vectors."""
    return {name: getattr(fingerprint, name) for name in _COMPARED}


def save(folder: Path, projector: Projector, facts: ProjectorFacts) -> None:
    """Writes weights and facts into a folder that is there."""
    from safetensors.torch import save_file  # noqa: PLC0415

    weights = {
        name: each.detach().cpu().contiguous() for name, each in projector.named_parameters()
    }
    save_file(weights, folder / WEIGHTS)
    text = json.dumps({"format": _FORMAT, **asdict(facts)}, indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[Projector, ProjectorFacts]:
    """Reads a projector.

    Raises:
        GeneratorError: if there is none in the folder, or it is damaged.
    """
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    if not (folder / CONFIG).is_file():
        raise GeneratorError(
            f"{folder} holds no projector ({CONFIG} is missing): give the model folder that "
            "`rzen train` wrote"
        )
    try:
        told = read_json(folder / CONFIG)
        if told.pop("format") != _FORMAT:
            raise ValueError("it is of another version of rzen")
        shape = ProjectorShape(**told.pop("shape"))
        facts = ProjectorFacts(shape=shape, **told)
        projector = Projector(shape)
        projector.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise GeneratorError(f"{folder}: the projector cannot be read: {error}") from error
    return projector.eval(), facts
