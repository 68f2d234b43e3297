"""
Profiles made from recordings.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

from tests.unit.recordings import observation, recording
from tracer import syscalls
from tracer.profile.fallbacks import FALLBACKS, fallbacks_of
from tracer.profile.generate import FALLBACK_MARK, generate, render
from tracer.profile.formats import is_profile, read, write
from tracer.recording import Recording, Run, merge


def names(profile: Dict[str, object], group: int) -> List[str]:
    rules: Any = profile["syscalls"]
    return list(rules[group]["names"])


def test_a_profile_allows_what_was_recorded_and_denies_the_rest():
    """
    The default is EPERM, and one group allows the recorded calls by name, sorted; another one
    allows what the kernel makes.
    """
    profile = generate(recording("write", "read", "openat"))

    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile["defaultErrnoRet"] == 1
    assert names(profile, 0) == ["openat", "read", "write"]
    assert [rule["action"] for rule in json.loads(render(profile))["syscalls"]] == [
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
    ]


def test_the_runtime_floor_is_allowed_too():
    """
    What the runtime needs joins what the container asked for.
    """
    assert names(generate(recording("read"), frozenset({"capset", "read"})), 0) == [
        "capset",
        "read",
    ]


def test_fallbacks_that_were_not_recorded_are_answered_with_enosys():
    """
    A call that libraries can do without is missing rather than forbidden, unless it is allowed.
    """
    profile = generate(recording("read", "statx"), frozenset({"faccessat2"}))
    rules: Any = profile["syscalls"]

    assert rules[2]["errnoRet"] == 38
    assert rules[2]["comment"].startswith(FALLBACK_MARK)
    assert "clone3" in names(profile, 2)
    assert not {"statx", "faccessat2", "read"} & set(names(profile, 2))


def test_fallbacks_are_those_of_the_observed_architectures():
    """
    Calls for 64-bit times are answered only where an architecture has them.
    """
    assert "futex_time64" not in fallbacks_of([syscalls.X86_64])
    assert "futex_time64" in fallbacks_of([syscalls.X86_64, syscalls.X86])


def test_every_fallback_is_a_call_and_has_a_source():
    """
    The table names calls that exist, and where each one's fallback is written.
    """
    known = syscalls.names(syscalls.X86_64) | syscalls.names(syscalls.X86)

    assert set(FALLBACKS) <= known
    assert all(": " in source or ".c" in source for source in FALLBACKS.values())


def test_a_profile_names_each_architecture_that_was_seen():
    """
    The host's architecture comes first, a 32-bit program's follows.
    """
    run = Run("run", architecture=syscalls.X86_64)
    seen = observation("read", architecture=syscalls.X86)

    assert generate(Recording({"run": run}, (), (seen,)))["architectures"] == [
        syscalls.X86_64,
        syscalls.X86,
    ]


def test_a_number_without_a_name_is_not_allowed_by_a_made_up_one():
    """
    What cannot be named does not appear.
    """
    run = Run("run", architecture=syscalls.X86_64)
    nameless = Recording({"run": run}, (), (observation(None, number=9999),))

    assert names(generate(nameless), 0) == []


def test_the_same_recording_gives_the_same_bytes():
    """
    Nothing that differs between two runs of the same thing reaches the profile.
    """
    first = Run("1", engine="podman", container_id="a" * 64, image="web", started=1, ended=2)
    again = Run("2", engine="podman", container_id="b" * 64, image="web", started=8, ended=9)

    texts = {render(generate(recording("read", run=run))) for run in (first, again)}
    merged = merge(recording("read", run=first), recording("read", run=again))

    assert texts == {render(generate(merged))}


def test_a_profile_says_where_it_came_from():
    """
    The comment names image, engine and runtime on one harmless line.
    """
    run = Run("run", engine="podman", image="web\n\x1b[2J", runtime="runc", runtime_version="1.1.5")
    rules: Any = generate(recording("read", run=run))["syscalls"]

    assert rules[0]["comment"] == (
        "recorded by seccomp-trace: web\\x0a\\x1b[2J under podman, runc 1.1.5"
    )


def test_rendered_text_is_readable_and_reads_back():
    """
    One name per line, a newline at the end, and the same value when read.
    """
    profile = generate(recording("read", "write"))
    text = render(profile)

    assert '\n\t\t\t\t"read",\n\t\t\t\t"write"\n' in text
    assert text.endswith("}\n")
    assert write(read(text, "p.json")) == text
    assert is_profile(text)
