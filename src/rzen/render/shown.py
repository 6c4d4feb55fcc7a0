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


def _shown_character(character: str) -> str:
    if character.isprintable() or character in "\n\t" or character in _KEPT_FORMATS:
        return character
    return " " if character.isspace() and character > "\x7f" else "\ufffd"
