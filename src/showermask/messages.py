"""How messages are worded: counts with their nouns, and texts of others without control characters.

Names and texts come from file systems, headers and region files, and may hold anything. What is
printed, logged, or written into a FITS header or a page goes through `printable`.
"""

from __future__ import annotations

__all__ = ["counted", "joined", "one_line", "printable"]

#: Characters of a message; what is quoted in one may be as long as a file.
_LONGEST = 480


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text in which characters that don't print are escaped, as ``\x1b`` or ``\n``.

    Parameters
    ----------
    text : str
        Any text.
    keep : str, optional
        Characters to leave as they are.

    Returns
    -------
    str
        The text, on one line unless line breaks are kept.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else _escaped(character)
        for character in text
    )


def one_line(text: str) -> str:
    """Return a text as one line that people read: printable, and not endless.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text, with an ellipsis in the middle where it is too long.
    """
    line = printable(text[: 20 * _LONGEST])
    if len(line) <= _LONGEST and len(text) <= 20 * _LONGEST:
        return line
    return f"{line[: _LONGEST * 2 // 3]} … {printable(text[-_LONGEST:])[-_LONGEST // 3 + 3 :]}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 shower``, ``2 showers``.

    Parameters
    ----------
    count : int
        How many.
    noun : str
        What one of them is called.
    plural : str, optional
        What several are called; the noun with an s without it.

    Returns
    -------
    str
        Both.
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def joined(*parts: str) -> str:
    """Return parts of a sentence with commas and an "and"; empty parts are left out.

    Parameters
    ----------
    *parts : str
        Such as ``1 shower``.

    Returns
    -------
    str
        Such as ``1 shower, 2 pixel regions and 3 lone groups``.
    """
    *first, last = [part for part in parts if part] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
