"""Signs of life from long decoding, for whoever watches this process."""

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def beat() -> None:
    """Says that work goes on; costs next to nothing where nobody listens."""
    for listener in _listeners:
        listener()


def listen(listener: Callable[[], None]) -> None:
    """Has every later :func:`beat` call the listener; used by decoder processes only."""
    _listeners.append(listener)
