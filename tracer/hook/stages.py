"""
What the hook does at a container's beginning, and what after its end.

Whatever is wrong ends in one SeccompTraceError, which the program says and turns into an exit code.
It is a HostError if it is ours (nothing could be recorded), another one if it is the request's.
Nothing is silent: an output that was asked for and is not written has a file beside it that says
why.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Iterator, Optional, Sequence, Tuple

from tracer.errors import HostError, InputError, SeccompTraceError
from tracer.files import Destination
from tracer.hook import annotation, places
from tracer.hook.annotation import Request
from tracer.hook.state import State
from tracer.text import printable

if TYPE_CHECKING:
    from tracer.profile.model import Profile
    from tracer.recording import Reason, Recording

INCOMPLETE = ".incomplete"
REASONS = ".incomplete.reasons"
NOT_RECORDED = ".not-recorded"
# The first line of the two files of ours that are no JSON, by which we know them again.
MARK = "seccomp-trace hook: this is not the profile that was asked for.\n"
_NOTES = (REASONS, NOT_RECORDED)
MOST_REASONS = 100
LINE_LIMIT = 1000

UID_MAP = "/proc/self/uid_map"
ROOTLESS = HostError(
    "the hook of a rootless container has no privilege to record it",
    "root can: seccomp-trace recorder start, then seccomp-trace recorder collect",
)

Say = Callable[[object], None]


@dataclass(frozen=True)
class Policy:
    """What `hook install` was told: see its options."""

    output_dir: Optional[str] = None
    best_effort: bool = False


def begin(state: State, policy: Policy, say: Say) -> None:
    """
    Have a container recorded, if its annotations ask for that; raises SeccompTraceError.

    The places that its annotations name are checked now, so that a wrong request is known before
    the container runs.
    """
    request = annotation.request_in(state.annotations)
    if request is None:
        return
    if _is_rootless():
        if not policy.best_effort:
            raise ROOTLESS
        return say(f"{ROOTLESS}; the container runs all the same, and nothing is recorded")
    with _outputs(request, policy) as outputs:
        outputs.check()
        _baseline_of(request)
        try:
            _claim(state)
        except HostError as error:
            if not policy.best_effort:
                raise
            outputs.explain(NOT_RECORDED, state.id, [str(error)])
            say(f"{error}; the container runs all the same, and nothing is recorded")


def end(state: State, policy: Policy, say: Say) -> None:
    """
    Write what was recorded of a container, if its annotations ask for that.

    Raises SeccompTraceError if the profile could not be written under the name asked for.
    """
    request = annotation.request_in(state.annotations)
    if request is None or _is_rootless():  # of which the beginning has told
        return
    with _outputs(request, policy) as outputs:
        try:
            reasons = _deliver(state, request, outputs, say)
        except SeccompTraceError as error:
            if not outputs.explains(NOT_RECORDED, state.id):  # the beginning knows better
                outputs.explain(NOT_RECORDED, state.id, [str(error)])
            raise
        if not reasons:
            return outputs.tidy()
        lines = [f"{reason.text} ({reason.count})" for reason in reasons]
        outputs.explain(REASONS, state.id, lines)
    raise HostError(f"{request.output}{INCOMPLETE}: not complete: {lines[0]}")


# In a user namespace everything looks as if root ran, but nothing of the host's is root's.
def _is_rootless() -> bool:
    with open(UID_MAP, encoding="ascii") as ids:
        return ids.read().split() != ["0", "0", str(2**32 - 1)]


def _claim(state: State) -> None:
    from tracer.hook import claiming

    if state.process is None:
        raise InputError(
            "the runtime names no process of the container",
            "the hook's beginning belongs to the stage prestart or createRuntime",
        )
    try:
        claiming.claim(state.id, state.process)
    except OSError as error:  # its runtime was killed meanwhile, or a map is full
        raise HostError(f"the container cannot be recorded: {error.strerror}") from error


# Returns what speaks against the recording or its profile.
def _deliver(
    state: State, request: Request, outputs: _Outputs, say: Say
) -> Tuple[Reason, ...]:
    from tracer.hook.fetching import fetched
    from tracer.host_floors import measured
    from tracer.profile.making import Wanted, make

    baseline, known = _baseline_of(request), measured()
    with fetched(state.id) as recording:
        made = make(recording, Wanted(measured=known.floors, baseline=baseline))
        for message in filter(None, (known.problem, *made.messages)):
            say(f"{request.output}: {message}")
        reasons = (*recording.reasons, *made.reasons)
        outputs.write(INCOMPLETE if reasons else "", made.text)
        outputs.keep(recording)
    return reasons


# Nothing of the file is quoted: it may be one that the annotation's author cannot read.
def _baseline_of(request: Request) -> Optional[Profile]:
    if request.baseline is None:
        return None
    text = places.baseline(request.baseline)
    from tracer.profile import formats, model

    problem = InputError(
        f"{request.baseline}: is no seccomp profile in Docker's, podman's or the OCI's JSON",
        f"seccomp-trace lint {request.baseline} says what is wrong with it",
    )
    if not _is_json(text):
        raise problem
    try:
        profile = formats.read(text, request.baseline)
    except InputError:
        raise problem from None
    if profile.dialect == model.SPO:
        raise problem
    return profile


# Other forms, YAML, are slow to read, and a file that is looked at may be large.
def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")


def _is_profile(text: str) -> bool:
    from tracer.profile import formats

    return _is_json(text) and formats.is_profile(text)


def _is_recording(text: str) -> bool:
    from tracer.recording import is_recording

    return is_recording(text)


def _is_note(text: str) -> bool:
    return text.startswith(MARK)


class _Outputs:
    """Where one container's results go, open: the profile, and the recording if it is kept."""

    def __init__(self, profile: Destination, recording: Optional[Destination]) -> None:
        self._profile = profile
        self._recording = recording

    def check(self) -> None:
        """Raise OutputError unless all could be written now, also what may go wrong."""
        for one in filter(None, (self._profile, self._recording)):
            one.check()
        for suffix in (INCOMPLETE, *_NOTES):
            with self._beside(suffix) as destination:
                destination.check()

    def write(self, suffix: str, profile: str) -> None:
        """Write the profile, under its name with a suffix."""
        with self._profile.beside(suffix) as destination:
            destination.write(profile)

    def keep(self, recording: Recording) -> None:
        """Write the recording, if it is wanted."""
        if self._recording is None:
            return
        from tracer.recording import to_json

        with self._recording.beside("" if recording.complete else INCOMPLETE) as destination:
            destination.write(to_json(recording))

    def explain(self, suffix: str, container: str, reasons: Sequence[str]) -> None:
        """Say in a file beside the profile why that is not there."""
        lines = [printable(line, LINE_LIMIT) for line in (container, *reasons[:MOST_REASONS])]
        with self._beside(suffix) as destination:
            destination.write("\n".join([MARK, *lines, ""]))

    def explains(self, suffix: str, container: str) -> bool:
        """Whether such a file says so of this container already."""
        with self._beside(suffix) as destination:
            text = destination.read() or ""
        return _is_note(text) and printable(container, LINE_LIMIT) in text.splitlines()

    def tidy(self) -> None:
        """Remove what an earlier run that went wrong has left beside the profile."""
        for suffix in (INCOMPLETE, *_NOTES):
            with suppress(SeccompTraceError), self._beside(suffix) as destination:
                destination.remove()

    def _beside(self, suffix: str) -> Destination:
        return self._profile.beside(suffix, _is_note if suffix in _NOTES else _is_profile)


@contextmanager
def _outputs(request: Request, policy: Policy) -> Iterator[_Outputs]:
    with ExitStack() as opened:
        below = policy.output_dir
        profile = opened.enter_context(places.output(request.output, _is_profile, below))
        recording = None
        if request.recording is not None:
            place = places.output(request.recording, _is_recording, below)
            recording = opened.enter_context(place)
        yield _Outputs(profile, recording)
