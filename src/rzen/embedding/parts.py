"""What is embedded already: pieces of the output in a folder beside it, each whole or not there.

A run that is cut off loses the piece it was at. The pieces of another input, encoder or option are
not taken; they are thrown away when a run begins that has no use for them.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from rzen.errors import DataError
from rzen.types import Vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Some rows in order.

    Attributes:
        ids: of the rows.
        vectors: (N, D); rows that failed are NaN, so that none is ever taken for a vector.
        failed: row of the piece -> why.
        warnings: row of the piece -> what the encoder warned of.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    failed: Mapping[int, str]
    warnings: Mapping[int, Sequence[str]]


class Parts:
    """The folder of the pieces of one output.

    Args:
        output: the file that they will become.
        identity: of input, encoder and options.

    Raises:
        DataError: if the folder cannot be written.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        self._folder = output.with_name(f".{output.name}.parts")
        note = self._folder / "identity.json"
        wanted = json.dumps(identity, sort_keys=True)
        try:
            if not note.is_file() or note.read_text(encoding="utf-8") != wanted:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
                note.write_text(wanted, encoding="utf-8")
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be written: {error}") from error

    def __contains__(self, number: int) -> bool:
        return self._file(number).is_file()

    def write(self, number: int, piece: Piece) -> None:
        """Stores a piece; it is there as a whole or not at all."""
        file = self._file(number)
        aside = file.with_suffix(".new")
        about = {
            "ids": piece.ids,
            "failed": {str(row): why for row, why in piece.failed.items()},
            "warnings": {str(row): list(told) for row, told in piece.warnings.items()},
        }
        with aside.open("wb") as opened:
            np.savez(opened, vectors=piece.vectors, about=np.array(json.dumps(about)))
        aside.replace(file)

    def read(self, number: int) -> Piece:
        """A piece.

        Raises:
            DataError: if it is damaged; it is removed, so that the next run makes it anew.
        """
        file = self._file(number)
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
                about = json.loads(str(found["about"]))
                vectors = np.asarray(found["vectors"], np.float32)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            file.unlink(missing_ok=True)
            raise DataError(
                f"{file}: damaged ({error}), and removed: run the same command again"
            ) from error
        return Piece(
            ids=tuple(about["ids"]),
            vectors=vectors,
            failed={int(row): why for row, why in about["failed"].items()},
            warnings={int(row): told for row, told in about["warnings"].items()},
        )

    def pieces(self, count: int) -> Iterator[Piece]:
        """All pieces, in order."""
        for number in range(count):
            yield self.read(number)

    def remove(self) -> None:
        """Takes the folder away, once the output is whole."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:08d}.npz"
