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
from tracer.capabilities.execution import ROOT
from tracer.capabilities.explanation import explain
from tracer.capabilities.first_program import (
    credentials_of,
    executable_of,
    execve_of,
    given_by,
    namespace_of,
    sets_of,
    uid_map_of,
    uids_of,
)
from tracer.capabilities.names import LAST_NAMED, names_in
from tracer.cli.holdings import (
    beside_text,
    differences_document,
    execve_document,
    ids_text,
    line,
    map_document,
    map_text,
    mask_document,
    securebits_text,
    sets_document,
    table,
)
from tracer.recording import HOST, Capabilities, Recording, Run
from tracer.text import printable

NOT_RECORDED = "not recorded"
_NO_RULE = "what is above, which the rules for an execve alone do not explain"


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
        yield line("capabilities", NOT_RECORDED)
        return
    flag = {True: "yes", False: "no", None: "not known"}
    yield line("user", _user_text(held))
    yield line("no_new_privs", flag[run.no_new_privileges])
    yield line("securebits", _securebits_text(held))
    yield line("user namespace", _namespace_text(held))
    yield line("executable", _executable_text(run, held))
    yield from table(sets_of(held), LAST_NAMED)
    yield line("its execve gave", _execve_text(run, held))
    beside = _beside_default(run, held)
    if beside is not None:
        yield line(f"{run.engine}'s default", beside_text(beside, LAST_NAMED))


def _user_text(held: Capabilities) -> str:
    namespace = namespace_of(held)
    if namespace is None:
        return f"uid {held.user} outside"
    return f"uid {ids_text(uids_of(held), namespace.uid_map)}"


def _securebits_text(held: Capabilities) -> str:
    bits = held.circumstances.securebits if held.circumstances else None
    return NOT_RECORDED if bits is None else securebits_text(bits)


def _namespace_text(held: Capabilities) -> str:
    if held.namespace == HOST:
        return "the host's"
    namespace = namespace_of(held)
    return "its own" if namespace is None else f"its own: uid {map_text(namespace.uid_map)}"


def _executable_text(run: Run, held: Capabilities) -> str:
    if not executable_of(held):
        return NOT_RECORDED
    known = execve_of(run, held)
    path = printable(executable_of(held))
    if known is None or known[1].rule == ROOT:
        return f"{path}, file capabilities {NOT_RECORDED}"
    names = [name.lower() for name in names_in(given_by(known[0]), LAST_NAMED)]
    return f"{path}, file capabilities gave {','.join(names) or 'nothing'}"


def _execve_text(run: Run, held: Capabilities) -> str:
    namespace, known = namespace_of(held), execve_of(run, held)
    if namespace is None or not executable_of(held):
        return NOT_RECORDED
    if known is None:
        return _NO_RULE
    return explain(credentials_of(run, held), known[0], namespace, known[1])


def _beside_default(run: Run, held: Capabilities) -> Optional[Tuple[Difference, ...]]:
    if run.engine not in DEFAULT_CAPABILITIES:
        return None
    return differences(sets_of(held), default_sets(run.engine, root=_is_root(held)))


# Where it is not recorded which uid is root in a namespace of its own: only root holds something
# there that is not ambient.
def _is_root(held: Capabilities) -> bool:
    namespace = namespace_of(held)
    if namespace is not None:
        return held.user == namespace.root
    return bool(held.permitted & ~held.ambient)


def document(recording: Recording) -> List[Mapping[str, object]]:
    """The JSON form: what each run's first program held, null where that was not recorded."""
    return [_run_document(run) for run in recording.runs.values()]


_HELD = ("user", "real_user", "securebits", "user_namespace", "executable", "sets", "execve")


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
        return {**found, **dict.fromkeys(_HELD), "differences": None}
    beside, extents, known = _beside_default(run, held), uid_map_of(held), held.circumstances
    return {
        **found,
        "user": held.user,
        "real_user": known.real_user if known else None,
        "securebits": known.securebits if known else None,
        "user_namespace": {
            "initial": held.namespace == HOST,
            "uid_map": None if extents is None else map_document(extents),
        },
        "executable": _executable_document(run, held),
        "sets": sets_document(sets_of(held), LAST_NAMED),
        "execve": _execve_document(run, held),
        "differences": None if beside is None else differences_document(beside, LAST_NAMED),
    }


def _executable_document(run: Run, held: Capabilities) -> Optional[Mapping[str, object]]:
    known = execve_of(run, held)
    told = known is not None and known[1].rule != ROOT
    path = executable_of(held)
    granted = mask_document(given_by(known[0]), LAST_NAMED) if known and told else None
    return {"path": path, "granted": granted} if path else None


def _execve_document(run: Run, held: Capabilities) -> Optional[Mapping[str, object]]:
    known = execve_of(run, held)
    if known is None:
        return None
    return execve_document(known[1], _execve_text(run, held), LAST_NAMED)
