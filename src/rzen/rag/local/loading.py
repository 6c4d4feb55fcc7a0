"""A causal model of transformers, loaded: from a folder, the hub, or a GGUF file.

Only safetensors and GGUF are read, and no code of a model's is run unless the user names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from rzen.config import ModelSettings, cache_folder
from rzen.encoders.hashes import file_hashes
from rzen.encoders.loading import (
    Description,
    describe,
    device_named,
    explain,
    hub_folder,
    quiet,
    reason_of,
    weights_hash,
)
from rzen.encoders.model_source import ModelSource
from rzen.encoders.new_folder import new_folder
from rzen.errors import EncoderError, GeneratorError, MissingExtraError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """What is needed of a checkpoint.

    Attributes:
        network: with its head; in evaluation mode.
        tokenizer: pads to the left.
        processor: of pictures and texts together; ``None`` for a model of texts alone.
        window: tokens of context; ``None`` if its configuration does not say.
        weights: hash of its files, or its commit on the hub.
        folder: where its files are; ``None`` for one that was made in memory.
    """

    network: Any
    tokenizer: Any
    processor: Any
    window: int | None
    weights: str
    folder: Path | None = None

    @property
    def has_template(self) -> bool:
        """Whether it was made for conversation: its tokenizer or processor has a chat template."""
        own = self.tokenizer.chat_template or getattr(self.processor, "chat_template", None)
        return bool(own)

    def with_network(self, network: Any) -> "Loaded":
        """The same with another network, such as one with adapters."""
        return replace(self, network=network)


def load(source: ModelSource, *, device: str, settings: ModelSettings) -> Loaded:
    """Loads a language model, or a vision-language model with its processor.

    Args:
        source: a folder of this machine, or a name on the hub.
        device: "auto", or one of torch.
        settings: dtype, and whether its own code may run.

    Raises:
        GeneratorError: if it cannot be loaded, or is none that writes.
        MissingExtraError: if transformers is not installed.
    """
    if source.base is not None:
        raise GeneratorError(
            f"{source.name} is an adapter: merge it first (rzen soup {source.name} -o FOLDER "
            "--merge), and give the folder"
        )
    auto = _transformers()
    try:
        described = describe(source)
        place = device_named(device)
    except EncoderError as error:
        raise GeneratorError(str(error)) from error
    _check_writes(source, described)
    options: dict[str, Any] = {
        "trust_remote_code": source.name in settings.trust_remote_code,
        "local_files_only": source.folder is not None,
    }
    weights = {**options, "dtype": _dtype(settings, place), "use_safetensors": True}
    sees = _sees(described.config)
    try:
        with quiet():
            kind = auto.AutoModelForImageTextToText if sees else auto.AutoModelForCausalLM
            network, about = kind.from_pretrained(source.name, **weights, output_loading_info=True)
            processor = auto.AutoProcessor.from_pretrained(source.name, **options) if sees else None
            tokenizer = (
                processor.tokenizer
                if processor is not None
                else auto.AutoTokenizer.from_pretrained(source.name, **options)
            )
    # Loaders raise whatever their libraries do; the user gets the reason and the way out.
    except Exception as error:
        raise GeneratorError(explain(source, error)) from error
    if missing := sorted(about["missing_keys"]):
        raise GeneratorError(
            f"{source.name}: {len(missing)} weights are missing, such as {missing[0]}: the "
            "download is not whole, or this is no model of the kind that its config.json says"
        )
    from rzen.rag.local.few_rows import for_few_rows  # noqa: PLC0415

    for_few_rows(network.to(place))
    weights_of = weights_hash(source, described.folder)
    loaded = made(network, tokenizer, processor, weights=weights_of)
    return replace(loaded, folder=described.folder or hub_folder(source.name))


def load_gguf(file: Path, *, device: str) -> Loaded:
    """Loads a GGUF file's weights, no longer quantised, as float32.

    Reading them takes half a minute, so they are kept in the cache as safetensors.

    Raises:
        GeneratorError: if it cannot be read.
        MissingExtraError: if transformers or gguf is not installed.
    """
    auto = _transformers()
    hashes = file_hashes([file], cache_folder() / "hashes.json")
    folder = cache_folder() / "unquantised" / hashes[file][:20]
    if not folder.is_dir():
        with FileLock(cache_folder() / "unquantised.lock"):
            if not folder.is_dir():  # who comes second finds it done
                _unquantise(file, folder, auto)
    source = ModelSource(name=str(folder), folder=folder)
    return load(source, device=device, settings=ModelSettings(dtype="float32"))


def _unquantise(file: Path, folder: Path, auto: Any) -> None:
    """Writes a GGUF file as a checkpoint of transformers, whole or not at all."""
    try:
        import gguf  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError("gguf", "gguf") from error
    options = {"gguf_file": file.name, "local_files_only": True}
    try:
        with quiet():  # its reader shows a bar all the same
            network = auto.AutoModelForCausalLM.from_pretrained(
                str(file.parent), dtype="float32", **options
            )
            tokenizer = auto.AutoTokenizer.from_pretrained(str(file.parent), **options)
    # Readers raise whatever their libraries do; the user gets the reason and the way out.
    except Exception as error:
        raise GeneratorError(
            f"{file}: transformers cannot read this GGUF file ({reason_of(error)}): with "
            "ask.fusion=context it is run by xllamacpp, which reads more kinds"
        ) from error
    with new_folder(folder) as aside:
        plain = type(network)(_unmarked(network.config))
        plain.load_state_dict(network.state_dict())
        plain.generation_config = network.generation_config
        plain.save_pretrained(aside)
        tokenizer.save_pretrained(aside)


def _unmarked(config: Any) -> Any:
    """A configuration that no longer says that the weights are quantised."""
    values = config.to_dict()
    values.pop("quantization_config", None)
    return type(config).from_dict(values)


def made(network: Any, tokenizer: Any, processor: Any, *, weights: str = "") -> Loaded:
    """A model with its tokenizer set for batches of prompts: filled up from the left."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    text = network.config.get_text_config()
    window = getattr(text, "max_position_embeddings", None)
    return Loaded(
        network=network.eval(),
        tokenizer=tokenizer,
        processor=processor,
        window=int(window) if window else None,
        weights=weights,
    )


def _sees(config: Mapping[str, Any]) -> bool:
    return "vision_config" in config


def _check_writes(source: ModelSource, described: Description) -> None:
    named = [str(name) for name in described.config.get("architectures") or ()]
    if named and not any("CausalLM" in name or "ConditionalGeneration" in name for name in named):
        raise GeneratorError(
            f"{source.name} is a {named[0]}, which does not write: name a causal language model, "
            "such as HuggingFaceTB/SmolLM2-135M-Instruct"
        )


def _dtype(settings: ModelSettings, place: str) -> Any:
    import torch  # noqa: PLC0415

    if settings.dtype == "auto":
        return torch.float32 if place == "cpu" else torch.bfloat16
    return getattr(torch, settings.dtype)


def _transformers() -> Any:
    try:
        import transformers  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("transformers", "transformers") from error
    return transformers
