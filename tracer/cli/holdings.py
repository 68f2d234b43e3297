"""
What threads hold, as `caps show` prints it: a table for people, or JSON.

Strings that come from a container or its processes are made harmless for the table here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from tracer.capabilities.attribute import text_of
from tracer.capabilities.defaults import Difference, default_sets, differences
from tracer.capabilities.execution import Outcome, execute
from tracer.capabilities.explanation import explain
from tracer.capabilities.names import mask_text, name_of, names_in, numbers_in
from tracer.capabilities.namespace import Extent, UserNamespace, inside_of
from tracer.capabilities.sets import KINDS, Credentials, Ids, Sets, Status, securebit_names
from tracer.container.process import Executable, Process
from tracer.text import printable

_NAMED_AT_MOST = 4
_LABEL = 18
_COLUMN = 12
_NOT_KNOWN = "not known, since the file's capabilities are not"


@dataclass(frozen=True)
class Holding:
    """Threads with the same credentials, of one process or several; of whom the first stands."""

    threads: Tuple[Status, ...]
    process: Process

    @property
    def credentials(self) -> Credentials:
        """What they have in common."""
        return self.threads[0].credentials

    @property
    def root(self) -> bool:
        """Whether they are their user namespace's root."""
        return self.credentials.uids.effective == self.process.namespace.root


def holdings(processes: Sequence[Process]) -> Tuple[Holding, ...]:
    """The threads of these processes by what they hold; the first process's come first."""
    found: Dict[Tuple[Credentials, UserNamespace], List[Tuple[Status, Process]]] = {}
    for process in processes:
        for thread in process.threads:
            key = thread.credentials, process.namespace
            found.setdefault(key, []).append((thread, process))
    return tuple(
        Holding(tuple(thread for thread, _ in alike), alike[0][1]) for alike in found.values()
    )


# What an execve of its own executable would give, and why; None where that cannot be known.
def _after_execve(one: Holding, last: int) -> Optional[Tuple[Outcome, str]]:
    executable, namespace = one.process.executable, one.process.namespace
    if executable is None or executable.problem:
        return None
    program = executable.program
    outcome = execute(one.credentials, program, namespace, last)
    return outcome, explain(one.credentials, program, namespace, outcome, last)


def _beside_default(one: Holding, engine: Optional[str]) -> Optional[Tuple[Difference, ...]]:
    if engine is None:
        return None
    return differences(one.credentials.sets, default_sets(engine, root=one.root))


def lines(found: Sequence[Holding], engine: Optional[str], last: int, why: str) -> Iterator[str]:
    """
    The table: a block for the first process, and for whoever differs from it. `why` securebits are
    not known, where they are not.
    """
    for place, one in enumerate(found):
        if place:
            yield ""
        yield from _facts(one, last, why)
        yield from table(one.credentials.sets, last)
        after = _after_execve(one, last)
        if one.process.executable:
            yield line("an execve gives", after[1] if after else _NOT_KNOWN)
        beside = _beside_default(one, engine)
        if engine is not None and beside is not None:
            yield line(f"{engine}'s default", beside_text(beside, last))


def _facts(one: Holding, last: int, why: str) -> Iterator[str]:
    credentials, namespace = one.credentials, one.process.namespace
    yield line("process", _threads_text(one))
    yield line("user", _user_text(credentials, namespace))
    flag = {True: "yes", False: "no", None: "not known: this kernel does not tell"}
    yield line("no_new_privs", flag[credentials.no_new_privileges])
    bits = credentials.securebits
    untold = f"not known: {why or 'it has ended meanwhile'}"
    yield line("securebits", untold if bits is None else securebits_text(bits))
    yield line("user namespace", _namespace_text(namespace))
    yield line("executable", _executable_text(one.process.executable, last))


def securebits_text(bits: int) -> str:
    """Securebits by their names."""
    return " ".join(securebit_names(bits)) or "none"


