"""
What the containers of a recording held, as `caps show` prints it: a table for people, or JSON.

It is what each run's first program held when it was executed, or what the first process held when
somebody attached to it. Names are those of any kernel: the recording may be from another host.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from tracer.capabilities.defaults import (
    DEFAULT_CAPABILITIES,
    Difference,
    default_sets,
    differences,
)
from tracer.capabilities.names import LAST_NAMED
from tracer.capabilities.sets import KINDS, Sets
from tracer.cli.holdings import (
    beside_text,
    differences_document,
    line,
    sets_document,
    table,
)
from tracer.recording import HOST, Capabilities, Recording, Run
from tracer.text import printable

NOT_RECORDED = "no capabilities were recorded"


def lines(recording: Recording) -> Iterator[str]:
    """The table: a block for each run."""
    for place, run in enumerate(recording.runs.values()):
        if place:
            yield ""
        yield _head(run)
        yield from _run_lines(run)


def _head(run: Run) -> str:
    who = run.container_name or run.container_id[:12] or " ".join(run.command) or run.id
    what = f"{run.engine} container {run.container_id[:12]}" if run.container_id else "a command"
    image = f", image {printable(run.image)}" if run.image else ""
    return f"{printable(who, 80)}: recorded, {printable(what.strip())}{image}"


def _run_lines(run: Run) -> Iterator[str]:
    held = run.capabilities
    if held is None:
        yield line("capabilities", "not recorded")
        return
    yield line("user", f"uid {held.user} outside" if held.namespace != HOST else f"uid {held.user}")
    flag = {True: "yes", False: "no", None: "not known"}
    yield line("no_new_privs", flag[run.no_new_privileges])
    yield line("user namespace", "the host's" if held.namespace == HOST else "its own")
    yield from table(_sets(held), LAST_NAMED)
    beside = _beside_default(run, held)
    if beside is not None:
        yield line(f"{run.engine}'s default", beside_text(beside, LAST_NAMED))


def _sets(held: Capabilities) -> Sets:
    return Sets(*(getattr(held, kind) for kind in KINDS))


def _beside_default(run: Run, held: Capabilities) -> Optional[Tuple[Difference, ...]]:
    if run.engine not in DEFAULT_CAPABILITIES:
        return None
    return differences(_sets(held), default_sets(run.engine, root=_is_root(held)))


# Which uid is root in a namespace of its own is not recorded; only root holds something there
# that is not ambient.
def _is_root(held: Capabilities) -> bool:
    if held.namespace == HOST:
        return held.user == 0
    return bool(held.permitted & ~held.ambient)


def document(recording: Recording) -> List[Mapping[str, object]]:
    """The JSON form: what each run's first program held, null where that was not recorded."""
    return [_run_document(run) for run in recording.runs.values()]


def _run_document(run: Run) -> Mapping[str, object]:
    found: Dict[str, object] = {
        "run": run.id,
        "engine": run.engine or None,
        "container": {"id": run.container_id, "name": run.container_name, "image": run.image},
        "command": list(run.command),
        "no_new_privileges": run.no_new_privileges,
    }
    held = run.capabilities
    if held is None:
        return {**found, "user": None, "user_namespace": None, "sets": None, "differences": None}
    beside = _beside_default(run, held)
    return {
        **found,
        "user": held.user,
        "user_namespace": {"initial": held.namespace == HOST},
        "sets": sets_document(_sets(held), LAST_NAMED),
        "differences": None if beside is None else differences_document(beside, LAST_NAMED),
    }
