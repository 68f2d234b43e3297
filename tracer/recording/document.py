"""
A recording as a JSON document: canonical on the way out, strict on the way in.

The same recording is always the same bytes. Fields that this version does not know are kept and
written again; a missing field takes its default, a field of the wrong type is refused. The
version goes up when a document can no longer be understood by the previous one's reader.
"""

from __future__ import annotations

import json
from typing import Dict, FrozenSet, Iterator, Mapping, Optional, Set, Tuple

from tracer.document import Node, parse
from tracer.errors import InputError
from tracer.recording.check_document import (
    capabilities_fields,
    capabilities_in,
    check_fields,
    check_in,
)
from tracer.recording.denial_document import denial_fields, denial_in
from tracer.recording.fields import (
    CALL_NAME,
    LAST_COUNT,
    LAST_THREAD,
    LAST_TIME,
    NUMBERS,
    call_name_in,
    extra_in,
    filled_text,
    optional_boolean,
    optional_time,
    run_ids_in,
    sighting_fields,
    sighting_in,
    with_extra,
)
from tracer.recording.model import Recording
from tracer.recording.outcome_document import outcomes_fields, outcomes_in
from tracer.recording.records import FILTERS, Executable, Observation, Reason, Run, Sighting

FORMAT = "seccomp-trace recording"
VERSION = 1

_USUAL = {"executable", "architecture", "number", "name", "first", "runs"}
_USUAL_FIRST = {"time", "thread", "comm"}
_RUN_LATER_TEXTS = ("runtime_path", "runtime_build_id")
_RUN_TEXTS = (
    "engine",
    "container_id",
    "container_name",
    "image",
    "runtime",
    "runtime_version",
    "kernel",
    "architecture",
    *_RUN_LATER_TEXTS,
)
_RUN_OTHERS = ("id", "command", "no_new_privileges", "filter", "started", "ended")
_RUN_FIELDS = (*_RUN_TEXTS, *_RUN_OTHERS, "integrity", "notes", "capabilities")
_LATER = ("checks", "denials")
_ROOT_FIELDS = ("format", "version", "runs", "executables", "observations", *_LATER)


def to_json(recording: Recording) -> str:
    """
    Return the document: the same text for the same recording, newline at its end.

    What came into the format later, and is not there, is not mentioned.
    """
    document: Dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "runs": [_run_fields(run) for run in recording.runs.values()],
        "executables": [_executable_fields(one) for one in recording.executables],
        "observations": [_observation_fields(one) for one in recording.observations],
    }
    if recording.checks:
        document["checks"] = [check_fields(one) for one in recording.checks]
    if recording.denials:
        document["denials"] = [denial_fields(one) for one in recording.denials]
    return json.dumps(with_extra(document, recording.extra), indent=1, allow_nan=False) + "\n"


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
        extra=extra_in(root, *_ROOT_FIELDS),
        checks=tuple(check_in(one, runs) for one in root.child("checks").items()),
        denials=tuple(denial_in(one, runs) for one in root.child("denials").items()),
    )


def is_recording(text: str) -> bool:
    """Say whether a text is a recording that we can read, and so may be replaced by one."""
    try:
        from_json(text, "")
    except InputError:
        return False
    return True


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
    fields.update((name, text) for name in _RUN_LATER_TEXTS if (text := getattr(run, name)))
    if run.capabilities is not None:
        fields["capabilities"] = capabilities_fields(run.capabilities)
    return with_extra(fields, run.extra)


def _reason_fields(reason: Reason) -> Dict[str, object]:
    fields: Dict[str, object] = {"code": reason.code, "text": reason.text, "count": reason.count}
    return with_extra(fields, reason.extra)


def _executable_fields(executable: Executable) -> Dict[str, object]:
    fields: Dict[str, object] = {"path": executable.path, "runs": sorted(executable.runs)}
    return with_extra(fields, executable.extra)


def _observation_fields(seen: Observation) -> Dict[str, object]:
    fields: Dict[str, object] = {
        "executable": seen.executable,
        "architecture": seen.architecture,
        "number": seen.number,
        "name": seen.name,
        "first": sighting_fields(seen.first),
        "runs": sorted(seen.runs),
    }
    if seen.outcomes:
        fields["outcomes"] = outcomes_fields(seen.outcomes)
    return with_extra(fields, seen.extra)


def _check_kind(root: Node) -> None:
    if not isinstance(root.value, dict) or root.value.get("format") != FORMAT:
        hint = ""
        if isinstance(root.value, dict) and "defaultAction" in root.value:
            hint = "this looks like a seccomp profile"
        raise InputError(f"{root.source}: not a recording of seccomp-trace", hint)
    version = root.child("version").integer(1, LAST_COUNT)
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
        id=filled_text(node.child("id")),
        command=tuple(part.text() for part in node.child("command").items()),
        no_new_privileges=optional_boolean(node.child("no_new_privileges")),
        filter=_filter(node.child("filter")),
        started=optional_time(node.child("started")),
        ended=optional_time(node.child("ended")),
        integrity=tuple(_reason(one) for one in node.child("integrity").items()),
        notes=tuple(note.text() for note in node.child("notes").items()),
        extra=extra_in(node, *_RUN_FIELDS),
        capabilities=capabilities_in(node.child("capabilities")),
        **texts,
    )


def _reason(node: Node) -> Reason:
    return Reason(
        code=filled_text(node.child("code")),
        text=node.child("text").text(""),
        count=node.child("count").integer(0, LAST_COUNT),
        extra=extra_in(node, "code", "text", "count"),
    )


def _executable(node: Node, runs: Mapping[str, Run]) -> Executable:
    return Executable(
        path=filled_text(node.child("path")),
        runs=run_ids_in(node.child("runs"), runs),
        extra=extra_in(node, "path", "runs"),
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
        and NUMBERS[0] <= number <= NUMBERS[1]
        and 0 <= time <= LAST_TIME
        and 0 <= thread <= LAST_THREAD
        and (type(name) is str or name is None)
    ):
        return None
    if name not in names:
        if name is None or not CALL_NAME.fullmatch(name):
            return None
        names.add(name)
    if not ids or not all(type(one) is str and one in runs for one in ids):
        return None
    seen_in = known.setdefault(tuple(ids), frozenset(ids))
    return Observation(*texts[:2], number, name, Sighting(time, thread, texts[2]), seen_in)


def _observation(node: Node, runs: Mapping[str, Run]) -> Observation:
    seen_in = run_ids_in(node.child("runs"), runs)
    return Observation(
        executable=filled_text(node.child("executable")),
        architecture=filled_text(node.child("architecture")),
        number=node.child("number").integer(*NUMBERS),
        name=call_name_in(node.child("name")),
        first=sighting_in(node.child("first")),
        runs=seen_in,
        extra=extra_in(node, *_USUAL, "outcomes"),
        outcomes=outcomes_in(node.child("outcomes"), seen_in),
    )


def _filter(node: Node) -> str:
    if node.text("none") not in FILTERS:
        raise node.wrong(" or ".join(f'"{one}"' for one in FILTERS))
    return node.text("none")
