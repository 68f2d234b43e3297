"""
Text that others chose, made harmless for one line of a terminal, a log or a message.

Container names, command lines, paths and comms come from whoever is being recorded. Nothing here
knows what a string means; layout and colours belong to `report`.
"""

from __future__ import annotations

_BYTE_ESCAPES = range(0xDC80, 0xDD00)


def printable(text: str, limit: int = 200) -> str:
    """
    Return `text` on one line, everything that could steer a terminal or the reader escaped.

    Control, format (bidirectional ones too), private, unassigned and surrogate characters and
    every separator but the space become `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN`. A byte that was not
    UTF-8 (Python's surrogateescape) is shown as that byte. The result has at most `limit`
    characters; what was cut ends in `...`.
    """
    shown = "".join(map(_harmless, text[: limit + 1]))
    return shown if len(shown) <= limit else shown[: max(limit - 3, 0)] + "..."


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code in _BYTE_ESCAPES:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
