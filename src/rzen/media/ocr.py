"""Reading pixels: RapidOCR (PP-OCR on onnxruntime), an optional extra."""

import importlib.util
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rzen.errors import MissingExtraError

if TYPE_CHECKING:
    from rapidocr import RapidOCR

_THREADS = 1  # a decoder process per core runs beside this one
_CONFIDENCE = 0.5


@cache
def available() -> bool:
    """Whether the extra ``ocr`` is installed; nothing is loaded."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def read(pixels: NDArray[np.uint8]) -> str:
    """The lines of text in a picture, from top to bottom.

    Args:
        pixels: (H, W, 3) RGB.

    Raises:
        MissingExtraError: if rapidocr is not installed.
    """
    from rapidocr.utils.output import RapidOCROutput

    found = _engine()(pixels[:, :, ::-1])  # it wants BGR
    if not isinstance(found, RapidOCROutput) or not found.txts or not found.scores:
        return ""
    lines = zip(found.txts, found.scores, strict=True)
    return "\n".join(line for line, score in lines if score >= _CONFIDENCE)


@cache
def _engine() -> "RapidOCR":
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise MissingExtraError("rapidocr", "ocr") from None
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
