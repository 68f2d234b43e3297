"""
From a recording to the profile that starts its container again, and to its text.

Decides what a profile of ours contains and in which order; extending somebody else's profile is
`extend`'s. Whether a recording is good enough to become a profile is decided by who calls this.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Dict, FrozenSet, Iterable, List, Mapping, Tuple

from tracer import syscalls
from tracer.profile.fallbacks import ENOSYS, fallbacks_of
from tracer.profile.kernel_calls import kernel_calls_of
from tracer.recording import Recording, Run
from tracer.text import printable

EPERM = 1
ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"

# By this beginning of its comment the ENOSYS group is known as ours.
FALLBACK_MARK = "seccomp-trace fallbacks"
FALLBACK_COMMENT = (
    f"{FALLBACK_MARK}: not recorded; C libraries and language runtimes do without where a call "
    "is missing (ENOSYS)"
)
ANSWER_COMMENT = (
    f"{FALLBACK_MARK}: recorded, but the kernel answered {{}} each time, as this does"
)
# By this beginning of its comment the group of calls that the kernel makes is known as ours. It has
# no "; ", at which merging takes the comments of permissions apart.
KERNEL_MARK = "seccomp-trace kernel calls"
KERNEL_COMMENT = (
    f"{KERNEL_MARK}: not recorded, but the kernel makes them in a program's place, as to go on "
    "with a sleep that was stopped"
)
_COMMENT_LIMIT = 400
# The order in which Docker's and podman's own profiles name architectures.
_ORDER = (syscalls.X86_64, syscalls.X86, syscalls.X32, syscalls.AARCH64, syscalls.ARM)


def generate(
    recording: Recording,
    floor: FrozenSet[str] = frozenset(),
    answers: Mapping[str, int] = MappingProxyType({}),
    spared: FrozenSet[str] = frozenset(),
) -> Dict[str, object]:
    """
    Return the profile, a JSON value in Docker's and podman's dialect, that allows what was seen.

    `floor` is what the runtime needs on top (`floors.permitted`), `answers` what is left out and
    which error number it gets instead (`failing.left_out`), `spared` what is left out though it was
    recorded (`making.spared_calls`). The same recording gives the same profile. A
    number without a name cannot be allowed: such a recording is not complete.
    Docker 20.10 and podman 4.3 take the keys `defaultErrnoRet` and `comment` (the first has no
    effect in Docker 20.10, whose default is EPERM anyway) and ignore names that their libseccomp
    does not know.
    """
    recorded = {seen.name for seen in recording.observations if seen.name}
    allowed = ((recorded - spared) | floor) - answers.keys()
    architectures = observed_architectures(recording)
    kernel = [name for name in kernel_calls_of(architectures) if name not in allowed]
    spoken = {*allowed, *kernel, *answers}
    missing = [name for name in fallbacks_of(architectures) if name not in spoken]
    return {
        "defaultAction": ERRNO,
        "defaultErrnoRet": EPERM,
        "architectures": architectures,
        "syscalls": [
            group(sorted(allowed), ALLOW, comment=_origin(recording.runs.values())),
            *([group(kernel, ALLOW, comment=KERNEL_COMMENT)] if kernel else []),
            *([group(missing, ERRNO, errno=ENOSYS, comment=FALLBACK_COMMENT)] if missing else []),
            *(
                group(names, ERRNO, errno=errno, comment=answer_comment(errno))
                for errno, names in by_answer(answers).items()
            ),
        ],
    }


def by_answer(answers: Mapping[str, int]) -> Dict[int, List[str]]:
    """Return the calls that get each answer, sorted."""
    return {
        errno: sorted(name for name in answers if answers[name] == errno)
        for errno in sorted(set(answers.values()))
    }


def answer_comment(errno: int) -> str:
    """Return what is said of calls that get an answer because they were recorded with it."""
    return ANSWER_COMMENT.format(syscalls.error_name(errno))


def group(
    names: Iterable[str], action: str, *, comment: str, errno: int = EPERM
) -> Dict[str, object]:
    """Return one rule of a profile: what to do with these calls, and why."""
    rule: Dict[str, object] = {"names": list(names), "action": action}
    if action == ERRNO:
        rule["errnoRet"] = errno
    return {**rule, "comment": printable(comment, _COMMENT_LIMIT)}


def observed_architectures(recording: Recording) -> List[str]:
    """Return the architectures that calls were made under, and the host's, in the usual order."""
    seen = {one.architecture for one in recording.observations}
    seen.update(run.architecture for run in recording.runs.values() if run.architecture)
    return sorted(seen, key=_rank)


def render(profile: Mapping[str, object]) -> str:
    """Return the profile's text, laid out as Docker's default.json: stable, newline at its end."""
    return json.dumps(profile, indent="\t", allow_nan=False) + "\n"


def _rank(architecture: str) -> Tuple[int, str]:
    rank = _ORDER.index(architecture) if architecture in _ORDER else len(_ORDER)
    return (rank, architecture)


# Nothing that differs between two recordings of the same thing: no time, id or random name.
def _origin(runs: Iterable[Run]) -> str:
    sources = sorted({_source(run) for run in runs})
    return f"recorded by seccomp-trace: {'; '.join(sources)}" if sources else "not recorded"


def _source(run: Run) -> str:
    what = run.image or (run.command[0] if run.command else "a command")
    runtime = f"{run.runtime} {run.runtime_version}".strip()
    under = ", ".join(part for part in (run.engine, runtime) if part)
    return f"{what} under {under}" if under else what
