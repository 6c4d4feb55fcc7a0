"""Models of sentence-transformers and plain checkpoints of transformers, by one door.

Only safetensors are read, and no code of the model's is run unless the user names it. A checkpoint
that brings its own modules is taken as it is. A plain one gets a pooling here: the library would
average the tokens of a vision-language model, whose last token alone has seen everything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rzen.config import ModelSettings
from rzen.encoders.loading import (
    OUTLINE,
    device_named,
    environment,
    explain,
    hub_folder,
    quiet,
    weights_hash,
)
from rzen.encoders.lora.merging import merge
from rzen.encoders.lora.overlay import overlay
from rzen.encoders.model_source import ModelSource
from rzen.encoders.outlining import without_weights
from rzen.errors import EncoderError, MissingExtraError

_DECODERS = ("ForConditionalGeneration", "ForCausalLM")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A loaded model and what is known of it.

    Attributes:
        model: a SentenceTransformer.
        plain: whether pooling and template were chosen here.
        weights: hash of its files, or its commit on the hub.
        pooling: how token states become one vector.
        positions: "1d" or "m-rope".
        environment: dtype, device and versions of the libraries.
    """

    model: Any
    plain: bool
    weights: str
    pooling: str
    positions: str
    environment: Mapping[str, str]


def load(
    source: ModelSource, device: str, settings: ModelSettings, *, is_outline: bool = False
) -> Checkpoint:
    """Loads a model.

    Args:
        source: where it is; an adapter is merged into its base.
        device: "auto", or one of torch.
        settings: its dtype, and whether its own code may run.
        is_outline: whether the weights of its network are left out: contents can be prepared with
            it, and parameters counted, on torch's meta device.

    Raises:
        EncoderError: if it cannot be loaded or the device is not there.
        MissingExtraError: if sentence-transformers is not installed.
    """
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer.modules import Pooling  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "transformers") from error
    place = device_named(device)
    with _opened(source) as opened:
        try:
            with quiet(), without_weights() if is_outline else nullcontext():
                model = SentenceTransformer(
                    str(opened or source.name),
                    device="meta" if is_outline else place,
                    trust_remote_code=(source.base or source).name in settings.trust_remote_code,
                    local_files_only=opened is not None,
                    model_kwargs={
                        "use_safetensors": True,
                        "dtype": _dtype(settings, place),
                    },
                )
        # Loaders raise whatever their libraries do; the user gets the reason and the way out.
        except Exception as error:
            raise EncoderError(explain(source, error)) from error
        folder = opened or hub_folder(source.name)
        plain = folder is not None and not (folder / "modules.json").is_file()
    if source.base is not None and not is_outline:
        merge(source, _network(source, model))
    architecture = str(next(iter(getattr(_config(model), "architectures", None) or ()), ""))
    if plain and architecture.endswith(_DECODERS):
        model[1] = Pooling(model.get_embedding_dimension(), pooling_mode="lasttoken")
    model.eval()
    return Checkpoint(
        model=model,
        plain=plain,
        weights=OUTLINE if is_outline else weights_hash(source, source.folder or folder),
        pooling=_pooling(model),
        positions="m-rope" if "mrope_section" in str(_config(model)) else "1d",
        environment=environment(str(model.dtype), place),
    )


@contextmanager
def _opened(source: ModelSource) -> Iterator[Path | None]:
    """The folder that a model is loaded from; ``None`` means from the hub."""
    if source.base is None:
        yield source.folder
        return
    with overlay(source) as folder:
        yield folder


def _network(adapter: ModelSource, model: Any) -> Any:
    network = getattr(model[0], "model", None)
    if network is None:
        raise EncoderError(
            f"{adapter.name}: the first module of its base is a {type(model[0]).__name__}, which "
            "runs no network of transformers: rzen cannot merge the adapter into it"
        )
    return network


def _dtype(settings: ModelSettings, device: str) -> str:
    if settings.dtype != "auto":
        return settings.dtype
    return "float32" if device == "cpu" else "auto"


def _config(model: Any) -> Any:
    return getattr(model[0], "config", None)


def _pooling(model: Any) -> str:
    modes = [getattr(module, "pooling_mode", None) for module in model]
    return next((str(mode) for mode in modes if mode), "-")