def line(label: str, text: str) -> str:
    """A line of a block: what it is about, and what there is to say."""
    return f"{label:{_LABEL}}{text}"


def _threads_text(one: Holding) -> str:
    shown = [_thread_text(thread) for thread in one.threads[:_NAMED_AT_MOST]]
    left = len(one.threads) - len(shown)
    return ", ".join(shown + ([f"and {left} more threads"] if left else []))


def _thread_text(thread: Status) -> str:
    number = str(thread.numbers[0])
    if thread.numbers[0] != thread.process:
        number = f"{thread.process} thread {number}"
    inside = f" ({thread.numbers[-1]} inside)" if len(thread.numbers) > 1 else ""
    return f"{printable(thread.comm, 64)} {number}{inside}"


def _user_text(credentials: Credentials, namespace: UserNamespace) -> str:
    words = [
        f"uid {ids_text(credentials.uids, namespace.uid_map)}",
        f"gid {ids_text(credentials.gids, namespace.gid_map)}",
    ]
    if credentials.groups:
        groups = [_inside(one, namespace.gid_map) for one in credentials.groups]
        words.append(f"groups {' '.join(groups)}")
    return ", ".join(words)


def ids_text(ids: Ids, extents: Tuple[Extent, ...]) -> str:
    """User or group ids as their user namespace numbers them, and outside if that differs."""
    if len({ids.real, ids.effective, ids.saved, ids.filesystem}) == 1:
        if inside_of(ids.real, extents) in (None, ids.real):
            return _inside(ids.real, extents)
        return f"{_inside(ids.real, extents)} ({ids.real} outside)"
    return " ".join(
        f"{kind} {_inside(getattr(ids, kind), extents)}"
        for kind in ("real", "effective", "saved", "filesystem")
    )


def _inside(number: int, extents: Tuple[Extent, ...]) -> str:
    inside = inside_of(number, extents)
    return f"unmapped ({number} outside)" if inside is None else str(inside)


def _namespace_text(namespace: UserNamespace) -> str:
    if namespace.is_initial:
        return "the host's"
    return f"its own (user:[{namespace.inode}]): uid {map_text(namespace.uid_map)}"


def map_text(extents: Tuple[Extent, ...]) -> str:
    """A map of user ids for people."""
    return (
        ", ".join(f"{one.inside} is {one.outside} outside, {one.count} of them" for one in extents)
        or "map empty"
    )


def _executable_text(executable: Optional[Executable], last: int) -> str:
    if executable is None:
        return "none: a kernel thread"
    return f"{printable(executable.path)}, {'; '.join(_file_facts(executable, last))}"


def _file_facts(executable: Executable, last: int) -> Iterator[str]:
    program = executable.program
    if executable.problem:
        yield f"file capabilities not known: {executable.problem}"
    elif program.capabilities is None:
        yield "no file capabilities"
    else:
        yield f"file capabilities {text_of(program.capabilities, last)}"
        if program.capabilities.root:
            yield f"for the user namespaces of uid {program.capabilities.root}"
    if program.mode & 0o6000:
        yield f"mode {program.mode & 0o7777:o}, uid {program.owner}, gid {program.group}"
    if program.nosuid and (program.capabilities or program.mode & 0o6000):
        yield "mounted nosuid, so that this counts for nothing"


def table(sets: Sets, last: int) -> Iterator[str]:
    """The five sets side by side, as masks and capability by capability."""
    yield _row("", KINDS)
    yield _row("mask", [f"{sets.of(kind):x}" for kind in KINDS])
    for number in numbers_in(sets.inheritable | sets.permitted | sets.effective | sets.bounding):
        held = ["yes" if sets.of(kind) >> number & 1 else "-" for kind in KINDS]
        yield _row(name_of(number, last).lower(), held)


def _row(label: str, cells: Sequence[str]) -> str:
    return f"  {label:23} {' '.join(f'{cell:{_COLUMN}}' for cell in cells)}".rstrip()


