"""Generators by name; nothing heavy is imported before it is asked for."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from rzen.config import AskSettings, ModelSettings
from rzen.encoders.lora.base_model import with_base
from rzen.encoders.model_source import HUB_NAME, find
from rzen.endpoint import is_address
from rzen.errors import EncoderError, GeneratorError, UsageError
from rzen.protocols import Encoder, Generator
from rzen.rag import fetched, fusion
from rzen.rag.chat import ChatModel
from rzen.rag.extractive import EXTRACTIVE, ExtractiveGenerator
from rzen.rag.language_model import LanguageModel

if TYPE_CHECKING:
    from rzen.rag.local.model import LocalModel


def create(
    name: str,
    settings: AskSettings,
    *,
    encoder: Encoder | None = None,
    device: str = "auto",
    model: ModelSettings | None = None,
) -> Generator:
    """Makes a generator.

    Args:
        name: "extractive"; "smollm2" (after ``rzen generators fetch smollm2``); a GGUF file; the
            folder of a model of transformers, or its name on the hub; or the base URL of an
            OpenAI-compatible endpoint such as ``http://localhost:8000/v1``.
        settings: the fusion, the endpoint's model, how long an answer may be.
        encoder: what the extractive one compares sentences with.
        device: where transformers run.
        model: how a checkpoint is loaded.

    Raises:
        UsageError: if there is no such generator, or it cannot do the fusion.
        GeneratorError: if a model cannot be loaded.
        MissingExtraError: if an optional library is not installed.
    """
    if name == EXTRACTIVE:
        if settings.fusion != "context":
            raise UsageError(
                f"the extractive generator quotes and fuses nothing (ask.fusion is "
                f"{settings.fusion}): name a language model, such as --generator smollm2"
            )
        return ExtractiveGenerator(encoder)
    in_process = bool(fusion.parts_of(settings.fusion) & {"marginal", "projector"})
    model = model or ModelSettings()
    if "projector" in fusion.parts_of(settings.fusion):
        made = _projecting(name, settings, encoder, device=device, model=model)
    else:
        made = language_model(name, settings, in_process=in_process, device=device, model=model)
    return fusion.create(
        settings.fusion,
        made,
        max_tokens=settings.answer_tokens,
        temperature=settings.temperature,
    )


def language_model(
    name: str, settings: AskSettings, *, in_process: bool, device: str, model: ModelSettings
) -> LanguageModel:
    """Makes a language model; see :func:`create`.

    Args:
        name: as there.
        settings: the endpoint's model.
        in_process: whether its distributions are wanted, which only transformers give: a GGUF file
            is then read by transformers.
        device: where transformers run.
        model: how a checkpoint is loaded.
    """
    if is_address(name):
        silence = settings.silence_seconds
        return ChatModel(name, settings.model, sees=settings.sees, silence=silence)
    file = _gguf_file(name)
    if file is not None and not in_process:
        from rzen.rag.gguf import GgufModel  # noqa: PLC0415

        return GgufModel(file, name)
    return local_model(name, device=device, model=model)


def local_model(name: str, *, device: str, model: ModelSettings) -> "LocalModel":
    """Loads a model of transformers, or a GGUF file through transformers.

    Args:
        name: as in :func:`create`.
        device: where it runs.
        model: how a checkpoint is loaded.

    Raises:
        UsageError: if there is none of that name.
        GeneratorError: if it cannot be loaded.
    """
    file = _gguf_file(name)
    is_hub_name = HUB_NAME.fullmatch(name) and not name.startswith((".", "~"))
    if file is None and not (name and (_is_folder(name) or is_hub_name)):
        raise UsageError(_unknown(name))
    from rzen.rag.local import loading  # noqa: PLC0415
    from rzen.rag.local.model import LocalModel  # noqa: PLC0415

    if file is not None:
        return LocalModel(loading.load_gguf(file, device=device), name)
    try:
        source = with_base(find(name, built_in=()))
    except EncoderError as error:
        raise GeneratorError(str(error)) from error
    return LocalModel(loading.load(source, device=device, settings=model), Path(name).name)


def _projecting(
    name: str, settings: AskSettings, encoder: Encoder | None, *, device: str, model: ModelSettings
) -> LanguageModel:
    """A language model with a trained projector, and its adapters."""
    if settings.projector is None:
        raise UsageError(
            "the fusion projector needs a trained one: train it with `rzen train` (docs/rag.md), "
            "then  --set ask.projector=FOLDER"
        )
    if is_address(name):
        raise UsageError(
            "the fusion projector needs a language model in this process, not an endpoint: name "
            "the one that it was trained for"
        )
    from rzen.rag.local.projecting import with_projector  # noqa: PLC0415

    loaded = local_model(name, device=device, model=model).loaded
    fingerprint = encoder.fingerprint if encoder is not None else None
    return with_projector(loaded, name, settings.projector.expanduser(), fingerprint)


def _gguf_file(name: str) -> Path | None:
    if name in fetched.MODELS:
        return fetched.found(name)
    if not name.lower().endswith(".gguf"):
        return None
    file = Path(name).expanduser().resolve()
    if not file.is_file():
        raise UsageError(f"there is no file {file}: check the path")
    return file


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), [EXTRACTIVE, *fetched.MODELS], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return (
        f"there is no generator {name!r}{hint}: choose extractive, {', '.join(fetched.MODELS)}, a "
        "GGUF file, a model's folder or its name on the hub, or the http(s) address of an "
        "OpenAI-compatible endpoint"
    )
