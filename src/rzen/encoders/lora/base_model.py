"""The model that an adapter goes on top of; nothing heavy is imported before it is asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from rzen.encoders.loading import explain, read_json
from rzen.encoders.model_source import HUB_NAME, ModelSource
from rzen.errors import EncoderError

CONFIG: Final = "adapter_config.json"
_OWN_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
# What a base is made of: its weights, and what says how they are used.
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*", "NOTICE*"]
_ELSEWHERE = ["onnx/*", "openvino/*"]


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model of its own."""
    own = any((folder / each).is_file() for each in _OWN_WEIGHTS)
    return (folder / CONFIG).is_file() and not own


def with_base(source: ModelSource) -> ModelSource:
    """A model's source with that of its base, where it is an adapter.

    Raises:
        EncoderError: if the base is not named, not here, or itself an adapter.
    """
    if source.folder is None or not is_adapter(source.folder):
        return source
    return replace(source, base=base_of(source.folder))


def base_of(folder: Path) -> ModelSource:
    """The base of an adapter, its files on this machine.

    What is no folder here is a name on the hub, and fetched from there.

    Args:
        folder: of the adapter.

    Raises:
        EncoderError: if it is not named, not here, or itself an adapter.
    """
    name, revision = named_base(folder)
    found = local_base(folder, name)
    if found is not None:
        base = ModelSource(name=str(found), folder=found)
    elif HUB_NAME.fullmatch(name) and not name.startswith((".", "~")):
        base = _of_hub(name, revision)
    else:
        raise EncoderError(
            f"{folder}: the adapter goes on top of {name}, which is not here: put that model "
            f"there, or set base_model_name_or_path in {CONFIG} to where it is"
        )
    assert base.folder is not None
    if is_adapter(base.folder):
        raise EncoderError(
            f"{folder}: the adapter goes on top of another adapter, {base.name}: merge that one "
            f"first (rzen soup {base.name} -o FOLDER --merge), and set base_model_name_or_path in "
            f"{CONFIG} to what comes of it"
        )
    return base


def named_base(folder: Path) -> tuple[str, str | None]:
    """The base that an adapter names, and its revision on the hub.

    Raises:
        EncoderError: if it names none.
    """
    config = read_json(folder / CONFIG)
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise EncoderError(
            f"{folder / CONFIG} does not say which model the adapter goes on top of: set "
            "base_model_name_or_path to that model's folder, or to its name on the hub"
        )
    return name, config.get("revision")


def local_base(folder: Path, name: str) -> Path | None:
    """The folder that an adapter's base is in; ``None`` if it is none of this machine.

    Args:
        folder: of the adapter.
        name: of the base; a path that is not absolute is looked for beside the adapter, then from
            where we are.
    """
    given = Path(name).expanduser()
    return next((each.resolve() for each in (folder / given, given) if each.is_dir()), None)


def _of_hub(name: str, revision: str | None) -> ModelSource:
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        place = snapshot_download(
            name, revision=revision, allow_patterns=_WANTED, ignore_patterns=_ELSEWHERE
        )
    # The hub's client raises whatever its network does; the user gets the reason and the way out.
    except Exception as error:
        raise EncoderError(explain(ModelSource(name=name), error)) from error
    return ModelSource(name=name, folder=Path(place))
