"""
A recording as a JSON document: canonical on the way out, strict on the way in.

The same recording is always the same bytes. Fields that this version does not know are kept and
written again; a missing field takes its default, a field of the wrong type is refused. The
version goes up when a document can no longer be understood by the previous one's reader.
"""

from __future__ import annotations

import json
import re
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from tracer.document import Node, parse
from tracer.errors import InputError
from tracer.recording.model import Recording
from tracer.recording.records import (
    FILTERS,
    Executable,
    Extra,
    Observation,
    Reason,
    Run,
    Sighting,
    extra_of,
    values_of,
)

FORMAT = "seccomp-trace recording"
VERSION = 1

_LAST_TIME = 2**63 - 1
_LAST_THREAD = 2**31 - 1
_LAST_COUNT = 2**64 - 1
_NUMBERS = (-(2**31), 2**32 - 1)
_CALL_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_USUAL = {"executable", "architecture", "number", "name", "first", "runs"}
_USUAL_FIRST = {"time", "thread", "comm"}
_RUN_TEXTS = (
    "engine",
    "container_id",
    "container_name",
    "image",
    "runtime",
    "runtime_version",
    "kernel",
    "architecture",
)
_RUN_OTHERS = ("id", "command", "no_new_privileges", "filter", "started", "ended")
_RUN_FIELDS = (*_RUN_TEXTS, *_RUN_OTHERS, "integrity", "notes")


