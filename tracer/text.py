"""
Text that others chose, made harmless for a terminal, a log or a message.

What this program writes is a message or a document. A message is for people: results as text,
progress, errors, the hook's lines in logs. It may quote names, paths, comms and comments from
profiles, recordings, containers and the kernel, which could hold escapes that steer a terminal, or
controls that reorder a line. Every message passes `harmless`: commands print through `cli.printing`
alone, the hook through `hook.saying`. A document is for programs: a profile, a recording, a
converted form. It is written byte for byte, since an engine has to read it. JSON on standard
output is a document too, in which JSON's own escapes stand for everything but plain ASCII.

Nothing here knows what a string means; layout and colours belong to `report` and `cli`.
"""

from __future__ import annotations

_BYTE_ESCAPES = range(0xDC80, 0xDD00)


def harmless(text: str) -> str:
    """
    Return `text` on one line, everything that could steer a terminal or the reader escaped.

    Control, format (bidirectional ones too), private, unassigned and surrogate characters and
    every separator but the space become `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN`. A byte that was not
    UTF-8 (Python's surrogateescape) is shown as that byte. Letters and symbols of all scripts stay.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable(text: str, limit: int = 200) -> str:
    """Return `harmless` text of at most `limit` characters; what was cut ends in `...`."""
    shown = harmless(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(limit - 3, 0)] + "..."


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code in _BYTE_ESCAPES:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
