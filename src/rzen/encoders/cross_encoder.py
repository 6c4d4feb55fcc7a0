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
        device: auto, or one of torch: cpu, cuda, cuda:1.
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
            EncoderError: if the model cannot be loaded on the device, or gives more than one score
                a pair.
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
                self._model = self._load()
            except MissingExtraError:
                raise
            # Loaders raise whatever their libraries do; the user gets the reason and the way out.
            except Exception as error:
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                raise EncoderError(
                    f"cannot load the reranker {self._source} (device "
                    f"{self._device or 'auto'}): {reason}: check its name and the device, or give "
                    "the folder of a cross-encoder with weights in safetensors"
                ) from error
        return self._model

    def _load(self) -> "CrossEncoder":
        try:
            from sentence_transformers import CrossEncoder  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError("sentence-transformers", "transformers") from None
        model: CrossEncoder = CrossEncoder(
            self._source,
            device=self._device,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        return model
