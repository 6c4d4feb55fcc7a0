"""The constants that make scores of different modalities comparable, read from a TOML file."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from rzen.errors import EncoderError
from rzen.types import MODALITIES, Calibration, Modality


def load() -> Mapping[Modality, Calibration]:
    """Those of ``mini``, per modality of the document, for text queries."""
    return read(resources.files(__package__).joinpath("calibration.toml"))


def read(file: Traversable) -> Mapping[Modality, Calibration]:
    """A file with a table for each modality, of ``slope`` and ``intercept``.

    Raises:
        EncoderError: if it is damaged.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        return {
            modality: Calibration(
                slope=float(table[modality]["slope"]), intercept=float(table[modality]["intercept"])
            )
            for modality in MODALITIES
            if modality in table
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{file}: no calibration can be read from it: {error!r:.200}: fit it again, or delete "
            "it: without one, plain cosines are ranked"
        ) from error
