"""A vision-language checkpoint, loaded: the network without its head, and the tokenizer.

Only safetensors are read, and no code of the checkpoint's is run.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from rzen.encoders.loading import (
    Description,
    device_named,
    environment,
    explain,
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
    try:
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(str(error.name), "transformers") from error
    place = device_named(device)
    kind = _dtype(dtype, place)
    origin = source.base or source
    where, local = str(origin.folder or origin.name), origin.folder is not None
    try:
        with quiet():
            network, about = _loaded(AutoModel, where, kind, local)
            tokenizer: Any = AutoTokenizer.from_pretrained(
                where, trust_remote_code=False, local_files_only=local
            )
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
    network = network.eval().to(place)
    image_pad, video_pad = tokenizer.convert_tokens_to_ids([IMAGE_PAD, VIDEO_PAD])
    return VisionLanguageModel(
        network=network,
        tokenizer=tokenizer,
        patching=Patching.of(described.config.get("vision_config", {}), _processor(origin)),
        image_pad=image_pad,
        video_pad=video_pad,
        dim=int(network.get_input_embeddings().weight.shape[1]),
        weights=weights_hash(source, described.folder),
        device=place,
        environment=environment(str(kind), place),
    )


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
