"""
Tests of what becomes of recordings: recorded without a filter, on top of a baseline, or together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import Recorded, allowed_by, making, record

CALLS = "/usr/local/bin/calls"
# The profiles of podman and docker deny it to a container without CAP_SYS_TIME. It sets nothing if
# it is given nothing.
DENIED = "settimeofday"
NOTHING = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": []}


def test_what_the_engines_profile_denies_is_not_recorded(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A call that the engine's own profile denies has no place in the profile.
    """
    recorded = record_calls(seccomp_trace, engine, busybox, (), "getpgrp", DENIED)

    assert "getpgrp" in recorded.calls(CALLS)
    assert DENIED not in recorded.calls() | recorded.allowed()


def test_unconfined_records_what_the_engines_profile_would_deny(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    With --unconfined such a call is recorded, and the window is as exact as with a profile.
    """
    recorded = record_calls(
        seccomp_trace, engine, busybox, (), "getpgrp", DENIED, own=["--unconfined"]
    )

    (run,) = recorded.recording.runs.values()
    assert run.filter == "marker"
    assert DENIED in recorded.calls(CALLS) & recorded.allowed()
    assert not recorded.allowed() & {"mount", "pivot_root", "clone", "setns", "unshare"}


@pytest.mark.parametrize(
    "given",
    [
        ["--privileged"],
        ["--security-opt", "seccomp=unconfined"],
        ["--security-opt", "seccomp={nothing}"],
        ["--security-opt=seccomp={nothing}", "--security-opt", "no-new-privileges"],
    ],
    ids=" ".join,
)
def test_unconfined_takes_the_place_of_what_was_given(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, given: list[str]
):
    """
    --unconfined wins over the profile that the command names, and over --privileged.
    """
    nothing = seccomp_trace.directory / "nothing.json"
    nothing.write_text(json.dumps(NOTHING))
    options = [word.format(nothing=nothing) for word in given]

    recorded = record_calls(seccomp_trace, podman, busybox, options, DENIED, own=["--unconfined"])

    (run,) = recorded.recording.runs.values()
    assert run.filter == "marker"
    assert run.no_new_privileges is ("no-new-privileges" in given)
    assert DENIED in recorded.calls(CALLS)


def test_a_baseline_is_extended_by_what_was_recorded(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    What a baseline allows stays, in its place, and what is new comes behind it; both run.
    """
    record_calls(seccomp_trace, podman, busybox, (), "getpgrp")
    base = seccomp_trace.directory / "base.json"
    (seccomp_trace.directory / "profile.json").rename(base)

    extended = record_calls(
        seccomp_trace, podman, busybox, (), "getsid", own=["--baseline", "base.json"]
    ).profile

    before, after = (json.loads(path.read_text())["syscalls"] for path in (base, extended))
    assert after[0] == before[0]
    assert allowed_by(extended) - allowed_by(base) == {"getsid"}
    container = ["run", "--rm", *podman.security(extended), busybox(podman), "calls"]
    podman.run(*container, *making("getpgrp", "getsid"))


def test_generate_makes_one_profile_of_two_recordings(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    The profile of two recordings allows what either saw; the order does not matter.
    """
    names = ["getpgrp", "getsid"]
    both = set()
    for name in names:
        both |= record_calls(seccomp_trace, podman, busybox, (), name).allowed()
        (seccomp_trace.directory / "recording.json").rename(seccomp_trace.directory / name)

    one_way = seccomp_trace("generate", *names)
    other_way = seccomp_trace("generate", "-o", "both.json", *reversed(names))

    assert (one_way.returncode, other_way.returncode) == (0, 0), one_way.stderr + other_way.stderr
    assert one_way.stdout == (seccomp_trace.directory / "both.json").read_text()
    assert allowed_by(seccomp_trace.directory / "both.json") == both


def test_generate_makes_again_what_run_made(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    From the recording that `run` kept, `generate` makes the same profile, byte for byte.
    """
    recorded = record_calls(seccomp_trace, podman, busybox, (), "getpgrp")

    done = seccomp_trace("generate", "recording.json")

    assert done.stdout == recorded.profile.read_text()


def record_calls(
    seccomp_trace: SeccompTrace,
    engine: Engine,
    busybox: ImageLoader,
    options: Sequence[str],
    *names: str,
    own: Sequence[str] = (),
) -> Recorded:
    """Record a container that makes these calls; `own` are options of ours, `options` of run."""
    container = ["run", "--rm", *options, busybox(engine), "calls", *making(*names)]
    return record(seccomp_trace, engine, *container, options=own)
