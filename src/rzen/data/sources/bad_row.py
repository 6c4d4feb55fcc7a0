"""A row that cannot be trained on."""

from rzen.errors import DataError


class BadRowError(DataError):
    """Why a row is left out.

    Args:
        reason: what rows are counted by; the same words for all rows of a kind.
        detail: of this row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason
