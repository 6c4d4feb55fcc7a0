"""An encoder as a folder that plain sentence-transformers loads, with the same vectors."""

from rzen.encoders.export.artefact import Exported, export
from rzen.encoders.export.check import Outcome

__all__ = ["Exported", "Outcome", "export"]
