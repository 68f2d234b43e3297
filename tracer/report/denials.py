"""
A denial as a line for people, or as JSON.

Names, paths and comms come from inside containers: each is made harmless, and a line stays one.
"""

from __future__ import annotations

import json
import time
from typing import Protocol, Tuple

from tracer.report.arguments import shown
from tracer.text import printable

NAME_WIDTH = 40
PATH_WIDTH = 80


class Denial(Protocol):
    """What a line says of a denial; `session.watching.Denial` is one."""

    @property
    def time(self) -> int: ...  # noqa: E704

    @property
    def count(self) -> int: ...  # noqa: E704

    @property
    def name(self) -> str: ...  # noqa: E704

    @property
    def executable(self) -> str: ...  # noqa: E704

    @property
    def comm(self) -> str: ...  # noqa: E704

    @property
    def process(self) -> int: ...  # noqa: E704

    @property
    def thread(self) -> int: ...  # noqa: E704

    @property
    def architecture(self) -> str: ...  # noqa: E704

    @property
    def syscall(self) -> str: ...  # noqa: E704

    @property
    def arguments(self) -> Tuple[int, ...]: ...  # noqa: E704

    @property
    def answer(self) -> str: ...  # noqa: E704


def line_of(one: Denial, native: str) -> str:
    """One line; the architecture is named where it is not the host's own."""
    clock = time.strftime("%H:%M:%S", time.localtime(one.time / 1e9))
    thread = f" {one.thread}" if one.thread else ""
    foreign = f" ({one.architecture})" if one.architecture != native else ""
    often = f", {one.count} times" if one.count > 1 else ""
    return (
        f"{clock}.{one.time // 1_000_000 % 1000:03d}  {printable(one.name, NAME_WIDTH)}  "
        f"{printable(one.executable, PATH_WIDTH)} [{printable(one.comm, 20)}{thread}]  "
        f"{shown(one.syscall, one.arguments)}{foreign} -> {one.answer}{often}"
    )


def json_of(one: Denial) -> str:
    """One line of JSON with every field; a byte that is no text becomes an escape of it."""
    return json.dumps(vars(one))
