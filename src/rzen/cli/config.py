"""rzen config: every setting, its value and what it means."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rzen.cli import output
from rzen.cli.options import JsonOption, SetOption

if TYPE_CHECKING:
    from pydantic import BaseModel


def run(settings: SetOption = None, json: JsonOption = False) -> None:
    """List every setting with its value; set one by --set, RZEN_A__B=..., or config.toml."""
    from rzen.config import load_settings, parse_override

    merged = load_settings(overrides=dict(parse_override(text) for text in settings or ()))
    if json:
        output.emit(merged.model_dump(mode="json"))
        return
    for name, value, meaning in _flatten(merged):
        output.say(f"{name} = {value!r}" + (f"   # {meaning}" if meaning else ""))


def _flatten(section: "BaseModel", prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    from pydantic import BaseModel

    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field.description or ""
