"""A vision-language checkpoint, loaded: the network without its head, and the tokenizer.

Only safetensors are read, and no code of the checkpoint's is run. An outline has everything but the
weights: contents can be prepared with it, and its parameters counted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from rzen.encoders.loading import (
    OUTLINE,
    Description,
    device_named,
    environment,
    explain,
    hub_folder,
    part,
    quiet,
    read_json,
    weights_hash,
)
from rzen.encoders.lora.merging import merge
from rzen.encoders.model_source import ModelSource
from rzen.encoders.templates import IMAGE_PAD, VIDEO_PAD
from rzen.encoders.vision_language.pixels import Patching
from rzen.errors import EncoderError, MissingExtraError

Dtype: TypeAlias = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisionLanguageModel:
    """What is needed of a checkpoint.

    Attributes:
        network: from tokens and patches to token states, after the last norm.
        tokenizer: from prompts to tokens.
        patching: how pixels become patches.
        image_pad: token that stands for a token of a picture.
        video_pad: token that stands for a token of a video.
        dim: of the states.
        folder: where its files are.
        weights: hash of its files, or its commit on the hub.
        device: where it is.
        environment: dtype, device and versions of the libraries.
    """

    network: Any
    tokenizer: Any
    patching: Patching
    image_pad: int
    video_pad: int
    dim: int
    folder: Path
    weights: str
    device: str
    environment: Mapping[str, str]


def load(
    source: ModelSource, described: Description, *, device: str, dtype: Dtype
) -> VisionLanguageModel:
    """Loads a checkpoint of the Qwen2-VL or Qwen3-VL kind.

    Args:
        source: where it is; an adapter is merged into its base.
        described: its config.json and files.
        device: "auto", or one of torch.
        dtype: of weights and activations; "auto" means float32 on a CPU, bfloat16 elsewhere.

    Raises:
        EncoderError: if it cannot be loaded, weights are missing, or the device is not there.
        MissingExtraError: if transformers is not installed.
    """
    auto, _, tokenize = _transformers()
    place = device_named(device)
    kind = _dtype(dtype, place)
    origin = source.base or source
    where, local = _place(origin)
    try:
        with quiet():
            network, about = _loaded(auto, where, kind, local)
            tokenizer = _tokenizer(tokenize, where, local)
    # Loaders raise whatever their libraries do; the user gets the reason and the way out.
    except Exception as error:
        raise EncoderError(explain(origin, error)) from error
    if missing := sorted(about["missing_keys"]):
        raise EncoderError(
            f"{where}: {len(missing)} weights are missing, such as {missing[0]}: the download is "
            "not whole, or this is no model of the kind that its config.json says"
        )
    if source.base is not None:
        merge(source, network)
    return _model(
        network.eval().to(place),
        tokenizer,
        source=source,
        described=described,
        weights=weights_hash(source, described.folder),
        environment=environment(str(kind), place),
    )


def outline(
    source: ModelSource, described: Description, *, device: str, dtype: Dtype
) -> VisionLanguageModel:
    """The same without its weights, of which no byte is read or fetched.

    The network is on torch's meta device: its parameters have shapes and dtypes and no values. An
    adapter is taken for its base, whose shapes it has.

    Args:
        source: where config.json, the tokenizer's files and preprocessor_config.json are.
        described: its config.json and files.
        device: that it would be on.
        dtype: that its weights would have there.

    Raises:
        EncoderError: if one of these files cannot be had or read.
        MissingExtraError: if transformers is not installed.
    """
    auto, configure, tokenize = _transformers()
    place = device_named(device)
    kind = _dtype(dtype, place)
    origin = source.base or source
    where, local = _place(origin)
    try:
        with quiet(), torch.device("meta"):
            config = configure.from_pretrained(
                where, trust_remote_code=False, local_files_only=local
            )
            network = auto.from_config(config, dtype=kind, trust_remote_code=False)
        with quiet():
            tokenizer = _tokenizer(tokenize, where, local)
    # As above.
    except Exception as error:
        raise EncoderError(explain(origin, error)) from error
    return _model(
        network.eval(),
        tokenizer,
        source=source,
        described=described,
        weights=OUTLINE,
        environment=environment(str(kind), place),
    )


def _transformers() -> tuple[Any, Any, Any]:
    """What makes models, configurations and tokenizers."""
    try:
        from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "transformers") from error
    return AutoModel, AutoConfig, AutoTokenizer


def _place(origin: ModelSource) -> tuple[str, bool]:
    """What transformers calls it, and whether it is a folder of this machine."""
    return str(origin.folder or origin.name), origin.folder is not None


def _tokenizer(auto: Any, where: str, local: bool) -> Any:
    return auto.from_pretrained(where, trust_remote_code=False, local_files_only=local)


def _model(
    network: Any,
    tokenizer: Any,
    *,
    source: ModelSource,
    described: Description,
    weights: str,
    environment: Mapping[str, str],
) -> VisionLanguageModel:
    image_pad, video_pad = tokenizer.convert_tokens_to_ids([IMAGE_PAD, VIDEO_PAD])
    return VisionLanguageModel(
        network=network,
        tokenizer=tokenizer,
        patching=Patching.of(
            described.config.get("vision_config", {}), _processor(source.base or source)
        ),
        image_pad=image_pad,
        video_pad=video_pad,
        dim=int(network.get_input_embeddings().weight.shape[1]),
        folder=_folder(source, described),
        weights=weights,
        device=environment["device"],
        environment=environment,
    )


def _folder(source: ModelSource, described: Description) -> Path:
    # What was on the hub alone when it was described is in its cache now.
    found = described.folder or hub_folder(source.name)
    assert found is not None, "it was loaded, so its files are on this machine"
    return found


def _loaded(
    auto: Any, where: str, dtype: torch.dtype, local: bool
) -> tuple[Any, Mapping[str, Collection[str]]]:
    network, about = auto.from_pretrained(
        where,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=local,
        output_loading_info=True,
    )
    return network, about


def _dtype(dtype: Dtype, device: str) -> torch.dtype:
    if dtype == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    if dtype not in {"float32", "bfloat16"}:
        raise EncoderError(f"there is no dtype {dtype!r} here: use auto, float32 or bfloat16")
    return torch.float32 if dtype == "float32" else torch.bfloat16


def _processor(source: ModelSource) -> dict[str, Any]:
    """Its preprocessor_config.json, for the colours' mean and deviation.

    Raises:
        EncoderError: if there is none, or it cannot be read.
    """
    file = part(source, "preprocessor_config.json")
    if not file.is_file():
        raise EncoderError(
            f"{source.folder}: there is no {file.name}, which says how pictures are normalised: "
            "copy it from the model that this one was trained from"
        )
    return read_json(file)
