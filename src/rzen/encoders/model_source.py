"""Where a model's name points to: a folder of this machine, or a name on the model hub."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rzen.errors import EncoderError

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_MARKS = ("config.json", "modules.json", "adapter_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that sentence-transformers or transformers load.

    Attributes:
        name: what it can be loaded by again: an absolute path, or its name on the hub.
        folder: where it is; ``None`` means on the hub, or in its cache on this machine.
        base: of an adapter: the model that it goes on top of; its folder is known.
    """

    name: str
    folder: Path | None = None
    base: "ModelSource | None" = None


def find(name: str, *, built_in: Sequence[str]) -> ModelSource:
    """Resolves a name.

    >>> find("qihoo360/RzenEmbed", built_in=["mini"])
    ModelSource(name='qihoo360/RzenEmbed', folder=None, base=None)

    Raises:
        EncoderError: if it is no folder with a model, and cannot be a name on the hub.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not any((folder / file).is_file() for file in _MARKS):
            raise EncoderError(
                f"{folder}: there is no model in this folder (none of {', '.join(_MARKS)}): give "
                "the folder that holds them"
            )
        return ModelSource(name=str(folder.resolve()), folder=folder.resolve())
    if HUB_NAME.fullmatch(name) and not name.startswith((".", "~")):
        return ModelSource(name=name)
    close = difflib.get_close_matches(name, built_in, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise EncoderError(
        f"there is no encoder {name!r}{hint}: take one of {', '.join(built_in)}, the folder of a "
        "model, or its name on the hub, such as qihoo360/RzenEmbed"
    )
