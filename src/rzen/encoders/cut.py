"""An encoder of which only the first dimensions are used (Matryoshka, arXiv 2205.13147)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rzen.encoders.rows import check_dim, unit
from rzen.protocols import Encoder
from rzen.types import (
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    MediaBudget,
    Modality,
    Role,
    Vectors,
)


class CutEncoder:
    """The first dimensions of another encoder's vectors. An :class:`rzen.protocols.Encoder`.

    It has no calibration: that of the whole vectors does not hold for what is left of them.

    Args:
        whole: the other one.
        dim: how many dimensions are kept.

    Attributes:
        whole: the other one.

    Raises:
        EncoderError: if ``dim`` is not between 1 and that of the other one.
    """

    def __init__(self, whole: Encoder, dim: int) -> None:
        self.whole = whole
        self._dim = check_dim(dim, whole.dim)

    @property
    def dim(self) -> int:
        """How many dimensions are kept."""
        return self._dim

    @property
    def modalities(self) -> frozenset[Modality]:
        """Those of the other one."""
        return self.whole.modalities

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the other one, with a name and a dimension of its own."""
        whole = self.whole.fingerprint
        return replace(whole, encoder=f"{whole.encoder}-dim{self._dim}", dim=self._dim)

    @property
    def budget(self) -> MediaBudget:
        """That of the other one."""
        return self.whole.budget

    @property
    def calibration(self) -> Mapping[Modality, Calibration]:
        """None."""
        return {}

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """See :meth:`rzen.protocols.Encoder.encode`."""
        return self.whole.encode(
            contents, role=role, instruction=instruction, dim=check_dim(dim, self._dim)
        )

    def cut(self, vectors_ND: Vectors) -> Vectors:
        """What is left of whole vectors, (N, dim): they need not be encoded again."""
        return unit(vectors_ND[:, : self._dim])
