"""Reranking with a cross-encoder: query and text are read together."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rzen.errors import EncoderError, MissingExtraError
from rzen.types import Hit

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 16


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers, loaded when it is first used.

    Only safetensors are read, and no code that comes with a model is run.

    Args:
        name_or_path: the model's name on a hub, or its folder.
        device: auto, cpu or cuda.
    """

    def __init__(self, name_or_path: str | Path, *, device: str = "auto") -> None:
        self._source = str(name_or_path)
        self._device = None if device == "auto" else device
        self._model: CrossEncoder | None = None

    @property
    def name(self) -> str:
        """The model's name or folder."""
        return self._source

    def scores(self, query: str, hits: Sequence[Hit]) -> list[float]:
        """One score per hit, larger is better, in their order.

        Raises:
            MissingExtraError: if sentence-transformers is not installed.
            EncoderError: if the model cannot be loaded, or gives more than one score a pair.
        """
        if not hits:
            return []
        pairs = [(query, hit.text) for hit in hits]
        model = self._loaded()
        scores = model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        if scores.shape != (len(hits),):
            raise EncoderError(
                f"the reranker {self._source} gives {scores.shape[-1]} scores a pair: choose a "
                "cross-encoder for ranking, which gives one"
            )
        return [float(score) for score in scores]

    def _loaded(self) -> "CrossEncoder":
        if self._model is None:
            try:
                from sentence_transformers import CrossEncoder  # noqa: PLC0415
            except ImportError:
                raise MissingExtraError("sentence-transformers", "transformers") from None
            try:
                self._model = CrossEncoder(
                    self._source,
                    device=self._device,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )
            except (OSError, ValueError, KeyError) as error:
                reason = " ".join(str(error).split())[:300]
                raise EncoderError(
                    f"cannot load the reranker {self._source}: {reason}: check its name, or give "
                    "the folder of a cross-encoder"
                ) from None
        return self._model