def beside_text(beside: Sequence[Difference], last: int) -> str:
    """How sets differ from an engine's default, for people."""
    alike: Dict[str, List[str]] = {}
    for one in beside:
        signed = (*_signed("+", one.added, last), *_signed("-", one.missing, last))
        alike.setdefault(" ".join(signed), []).append(one.kind)
    return (
        "; ".join(f"{', '.join(kinds)} {signed}" for signed, kinds in alike.items()) or "the same"
    )


def _signed(sign: str, mask: int, last: int) -> Iterator[str]:
    return (f"{sign}{name.lower()}" for name in names_in(mask, last))


def document(
    found: Sequence[Holding], engine: Optional[str], last: int
) -> List[Mapping[str, object]]:
    """The JSON form of what threads hold."""
    return [_holding_document(one, engine, last) for one in found]


def _holding_document(one: Holding, engine: Optional[str], last: int) -> Mapping[str, object]:
    credentials, namespace = one.credentials, one.process.namespace
    after = _after_execve(one, last)
    beside = _beside_default(one, engine)
    return {
        "threads": [_thread_document(thread) for thread in one.threads],
        "uids": _ids_document(credentials.uids),
        "gids": _ids_document(credentials.gids),
        "groups": list(credentials.groups),
        "sets": sets_document(credentials.sets, last),
        "no_new_privileges": credentials.no_new_privileges,
        "securebits": credentials.securebits,
        "user_namespace": {
            "inode": namespace.inode,
            "initial": namespace.is_initial,
            "uid_map": map_document(namespace.uid_map),
            "gid_map": map_document(namespace.gid_map),
        },
        "executable": _executable_document(one.process.executable, last),
        "execve": after and execve_document(*after, last),
        "differences": None if beside is None else differences_document(beside, last),
    }


def execve_document(outcome: Outcome, explanation: str, last: int) -> Mapping[str, object]:
    """What an execve gives, for programs."""
    return {
        "rule": outcome.rule,
        "sets": sets_document(outcome.credentials.sets, last),
        "explanation": explanation,
    }


def _thread_document(thread: Status) -> Mapping[str, object]:
    return {
        "process": thread.process,
        "thread": thread.numbers[0],
        "comm": thread.comm,
        "numbers": list(thread.numbers),
    }


def _ids_document(ids: Ids) -> Mapping[str, int]:
    return {
        "real": ids.real,
        "effective": ids.effective,
        "saved": ids.saved,
        "filesystem": ids.filesystem,
    }


def map_document(extents: Tuple[Extent, ...]) -> List[Mapping[str, int]]:
    """A map of ids, for programs."""
    return [{"inside": one.inside, "outside": one.outside, "count": one.count} for one in extents]


def sets_document(sets: Sets, last: int) -> Mapping[str, object]:
    """The five sets as masks and names."""
    return {kind: mask_document(sets.of(kind), last) for kind in KINDS}


def mask_document(mask: int, last: int) -> Mapping[str, object]:
    """A set as a mask and names."""
    return {"mask": mask_text(mask), "names": list(names_in(mask, last))}


def _executable_document(executable: Optional[Executable], last: int) -> object:
    if executable is None:
        return None
    program, granted = executable.program, executable.program.capabilities
    return {
        "path": executable.path,
        "mode": f"{program.mode & 0o7777:04o}",
        "uid": program.owner,
        "gid": program.group,
        "nosuid": program.nosuid,
        "problem": executable.problem,
        "capabilities": granted
        and {
            "version": granted.version,
            "permitted": mask_document(granted.permitted, last),
            "inheritable": mask_document(granted.inheritable, last),
            "effective": granted.effective,
            "root": granted.root,
        },
    }


def differences_document(beside: Sequence[Difference], last: int) -> Mapping[str, object]:
    """How sets differ from an engine's default, for programs."""
    return {
        one.kind: {
            "added": list(names_in(one.added, last)),
            "missing": list(names_in(one.missing, last)),
        }
        for one in beside
    }
