"""The constants that make scores of different modalities comparable, read from the package."""

import tomllib
from collections.abc import Mapping
from importlib import resources

from rzen.types import MODALITIES, Calibration, Modality


def load() -> Mapping[Modality, Calibration]:
    """Per modality of the document, for text queries."""
    text = resources.files(__package__).joinpath("calibration.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return {
        modality: Calibration(
            slope=table[modality]["slope"], intercept=table[modality]["intercept"]
        )
        for modality in MODALITIES
        if modality in table
    }