def to_json(recording: Recording) -> str:
    """Return the document: the same text for the same recording, newline at its end."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "runs": [_run_fields(run) for run in recording.runs.values()],
        "executables": [_executable_fields(one) for one in recording.executables],
        "observations": [_observation_fields(one) for one in recording.observations],
    }
    return json.dumps(_with(document, recording.extra), indent=1, allow_nan=False) + "\n"


def from_json(text: str, source: str) -> Recording:
    """
    Return the recording that a document holds.

    Raises InputError that says what is wrong, where in the document, and in which `source`.
    """
    root = Node(parse(text, source), source)
    _check_kind(root)
    runs = _runs(root.child("runs"))
    return Recording(
        runs=runs,
        executables=tuple(_executable(one, runs) for one in root.child("executables").items()),
        observations=tuple(_observations(root.child("observations"), runs)),
        extra=_extra(root, "format", "version", "runs", "executables", "observations"),
    )


def is_recording(text: str) -> bool:
    """Say whether a text is a recording that we can read, and so may be replaced by one."""
    try:
        from_json(text, "")
    except InputError:
        return False
    return True


def _with(fields: Dict[str, object], extra: Extra) -> Dict[str, object]:
    return {**fields, **values_of(extra)}


def _run_fields(run: Run) -> Dict[str, object]:
    fields: Dict[str, object] = {
        "id": run.id,
        "engine": run.engine,
        "container_id": run.container_id,
        "container_name": run.container_name,
        "image": run.image,
        "command": list(run.command),
        "runtime": run.runtime,
        "runtime_version": run.runtime_version,
        "kernel": run.kernel,
        "architecture": run.architecture,
        "no_new_privileges": run.no_new_privileges,
        "filter": run.filter,
        "started": run.started,
        "ended": run.ended,
        "integrity": [_reason_fields(reason) for reason in run.integrity],
        "notes": list(run.notes),
    }
    return _with(fields, run.extra)


def _reason_fields(reason: Reason) -> Dict[str, object]:
    fields: Dict[str, object] = {"code": reason.code, "text": reason.text, "count": reason.count}
    return _with(fields, reason.extra)


def _executable_fields(executable: Executable) -> Dict[str, object]:
    fields: Dict[str, object] = {"path": executable.path, "runs": sorted(executable.runs)}
    return _with(fields, executable.extra)


def _observation_fields(seen: Observation) -> Dict[str, object]:
    fields: Dict[str, object] = {
        "executable": seen.executable,
        "architecture": seen.architecture,
        "number": seen.number,
        "name": seen.name,
        "first": _sighting_fields(seen.first),
        "runs": sorted(seen.runs),
    }
    return _with(fields, seen.extra)


def _sighting_fields(first: Sighting) -> Dict[str, object]:
    fields: Dict[str, object] = {
        "time": first.time,
        "thread": first.thread,
        "comm": first.comm,
    }
    return _with(fields, first.extra)


def _check_kind(root: Node) -> None:
    if not isinstance(root.value, dict) or root.value.get("format") != FORMAT:
        hint = ""
        if isinstance(root.value, dict) and "defaultAction" in root.value:
            hint = "this looks like a seccomp profile"
        raise InputError(f"{root.source}: not a recording of seccomp-trace", hint)
    version = root.child("version").integer(1, _LAST_COUNT)
    if version > VERSION:
        raise InputError(
            f"{root.source}: a recording of version {version}; this seccomp-trace reads {VERSION}",
            "read it with the seccomp-trace that wrote it, or a newer one",
        )


def _runs(node: Node) -> Mapping[str, Run]:
    runs: Dict[str, Run] = {}
    for one in node.items():
        run = _run(one)
        if run.id in runs:
            raise one.child("id").wrong("an id that no other run has")
        runs[run.id] = run
    return runs


def _run(node: Node) -> Run:
    texts = {name: node.child(name).text("") for name in _RUN_TEXTS}
    return Run(
        id=_filled(node.child("id")),
        command=tuple(part.text() for part in node.child("command").items()),
        no_new_privileges=_optional_boolean(node.child("no_new_privileges")),
        filter=_filter(node.child("filter")),
        started=_time(node.child("started")),
        ended=_time(node.child("ended")),
        integrity=tuple(_reason(one) for one in node.child("integrity").items()),
        notes=tuple(note.text() for note in node.child("notes").items()),
        extra=_extra(node, *_RUN_FIELDS),
        **texts,
    )


def _reason(node: Node) -> Reason:
    return Reason(
        code=_filled(node.child("code")),
        text=node.child("text").text(""),
        count=node.child("count").integer(0, _LAST_COUNT),
        extra=_extra(node, "code", "text", "count"),
    )


def _executable(node: Node, runs: Mapping[str, Run]) -> Executable:
    return Executable(
        path=_filled(node.child("path")),
        runs=_run_ids(node.child("runs"), runs),
        extra=_extra(node, "path", "runs"),
    )


# Nearly everything in a recording is observations, and nearly all have our own fields and no
# others. Those are read without a Node for each field, three times as fast; whatever is unusual
# about one, or wrong, is left to `_observation`, which says where.
def _observations(node: Node, runs: Mapping[str, Run]) -> Iterator[Observation]:
    known: Dict[Tuple[object, ...], FrozenSet[str]] = {}
    names: Set[object] = {None}
    for one in node.items():
        yield _usual_observation(one.value, runs, known, names) or _observation(one, runs)


def _usual_observation(
    value: object,
    runs: Mapping[str, Run],
    known: Dict[Tuple[object, ...], FrozenSet[str]],
    names: Set[object],
) -> Optional[Observation]:
    if type(value) is not dict or value.keys() != _USUAL:
        return None
    first, ids, number = value["first"], value["runs"], value["number"]
    if type(first) is not dict or first.keys() != _USUAL_FIRST or type(ids) is not list:
        return None
    time, thread, name = first["time"], first["thread"], value["name"]
    texts = (value["executable"], value["architecture"], first["comm"])
    if not (
        type(number) is type(time) is type(thread) is int
        and type(texts[0]) is type(texts[1]) is type(texts[2]) is str
        and texts[0]
        and texts[1]
        and _NUMBERS[0] <= number <= _NUMBERS[1]
        and 0 <= time <= _LAST_TIME
        and 0 <= thread <= _LAST_THREAD
        and (type(name) is str or name is None)
    ):
        return None
    if name not in names:
        if name is None or not _CALL_NAME.fullmatch(name):
            return None
        names.add(name)
    if not ids or not all(type(one) is str and one in runs for one in ids):
        return None
    seen_in = known.setdefault(tuple(ids), frozenset(ids))
    return Observation(*texts[:2], number, name, Sighting(time, thread, texts[2]), seen_in)


def _observation(node: Node, runs: Mapping[str, Run]) -> Observation:
    return Observation(
        executable=_filled(node.child("executable")),
        architecture=_filled(node.child("architecture")),
        number=node.child("number").integer(*_NUMBERS),
        name=_call_name(node.child("name")),
        first=_sighting(node.child("first")),
        runs=_run_ids(node.child("runs"), runs),
        extra=_extra(node, "executable", "architecture", "number", "name", "first", "runs"),
    )


def _sighting(node: Node) -> Sighting:
    return Sighting(
        time=node.child("time").integer(0, _LAST_TIME),
        thread=node.child("thread").integer(0, _LAST_THREAD),
        comm=node.child("comm").text(""),
        extra=_extra(node, "time", "thread", "comm"),
    )


def _extra(node: Node, *known: str) -> Extra:
    return extra_of(node.others(known))


def _filled(node: Node) -> str:
    if not node.text():
        raise node.wrong("a string that is not empty")
    return node.text()


def _run_ids(node: Node, runs: Mapping[str, Run]) -> FrozenSet[str]:
    ids: List[str] = []
    for one in node.items():
        if one.text() not in runs:
            raise one.wrong("the id of a run of this document")
        ids.append(one.text())
    if not ids:
        raise node.wrong("at least one run")
    return frozenset(ids)


def _call_name(node: Node) -> Optional[str]:
    if node.value is None:
        return None
    if not _CALL_NAME.fullmatch(node.text()):
        raise node.wrong("the name of a system call, or null")
    return node.text()


def _filter(node: Node) -> str:
    if node.text("none") not in FILTERS:
        raise node.wrong(" or ".join(f'"{one}"' for one in FILTERS))
    return node.text("none")


def _time(node: Node) -> Optional[int]:
    return None if node.value is None else node.integer(0, _LAST_TIME)


def _optional_boolean(node: Node) -> Optional[bool]:
    return None if node.value is None else node.boolean()
