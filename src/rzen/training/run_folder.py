"""What lies in the folder of a run, and how a run is recognised that goes on.

```
.lock                 held by the process that trains
run.json              the recipe as it was read, the data's revisions, versions of the libraries
STAGE/log.jsonl       a line for each step that is logged, cut back to the checkpoint on resuming
STAGE/checkpoints/    see rzen.training.checkpoints
STAGE/done.json       what the stage came to: its final checkpoint, rows, temperatures, data
STAGE/model/          the stage's model, renamed into place when it is whole
soup/                 the average of several stages' models
scores/               of base and model
```
"""

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from rzen.errors import DataError, UsageError
from rzen.training import checkpoints
from rzen.training.checkpoints import sync
from rzen.version import __version__

RUN = "run.json"
_LOCK = ".lock"
_LIBRARIES = ("torch", "transformers", "sentence-transformers", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Of rzen, Python and the libraries that a run depends on."""
    found = {"rzen": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps a second process from training into the same folder.

    Args:
        folder: of the run; made where it is not there.

    Raises:
        UsageError: if another process is at work in it, or it is something else's.
        DataError: if it cannot be read or written.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    # What a run may leave that is killed as it begins.
    harmless = {_LOCK, _aside(folder / RUN).name}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir()}
        if RUN not in names and names - harmless:
            raise UsageError(
                f"{folder} is not empty, and no run of rzen's: name another folder with -o"
            )
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"{folder}: another process is training into it: wait for its end, or name another "
            "folder with -o"
        ) from None
    except OSError as error:
        raise DataError(f"cannot read or write {folder}: {error}") from error
    try:
        yield
    finally:
        lock.release()


def begin(
    folder: Path, recipe: BaseModel, data: Mapping[str, str], *, allow_changes: bool
) -> list[str]:
    """Claims a folder that is held for a run, or recognises the run that is in it.

    Args:
        folder: of the run.
        recipe: of the run.
        data: source -> revision.
        allow_changes: whether a run may go on with another recipe or other data.

    Returns:
        What changed since the run began, a line each.

    Raises:
        UsageError: if something changed and that is not allowed.
        DataError: if it cannot be read or written.
    """
    file = folder / RUN
    mine = {"recipe": recipe.model_dump(mode="json"), "data": dict(data), "versions": versions()}
    try:
        if not any(folder.glob("*/checkpoints/*")):
            write_json(file, mine)  # whatever was tried before: nothing came of it
            return []
        held = json.loads(file.read_text(encoding="utf-8"))
        begun = {"recipe": _as_read_now(held["recipe"], recipe), "data": held["data"]}
        changed = list(_differences(begun, mine))
        if changed and not allow_changes:
            raise UsageError(
                f"{folder} holds a run of another recipe or other data: {'; '.join(changed)}: "
                "go on all the same with --allow-changes, or name another folder with -o"
            )
        if changed:
            write_json(file, mine)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"cannot read or write {file}: {error}") from error
    return changed


def _as_read_now(held: Any, recipe: BaseModel) -> Any:
    """A recipe that an earlier rzen read: settings that it did not know stand at their defaults."""
    try:
        return type(recipe).model_validate_json(json.dumps(held)).model_dump(mode="json")
    except ValidationError:  # of a setting that there is no more: it is told as a difference
        return held


def write_json(file: Path, document: Any) -> None:
    """Writes a file whole or not at all."""
    write_text(file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    aside = _aside(file)
    aside.write_text(text, encoding="utf-8")
    sync(aside)
    aside.rename(file)
    sync(file.parent)


def _aside(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def read_json(file: Path) -> dict[str, Any]:
    """An object that this run wrote.

    Raises:
        DataError: if it is not there or damaged.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {file}: {error}: delete its folder to train it anew"
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{file} holds no object: delete its folder to train it anew")
    return found


def write_aside(target: Path, write: Callable[[Path], None]) -> None:
    """Has a folder written beside its place, and renames it when it is whole.

    Raises:
        DataError: if it cannot be written; then nothing of it is left.
    """
    from safetensors import SafetensorError  # noqa: PLC0415

    aside = _aside(target)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        write(aside)
        for path in aside.rglob("*"):
            sync(path)
        aside.rename(target)
        sync(target.parent)
    except (OSError, SafetensorError) as error:  # the latter for a full disk
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(
            f"cannot write {target}: {error}: make room or mend the folder, then run the same "
            "command again"
        ) from error


class StepLog:
    """One line of JSON for each step.

    Args:
        file: grown by each run that goes on.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def cut_back(self, step: int) -> None:
        """Forgets steps that were taken after the checkpoint that a run goes on from."""
        if not self._file.is_file():
            return
        kept = [line for line in self._lines() if line.get("step", 0) <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        aside = _aside(self._file)
        aside.write_text(text, encoding="utf-8")
        aside.rename(self._file)

    def add(self, line: Mapping[str, Any]) -> None:
        """Writes a line."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue  # the run was killed while it wrote this one
            if isinstance(found, dict):
                yield found


def pick_up(folder: Path, log: StepLog, on_warning: Callable[[str], None]) -> None:
    """Cuts a stage's log back to the checkpoint that it goes on from, and names damaged newer ones.

    Args:
        folder: of the stage's checkpoints.
        log: of the stage.
        on_warning: told of each damaged one.
    """
    own = checkpoints.newest(folder)
    for path in checkpoints.damaged_since(folder, own):
        instead = own.name if own else "the stage's beginning"
        on_warning(f"{path} is damaged: going on from {instead}")
    log.cut_back(checkpoints.read_progress(own).step if own else -1)


def _differences(held: Any, mine: Any, at: str = "") -> Iterator[str]:
    if isinstance(held, dict) and isinstance(mine, dict):
        for name in sorted({*held, *mine} - {"versions"}):
            place = f"{at}.{name}".removeprefix(".")
            yield from _differences(held.get(name), mine.get(name), place)
    elif isinstance(held, list) and isinstance(mine, list) and len(held) == len(mine):
        for number, (one, other) in enumerate(zip(held, mine, strict=True)):
            called = one.get("name") if isinstance(one, dict) else None
            yield from _differences(one, other, f"{at}[{called or number}]")
    elif held != mine:
        yield f"{at}: {json.dumps(held)} -> {json.dumps(mine)}"
