"""The few errors rzen raises for what a user can mend; each message says what to do next."""


class RzenError(Exception):
    """A failure the user can mend: it names the file or setting, the reason, and the next step."""


class UsageError(RzenError):
    """The command or call cannot run as asked: a wrong argument, a missing file, no index there."""


class MissingExtraError(RzenError):
    """An optional library is not installed.

    Args:
        library: what is missing, as users know it.
        extra: the extra of rzen that brings it.
    """

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: run  pip install 'rzen[{extra}]'")
        self.library = library
        self.extra = extra


class MediaError(RzenError):
    """A file cannot be read as media: damaged, encrypted, over a limit, or of an unknown format."""


class EncoderError(RzenError):
    """An encoder cannot be loaded, or cannot encode what it was given."""


class EndpointError(RzenError):
    """A server cannot be reached, refuses, or answers with something else than was asked.

    Args:
        message: names the server.
        status: the HTTP status it refused with; ``None`` where it did not.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CatalogError(RzenError):
    """An index cannot be opened or used: locked, damaged, or made by another version."""


class FingerprintError(CatalogError):
    """An index was made by another encoder than the one at hand; both are named."""


class DataError(RzenError):
    """A data set, a predictions file or a score file cannot be read, built or compared."""


class GeneratorError(RzenError):
    """A language model cannot be loaded, or cannot answer what it was asked."""
