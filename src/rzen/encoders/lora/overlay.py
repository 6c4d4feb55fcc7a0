"""An adapter's folder and its base's as one, for libraries that load whole models only."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rzen.encoders.lora.base_model import CONFIG
from rzen.encoders.model_source import ModelSource


@contextmanager
def overlay(adapter: ModelSource) -> Iterator[Path]:
    """A folder of links: the base's files, and over them those of the adapter that are no LoRA.

    What was saved beside an adapter (pooling, tokenizer, prompts) is what it was trained with.
    """
    assert adapter.folder is not None
    assert adapter.base is not None
    assert adapter.base.folder is not None
    entries = {path.name: path for path in adapter.base.folder.iterdir()}
    entries |= {path.name: path for path in adapter.folder.iterdir()}
    with tempfile.TemporaryDirectory(prefix="rzen-adapter-") as place:
        for name, path in entries.items():
            if not name.startswith(("adapter_model.", ".")) and name != CONFIG:
                (Path(place) / name).symlink_to(path.resolve())
        yield Path(place)
