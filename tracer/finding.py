"""
A finding about this host: what `doctor` prints a line of.
"""

from __future__ import annotations

from dataclasses import dataclass

GOOD, WORTH_KNOWING, BAD = "ok", "note", "bad"


@dataclass(frozen=True)
class Finding:
    """
    `verdict`: GOOD, WORTH_KNOWING (something will not work, but recording does) or BAD (it does
    not). `remedy`: what to do about it, empty for what is good.
    """

    verdict: str
    subject: str
    text: str
    remedy: str = ""


def good(subject: str, text: str) -> Finding:
    """Something is as it should be."""
    return Finding(GOOD, subject, text)


def note(subject: str, text: str, remedy: str) -> Finding:
    """Something will not work that recording does not need."""
    return Finding(WORTH_KNOWING, subject, text, remedy)


def bad(subject: str, text: str, remedy: str) -> Finding:
    """Recording does not work because of this."""
    return Finding(BAD, subject, text, remedy)
