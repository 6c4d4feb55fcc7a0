"""Text that is fit to be shown: what was read from files is printed nowhere as it came."""

_KEPT_FORMATS = frozenset("\u200c\u200d\u00ad")
"""Joiners and the soft hyphen: they shape a word and hide nothing."""


def shown(text: str) -> str:
    r"""Text without what a page cannot carry or what would mislead its reader.

    Lone surrogates are written out. Control characters and those that turn the direction of
    writing become U+FFFD; spaces of any kind become plain ones.

    >>> shown("a\u00a0b\u202ec\x00\ud83d")
    'a b\ufffdc\ufffd\\ud83d'
    """
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(_shown_character(each) for each in clean)


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(75.4), clock(3725)
    ('1:15', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _shown_character(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _KEPT_FORMATS:
        return character
    return " " if character.isspace() and character > "\x7f" else "\ufffd"
