"""Settings: built-in defaults < TOML file < RZEN_* environment < ``--set a.b=c``.

Every setting has one name, one default and one place. ``RZEN_SEARCH__K=20`` in the environment,
``[search]`` with ``k = 20`` in the file, and ``--set search.k=20`` mean the same.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from platformdirs import user_cache_path, user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rzen.errors import UsageError

ENV_PREFIX = "RZEN_"
# Named RZEN_* for other reasons than to set something below.
ENV_RESERVED = frozenset({"RZEN_CACHE", "RZEN_CONFIG"})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Section):
    """What a decoder may be asked to do with one file; beyond it the file is refused by name."""

    file_bytes: int = Field(16 * 2**30, gt=0, description="size of a file on disk")
    text_bytes: int = Field(64 * 2**20, gt=0, description="size of a text file")
    image_pixels: int = Field(120_000_000, gt=0, description="pixels of a picture, from its header")
    page_pixels: int = Field(16_000_000, gt=0, description="pixels of a rendered page (it shrinks)")
    pages: int = Field(5_000, gt=0, description="pages of a document")
    frame_pixels: int = Field(36_000_000, gt=0, description="pixels of one video frame")
    frames: int = Field(2_000_000, gt=0, description="frames decoded from one video")
    video_seconds: float = Field(6 * 3600.0, gt=0, description="duration of a video")
    decode_seconds: float = Field(1800.0, gt=0, description="wall time for one file")
    stall_seconds: float = Field(60.0, gt=0, description="wall time without a sign of life")
    memory_bytes: int = Field(4 * 2**30, gt=0, description="resident memory of one decoder process")


class ModelSettings(_Section):
    """How a checkpoint is loaded and asked."""

    template: str = Field("", description="prompt template; empty means its family's own")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the weights; auto: float32 on a CPU, bfloat16 elsewhere"
    )
    trust_remote_code: tuple[str, ...] = Field(
        (), description="names of the models whose own code may run here; none by default"
    )


class IngestSettings(_Section):
    """How files become records."""

    workers: int = Field(0, ge=0, description="decoder processes; 0 means one per core")
    passage_chars: int = Field(1000, ge=200, description="length of a passage, about")
    passage_overlap: int = Field(100, ge=0, description="characters shared by neighbours, at most")
    segment_min_seconds: float = Field(8.0, gt=0, description="shortest video segment")
    segment_max_seconds: float = Field(30.0, gt=0, description="longest video segment")
    ocr: bool = Field(True, description="read pages that have no text layer")
    batch_items: int = Field(32, gt=0, description="contents encoded together, at most")


class SearchSettings(_Section):
    """How records are found."""

    k: int = Field(10, gt=0, description="hits shown")
    explained: int = Field(5, gt=0, description="hits that --explain draws maps for")
    mode: Literal["hybrid", "dense", "text"] = "hybrid"
    candidates: int = Field(200, gt=0, description="length of each list before fusion")
    words_weight: float = Field(2.0, ge=0, description="log-odds that the best word match adds")
    rank_constant: int = Field(60, gt=0, description="the constant of reciprocal rank fusion")
    store: Literal["auto", "exact", "compact", "binary"] = Field(
        "auto", description="how vectors are scanned; auto: compact, from ann_rows on ANN"
    )
    ann_rows: int = Field(1_000_000, gt=0, description="rows from which an ANN index is used")
    oversample: int = Field(16, gt=0, description="rows that store=binary scores again per hit")


class AskSettings(_Section):
    """How answers are made."""

    generator: str = Field(
        "extractive",
        description="extractive, smollm2, a GGUF file, a model's folder or name, or an address",
    )
    model: str = Field("", description="the model's name at the endpoint")
    sees: bool = Field(False, description="whether the endpoint's model takes pictures")
    silence_seconds: float = Field(
        120.0,
        gt=0,
        description="silence of an endpoint, at most; its whole answer may take 5 times as long",
    )
    fusion: str = Field(
        "context", description="context, marginal, projector, or several joined by +"
    )
    projector: Path | None = Field(None, description="folder of a trained projector")
    temperature: float = Field(1.0, gt=0, description="of p(document | question), for marginal")
    k: int = Field(8, gt=0, description="pieces of evidence")
    hops: int = Field(1, gt=0, le=5, description="searches for an answer, at most")
    context_tokens: int = Field(3_000, gt=0, description="tokens of evidence, at most")
    context_pixels: int = Field(
        2_000_000, gt=0, description="pixels of all pictures in a prompt, at most"
    )
    frames: int = Field(4, gt=0, description="frames of a video in a prompt, at most")
    unsupported: Literal["drop", "mark"] = Field(
        "drop", description="what is done with sentences that no evidence bears out"
    )
    answer_tokens: int = Field(512, gt=0, description="tokens of an answer, at most")


class Settings(_Section):
    """All settings of rzen."""

    index: Path = Field(
        default_factory=lambda: user_data_path("rzen") / "default.rzen",
        description="the index that commands use without --index",
    )
    encoder: str = Field("mini", description="the encoder of new indexes")
    lock_seconds: float = Field(600.0, ge=0, description="how long to wait for another writer")
    device: str = Field("auto", description="where the transformer encoders run: auto, cpu, cuda")
    model: ModelSettings = ModelSettings()
    limits: Limits = Limits()
    ingest: IngestSettings = IngestSettings()
    search: SearchSettings = SearchSettings()
    ask: AskSettings = AskSettings()


def load_settings(file: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Reads the settings.

    Args:
        file: a TOML file; ``None`` takes RZEN_CONFIG, else the user's own one where it exists.
        overrides: dotted name -> value, the last word.

    Raises:
        UsageError: if a setting is unknown or has a bad value, or the file cannot be read.
    """
    tree = _read_file(file)
    for name, value in {**_environment(), **(overrides or {})}.items():
        _assign(tree, name, value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        name, problem = first_problem(error, Settings)
        raise UsageError(
            f"setting {name!r}: {problem}: `rzen config` lists every setting with its value"
        ) from None


def first_problem(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong with values that a user wrote, in words that help.

    Args:
        error: of the values.
        model: that they were to be read as.

    Returns:
        the name of the first wrong value, such as ``source[1].repeat``, and the problem: for a name
        that does not exist the nearest that does; else the reason, and what was given.
    """
    first = error.errors()[0]
    steps, given = first["loc"], first["input"]
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    if first["type"] == "extra_forbidden":
        # The value of a setting that does not exist may be somebody's secret.
        near = difflib.get_close_matches(str(steps[-1]), _names_at(model, steps[:-1]), n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        return name.removeprefix("."), f"there is no such setting{hint}"
    if first["type"] == "missing":
        return name.removeprefix("."), "it is missing"
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] in {"model_type", "dict_type"}:
        problem = "a table was expected"
    plain = given is None or isinstance(given, str | int | float)
    return name.removeprefix("."), problem + (f" (got {given!r:.200})" if plain else "")


def _names_at(model: type[BaseModel], steps: tuple[int | str, ...]) -> list[str]:
    """The names that may stand at a place; numbers of a list and keys of a table lead nowhere."""
    for step in steps:
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                model = next(_models_in(field.annotation), model)
                break
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def parse_override(text: str, option: str = "--set") -> tuple[str, Any]:
    """Splits the ``a.b=c`` of an option; the value is read as TOML where it is TOML, else as text.

    >>> parse_override("search.k=20"), parse_override("encoder=mini")
    (('search.k', 20), ('encoder', 'mini'))

    Raises:
        UsageError: if there is no ``=``.
    """
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        example = "search.k=20" if option == "--set" else "network.base=mini"
        raise UsageError(f"{option} wants NAME=VALUE, for example {example} (got {text!r})")
    return name.strip(), _value(value.strip())


def cache_folder() -> Path:
    """Where rzen keeps what it can make again, such as exported networks (RZEN_CACHE overrides)."""
    override = os.environ.get("RZEN_CACHE")
    return Path(override).expanduser() if override else user_cache_path("rzen")


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _read_file(file: Path | None) -> dict[str, Any]:
    named = file or (Path(os.environ["RZEN_CONFIG"]) if "RZEN_CONFIG" in os.environ else None)
    path = named or user_config_path("rzen") / "config.toml"
    if named is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the settings file {path}: {error}") from None


def _environment() -> dict[str, Any]:
    return {
        name.removeprefix(ENV_PREFIX).lower().replace("__", "."): _value(value)
        for name, value in os.environ.items()
        if name.startswith(ENV_PREFIX) and name not in ENV_RESERVED and not name.endswith("_KEY")
    }


def _assign(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UsageError(f"setting {name!r}: {section!r} is not a section")
    tree[last] = value
