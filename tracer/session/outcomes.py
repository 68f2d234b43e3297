"""
How calls ended, beside a recording: noted if that was asked for, and then part of the observations.

What belongs here: what a session makes of what the kernel side has counted. What does not: what a
profile leaves out for it (`tracer.profile.failing`). Whatever is in doubt is unknown, and said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, FrozenSet, Mapping, Optional, Tuple

from tracer import syscalls
from tracer.kernel.outcomes import INTERRUPTED as INTERRUPTIONS
from tracer.kernel.outcomes import SUCCESS as NO_ERROR
from tracer.kernel.outcomes import Call, Ended, Outcomes
from tracer.kernel.recorder import Content
from tracer.kernel.wire import Head
from tracer.recording import INTERRUPTED, SUCCESS, UNFINISHED, UNKNOWN, Observation, Recording, Run
from tracer.session.assembly import architecture_of, executable_names, head_reasons

_Words = Mapping[Tuple[str, str, int], FrozenSet[str]]


def with_outcomes(
    recording: Recording,
    kernel: Optional[Outcomes],
    contents: Mapping[int, Content],
    heads: Mapping[int, Head],
) -> Recording:
    """
    A recording of one run whose observations tell how they ended, as far as that is known.

    `contents`: those of the kernel's recordings that it was made of; `heads` were read after them.
    """
    if kernel is None:
        return recording
    (run,) = recording.runs.values()
    ended = kernel.of(contents.keys())
    doubt = _doubt(kernel, run, {number: heads.get(number) for number in contents})
    if doubt:
        notes = (*run.notes, f"how calls ended is not known: {doubt}")
        return replace(recording, runs={run.id: replace(run, notes=notes)})
    words = _words_by_observation(run, contents, ended)
    observations = (_told(seen, run, words) for seen in recording.observations)
    return replace(recording, observations=tuple(observations))


def _doubt(kernel: Outcomes, run: Run, heads: Mapping[int, Optional[Head]]) -> str:
    """Why nothing is known of how the calls of these recordings ended; empty if it is."""
    known = [head for head in heads.values() if head is not None]
    lost = kernel.lost(heads.keys())
    if len(known) < len(heads):
        return "the recording was let go while it was read"
    if any(head.late or head.born < kernel.since for head in known):
        return "it was running before that was noted"
    if any(head.strays for head in known):
        return "the kernel had no memory for some of its threads"
    reasons = (*run.integrity, *(one for head in known for one in head_reasons(head)))
    if reasons:  # what nobody saw may have ended in anything
        return f"{reasons[0].text} ({reasons[0].count})"
    return f"there was no room for all of it ({lost})" if lost else ""


def _words_by_observation(
    run: Run, contents: Mapping[int, Content], ended: Mapping[Call, Ended]
) -> _Words:
    words: Dict[Tuple[str, str, int], FrozenSet[str]] = {}
    for recording, content in contents.items():
        names = executable_names(run, content.paths)
        for seen in content.calls:
            executable = names.get(seen.executable, UNKNOWN)
            key = (executable, architecture_of(seen.architecture, seen.number), seen.number)
            call = Call(recording, seen.executable, seen.architecture, seen.number)
            words[key] = words.get(key, frozenset()) | _words(ended.get(call, Ended()))
    return words


def _words(ended: Ended) -> FrozenSet[str]:
    """How a call ended; one of which nothing is known may have ended in anything."""
    unfinished = {UNFINISHED} if ended.is_unfinished or not ended.errors else set()
    return frozenset(map(_word, ended.errors)) | unfinished


def _word(error: int) -> str:
    if error == NO_ERROR:
        return SUCCESS
    return INTERRUPTED if error in INTERRUPTIONS else syscalls.error_name(error)


def _told(seen: Observation, run: Run, words: _Words) -> Observation:
    return replace(seen, outcomes=((run.id, words[seen.key]),))
