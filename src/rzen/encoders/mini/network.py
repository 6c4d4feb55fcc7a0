"""The trained part of ``mini`` as a torch module; inference runs it on onnxruntime without torch.

It begins at ``mini`` and learns what to add. A text's vector goes through one linear map beside the
identity. A content with pictures or video is read as one sequence, [CLS], its layout, its cells,
its words, [SEP], by the first layers of MiniLM; the states' mean, with the layout once more, says
how much the vectors of words and of pictures count and what is added to them. The last layers start
at zero, so that an untrained network gives the vectors of ``mini``.

Parameters are named as BertModel names them where it has them: one writer of graphs serves both.
Shape suffixes are those of :mod:`rzen.encoders.mini.prepared`; N tokens of a whole sequence, A
heads, S the size of a head.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rzen.encoders.mini.architecture import FEATURES, Architecture
from rzen.encoders.mini.prepared import LAYOUT, Prepared, gathered
from rzen.encoders.mini.text import TEXT_DIM
from rzen.encoders.mini.trained_folder import (
    EPSILON,
    HEADS,
    INNER,
    LAYOUT_SCALE,
    minilm,
    read_folder,
    write_folder,
)

_PRETRAINED = frozenset({"position_embeddings", "embeddings", "encoder", "pictures"})
_SMALL = 0.02  # standard deviation of what starts near zero


def collate(contents: Sequence[Prepared]) -> dict[str, Tensor]:
    """A batch for :meth:`MiniNetwork.forward`; see :func:`rzen.encoders.mini.prepared.gathered`."""
    return {name: torch.from_numpy(array) for name, array in gathered(contents).items()}


class MiniNetwork(nn.Module):
    """Batches of prepared contents to unit vectors.

    A new one gives the vectors of ``mini``.

    Args:
        architecture: its sizes.
        dropout: within the layers, while it is trained.
        feature_dropout: of the channels of cells, while it is trained.

    Raises:
        MissingExtraError: if the extra ``mini`` is not installed.
    """

    def __init__(
        self, architecture: Architecture, *, dropout: float = 0.1, feature_dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self._feature_dropout = feature_dropout
        start = {name: torch.from_numpy(array) for name, array in minilm().items()}
        # Frozen, and not saved: it comes with its package.
        table = start["embeddings.word_embeddings.weight"]
        self.register_buffer("word_embeddings", table, persistent=False)
        positions = start["embeddings.position_embeddings.weight"][: architecture.words + 2]
        types = start["embeddings.token_type_embeddings.weight"][0]
        self.position_embeddings = nn.Parameter(positions + types)
        self.embeddings = _Norm()
        layers = nn.ModuleList(_Layer(dropout) for _ in range(architecture.layers))
        self.encoder = nn.ModuleDict({"layer": layers})
        own = self.state_dict()
        self.load_state_dict({name: start[name] for name in own if name in start}, strict=False)
        self._begin_pictures()
        self.adapter = _zero(TEXT_DIM)
        self.gates = _zero(2)
        self.output = _zero(TEXT_DIM)

    def _begin_pictures(self) -> None:
        sizes = self.architecture
        self.cell_projection = nn.Linear(FEATURES, TEXT_DIM)
        nn.init.normal_(self.cell_projection.weight, std=0.5 / math.sqrt(FEATURES))
        nn.init.zeros_(self.cell_projection.bias)
        # Unit vectors of pictures lie in the space of words already: only their scale is another.
        self.sight_projection = nn.Linear(TEXT_DIM, TEXT_DIM)
        with torch.no_grad():
            nn.init.eye_(self.sight_projection.weight).mul_(0.5 * math.sqrt(TEXT_DIM))
        nn.init.zeros_(self.sight_projection.bias)
        self.layout_projection = nn.Linear(LAYOUT, TEXT_DIM)
        nn.init.normal_(self.layout_projection.weight, std=0.05)
        nn.init.zeros_(self.layout_projection.bias)
        self.cell_embeddings = nn.Parameter(_SMALL * torch.randn(sizes.cells + 1, TEXT_DIM))
        self.frame_embeddings = nn.Parameter(_SMALL * torch.randn(sizes.frames, TEXT_DIM))
        self.pictures = _Norm()
        self.pictures.load_state_dict(self.embeddings.state_dict())

    @classmethod
    def from_folder(
        cls, folder: Path, *, dropout: float = 0.1, feature_dropout: float = 0.2
    ) -> Self:
        """Reads what :meth:`save` wrote.

        Raises:
            EncoderError: if the folder is damaged, of another version, or trained on other frozen
                networks than those that are installed.
        """
        architecture, weights = read_folder(folder)
        network = cls(architecture, dropout=dropout, feature_dropout=feature_dropout)
        network.load_state_dict({name: torch.tensor(each) for name, each in weights.items()})
        return network

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters: ``"pretrained"``, MiniLM's, and ``"new"``, which bear a larger rate."""
        groups: dict[str, list[nn.Parameter]] = {"pretrained": [], "new": []}
        for name, parameter in self.named_parameters():
            is_old = name.split(".")[0] in _PRETRAINED
            groups["pretrained" if is_old else "new"].append(parameter)
        return groups

    def save(self, folder: Path) -> None:
        """Writes config.json, model.safetensors and rzen.json into a folder, which is made.

        Raises:
            EncoderError: if it cannot be written.
        """
        weights = {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in self.state_dict().items()
        }
        write_folder(folder, self.architecture, weights)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Vectors (B, D) of unit length of a batch as :func:`collate` makes it."""
        words_BD, sight_BD, rows_R = batch["words"], batch["sight"], batch["rows"]
        words_BD = words_BD + self.adapter(words_BD)
        total_BD = words_BD + sight_BD
        if len(rows_R):
            states_RD = self._states(batch)
            gates_R2 = 1.0 + self.gates(states_RD)
            fused_RD = gates_R2[:, :1] * words_BD[rows_R] + gates_R2[:, 1:] * sight_BD[rows_R]
            fused_RD = fused_RD + self.output(states_RD)
            total_BD = total_BD.index_copy(0, rows_R, fused_RD.to(total_BD.dtype))
        return F.normalize(total_BD, dim=-1)

    def _states(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the layers make of contents with pictures, (R, D)."""
        layout_RD = self.layout_projection(LAYOUT_SCALE * batch["layout"])
        cells_RND, open_RN = self._pictures(batch)
        tokens_RL, mask_RL = batch["tokens"], batch["token_mask"]
        words_RLD = F.embedding(tokens_RL, cast("Tensor", self.word_embeddings))
        words_RLD = words_RLD + self.position_embeddings[: tokens_RL.shape[1]]
        words_RLD = self.embeddings(words_RLD)
        start_R1, rest_RL = mask_RL[:, :1], mask_RL[:, 1:]
        x_RND = torch.cat(
            [words_RLD[:, :1], self.pictures(layout_RD)[:, None], cells_RND, words_RLD[:, 1:]], 1
        )
        mask_RN = torch.cat([start_R1, start_R1, open_RN, rest_RL], 1)
        for layer in cast("nn.ModuleList", self.encoder["layer"]):
            x_RND = layer(x_RND, mask_RN > 0)
        weight_RN1 = mask_RN[..., None]
        mean_RD = (x_RND * weight_RN1).sum(1) / weight_RN1.sum(1)
        return cast("Tensor", mean_RD + layout_RD)

    def _pictures(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens of the frames, each its vector and its cells, (R, T * (K + 1), D), and mask."""
        cells_RTKF = F.layer_norm(batch["cells"].float(), (FEATURES,))
        cells_RTKF = F.dropout(cells_RTKF, self._feature_dropout, self.training)
        cells_RTKD = self.cell_projection(cells_RTKF)
        sights_RTD = self.sight_projection(batch["sights"])
        tokens_RTKD = torch.cat([sights_RTD[:, :, None], cells_RTKD], 2)
        frames = tokens_RTKD.shape[1]
        places = self.cell_embeddings + self.frame_embeddings[:frames, None]
        tokens_RND = self.pictures(tokens_RTKD + places).flatten(1, 2)
        open_RN = batch["frame_mask"].repeat_interleave(self.architecture.cells + 1, dim=1)
        return tokens_RND, open_RN


class _Norm(nn.Module):
    """A layer norm by the name that BertModel gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(TEXT_DIM, eps=EPSILON)

    def forward(self, x_XD: Tensor) -> Tensor:
        return cast("Tensor", self.LayerNorm(x_XD))


class _Residual(_Norm):
    """A linear layer, dropout, the residual, the norm."""

    def __init__(self, entering: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(entering, TEXT_DIM)
        self._dropout = dropout

    def forward(self, bent: Tensor, x_RND: Tensor) -> Tensor:  # type: ignore[override]
        added_RND = F.dropout(self.dense(bent), self._dropout, self.training)
        return cast("Tensor", self.LayerNorm(x_RND + added_RND))


class _Attention(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        parts = {name: nn.Linear(TEXT_DIM, TEXT_DIM) for name in ("query", "key", "value")}
        self.add_module("self", nn.ModuleDict(parts))
        self.output = _Residual(TEXT_DIM, dropout)

    def forward(self, x_RND: Tensor, open_RN: Tensor) -> Tensor:
        parts = cast("nn.ModuleDict", self.get_submodule("self"))
        query_RANS, key_RANS, value_RANS = (
            parts[name](x_RND).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mask_R11N = open_RN[:, None, None]
        mixed_RANS = F.scaled_dot_product_attention(query_RANS, key_RANS, value_RANS, mask_R11N)
        return cast("Tensor", self.output(mixed_RANS.transpose(1, 2).flatten(2), x_RND))


class _Layer(nn.Module):
    """A layer of BERT."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(dropout)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(TEXT_DIM, INNER)})
        self.output = _Residual(INNER, dropout)

    def forward(self, x_RND: Tensor, open_RN: Tensor) -> Tensor:
        x_RND = self.attention(x_RND, open_RN)
        return cast("Tensor", self.output(F.gelu(self.intermediate["dense"](x_RND)), x_RND))


def _zero(leaving: int) -> nn.Linear:
    linear = nn.Linear(TEXT_DIM, leaving)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
