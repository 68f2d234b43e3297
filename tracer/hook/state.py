"""
A container's state as its runtime tells it to a hook, on standard input (runtime-spec, `state`).

The runtime is trusted, the annotations that it passes on are not: how large the whole may be, and
how deep, is limited here; what an annotation says is `annotation`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Mapping, Optional

from tracer import document
from tracer.document import Node
from tracer.errors import InputError

# Kubernetes allows 256 KiB for all annotations of a pod together.
LIMIT = 1024 * 1024
SOURCE = "the container's state"
_PIECE = 1024 * 1024
_HIGHEST_PID = 2**22  # PID_MAX_LIMIT of 64-bit kernels


@dataclass(frozen=True)
class State:
    """
    Which container it is. `process` is its first process, None if there is none (any more): podman,
    which runs the hooks after the end itself, names none; crun says 0.

    `id` is 64 hexadecimal digits with every engine; a runtime called by hand takes any.
    """

    id: str
    process: Optional[int]
    status: str
    annotations: Mapping[str, str]


def read(stream: BinaryIO) -> State:
    """Return the state that the stream holds; raises InputError."""
    data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        # A runtime that cannot write all of it might not show what we have to say about that.
        while stream.read(_PIECE):
            pass
        raise InputError(
            f"{SOURCE}: larger than {LIMIT} bytes", "shorten the container's annotations"
        )
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{SOURCE}: not UTF-8 text (byte {error.start})") from error


def parse(text: str) -> State:
    """Return the state in a JSON text; raises InputError."""
    state = Node(document.parse(text, SOURCE), SOURCE)
    name = state.child("id")
    if not name.text():
        raise name.wrong("the container's id")
    annotations = state.child("annotations")
    return State(
        id=name.text(),
        process=_process(state.child("pid")),
        status=state.child("status").text(""),
        annotations={} if annotations.value is None else _texts(annotations),
    )


def _process(pid: Node) -> Optional[int]:
    return None if pid.value is None else pid.integer(0, _HIGHEST_PID) or None


def _texts(annotations: Node) -> Mapping[str, str]:
    return {key: annotations.child(key).text() for key in annotations.others(())}
