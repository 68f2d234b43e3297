"""
What `decide` says is what the kernel does: calls by the hundred under profiles in real containers.

A call that is let through must come to what it comes to without a filter; one that is denied to the
very errno or signal. Every call is made twice, as x86-64 and as i386 makes it. The arguments are
such that no call has an effect: mostly -1.
"""

from __future__ import annotations

import errno
import json
import platform
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.unit.profile.defaults import default_text
from tracer import syscalls
from tracer.profile import decide as deciding
from tracer.profile import formats, model
from tracer.profile.combine import merge
from tracer.profile.decide import Answer, decide
from tracer.profile.fallbacks import ENOSYS
from tracer.profile.floors import permitted, shipped
from tracer.profile.model import Condition, Profile, Rule

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="asks.c is for x86-64")

Outcomes = Callable[[Engine, str], List[str]]

MINUS_ONE = (1 << 64) - 1
WORDS = {syscalls.X86_64: "x86_64", syscalls.X86: "i386"}
SIGSYS = 31
CAPABILITIES = ("SYS_CHROOT", "CHOWN", "SYS_NICE")

# Calls that end, stop or duplicate the process that asks, or reach beyond it.
LEFT_OUT = frozenset("""
    exit exit_group fork vfork pause sigsuspend rt_sigsuspend sigreturn rt_sigreturn
    restart_syscall kill reboot sync vhangup vm86 vm86old uprobe uretprobe
    """.split())
# What `asks`, its C library and the engine's first steps need.
NEEDED = frozenset("""
    arch_prctl brk clone execve exit_group fstat getrandom ioctl mmap mprotect munmap newfstatat
    prlimit64 read readlink readlinkat rseq set_robust_list set_tid_address wait4 write writev
    """.split())


@dataclass(frozen=True)
class Ask:
    """One call to be made."""

    architecture: str
    name: str
    arguments: Tuple[int, ...]

    @property
    def number(self) -> int:
        return deciding.number_of(self.architecture, self.name)

    def __str__(self) -> str:
        numbers = " ".join(str(one) for one in (self.number, *self.arguments))
        return f"{WORDS[self.architecture]} {numbers}"


def _harmless(architecture: str) -> List[Ask]:
    names = sorted(syscalls.names(architecture) - LEFT_OUT)
    return [Ask(architecture, name, (MINUS_ONE,) * 5) for name in names]


def _conditional(architecture: str) -> List[Ask]:
    values = (0, 1, 2, 7, 8, 9, 16, 0x20000, 0x20008, 0x10000000, 0xFFFFFFFF)
    one = [Ask(architecture, "personality", (value,)) for value in values]
    if architecture == syscalls.X86_64:
        one += [Ask(architecture, "personality", (value << 32,)) for value in (1, 8)]
    one += [Ask(architecture, "getpriority", (value,)) for value in values]
    pairs = [(value, other) for value in (0, 2, 16, 40) for other in (0, 9, 10)]
    sockets = [Ask(architecture, "socket", (domain, 99, other)) for domain, other in pairs]
    files = [Ask(architecture, "fcntl", (MINUS_ONE, value, other)) for value, other in pairs]
    # A namespace flag beside CLONE_SIGHAND without CLONE_VM: EINVAL before anything is made.
    flags = [Ask(architecture, "clone", (0x800 | flag,)) for flag in (0, 0x20000, 0x10000000)]
    return one + sockets + files + flags


ASKED = [
    ask
    for architecture in (syscalls.X86_64, syscalls.X86)
    for ask in (*_harmless(architecture), *_conditional(architecture))
]


def _own_profile() -> Profile:
    """Everything at once: each action, each operator, errnos that no call has by itself."""

    def rule(names: str, action: str, *conditions: Condition, errno: int = 0) -> Rule:
        return Rule(tuple(names.split()), action, conditions, errno=errno or None)

    needed = NEEDED | permitted(shipped())
    allowed = " ".join(sorted(needed - {"personality", "socket", "fcntl"}))
    operators = (
        (model.EQUAL, 8, 0),
        (model.GREATER, 0x10000000, 0),
        (model.MASKED_EQUAL, 0x20000, 0x20000),
    )
    return Profile(
        model.ERRNO,
        (
            rule(allowed, model.ALLOW),
            rule("getpid getppid dup dup2 openat close no_such_call", model.ALLOW),
            rule("getuid lseek", model.LOG),
            rule("mount umount2 ptrace swapon", model.ERRNO, errno=111),
            rule("chdir rename", model.TRACE, errno=5),
            rule("bpf keyctl", model.TRAP),
            rule("kexec_load", model.KILL),
            rule("add_key request_key", model.KILL_PROCESS),
            *(
                rule("personality", model.ALLOW, Condition(0, operator, value, two))
                for operator, value, two in operators
            ),
            rule("socket", model.ALLOW, Condition(0, model.LESS, 16), Condition(2, model.EQUAL, 9)),
            rule("getpriority", model.ALLOW, Condition(0, model.LESS, 16)),
            rule("getpriority", model.ERRNO, Condition(0, model.EQUAL, 16), errno=112),
            rule("fcntl", model.ALLOW, Condition(1, model.NOT_EQUAL, 2)),
            rule("fcntl64", model.ALLOW, Condition(1, model.LESS_OR_EQUAL, 2)),
            rule("dup3", model.ALLOW, Condition(0, model.EQUAL, 1), Condition(0, model.EQUAL, 2)),
            rule("statx", model.ALLOW, Condition(1, model.GREATER_OR_EQUAL, 2)),
        ),
        default_errno=99,
        architectures=(syscalls.X86_64, syscalls.X86),
    )


PROFILES: dict[str, Callable[[], str]] = {
    "own": lambda: formats.write(_own_profile()),
    "own, no architectures": lambda: formats.write(replace(_own_profile(), architectures=())),
    "podman's default": lambda: default_text("podman"),
    "docker's default": lambda: default_text("docker"),
}


@pytest.fixture(scope="module")
def freely() -> Outcomes:
    """
    What each call comes to in an engine's container without a filter: asked of an engine once.
    """
    known: Dict[Tuple[str, str], List[str]] = {}

    def outcomes(engine: Engine, image: str) -> List[str]:
        key = (engine.name, engine.runtime)
        if key not in known:
            known[key] = _outcomes(engine, image, "unconfined")
        return known[key]

    return outcomes


@pytest.mark.parametrize("profile", PROFILES)
def test_every_outcome_is_the_one_decided(
    engine: Engine, busybox: ImageLoader, freely: Outcomes, tmp_path: Path, profile: str
):
    """
    Of some 800 calls each comes to what `decide` says, under each engine and runtime.
    """
    text = PROFILES[profile]()
    path = tmp_path / "profile.json"
    path.write_text(text)
    image = busybox(engine)

    free = freely(engine, image)
    bound = _outcomes(engine, image, str(path))

    decided = _decided(engine, formats.read(text, profile))
    wrong = [
        f"{ask.name} {ask}: decided {answer}, came to {outcome}, freely to {without}"
        for ask, answer, outcome, without in zip(ASKED, decided, bound, free)
        if not _is(answer, outcome, without)
    ]
    assert wrong == []
    assert len({answer for answer in decided}) > 2
    if profile == "own":
        assert (Answer(model.ERRNO, errno.ENOSYS) in decided) is (engine.runtime == "runc")
    assert len(ASKED) > 700


def test_contradicting_rules_keep_a_container_from_starting(
    engine: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    What libseccomp refuses, `decide` too, no runtime starts a container with.
    """
    condition = (Condition(0, model.EQUAL, 1),)
    rules = [Rule(("getpriority",), action, condition) for action in (model.TRAP, model.LOG)]
    path = tmp_path / "profile.json"
    path.write_text(formats.write(Profile(model.ALLOW, tuple(rules))))

    done = engine.run("run", "--rm", *engine.security(path), busybox(engine), "true", check=False)

    assert done.returncode != 0


def test_the_native_architecture_keeps_a_container_from_starting(
    engine: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    No runtime takes SCMP_ARCH_NATIVE, beside whatever else a profile names.
    """
    path = tmp_path / "profile.json"
    profile = Profile(model.ALLOW, architectures=(syscalls.X86_64, "SCMP_ARCH_NATIVE"))
    path.write_text(formats.write(profile))

    done = engine.run("run", "--rm", *engine.security(path), busybox(engine), "true", check=False)

    assert done.returncode != 0
    assert "NATIVE" in done.stderr


def test_without_architectures_i386_is_killed_and_a_merged_enosys_is_answered(
    engine: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    The host's own architecture is filtered alone, and clone3 answered as an input of merge does.
    """
    allowed = NEEDED | permitted(shipped()) | {"getpid"}
    first = Profile(model.ERRNO, (Rule(tuple(sorted(allowed)), model.ALLOW),))
    merged = merge(first, Profile(model.ERRNO, (Rule(("clone3",), model.ERRNO, errno=ENOSYS),)))
    path = tmp_path / "profile.json"
    path.write_text(formats.write(merged.profile))
    asked = [
        *(Ask(syscalls.X86_64, name, (MINUS_ONE,)) for name in ("clone3", "getpid")),
        Ask(syscalls.X86, "getpid", ()),
    ]

    options = ("--rm", *engine.security(path))
    done = engine.run("run", *options, busybox(engine), "asks", *map(str, asked))

    missing, allows, killed = done.stdout.splitlines()
    assert missing == str(-ENOSYS)
    assert int(allows) > 0
    assert killed == f"signal {SIGSYS}"


def _outcomes(engine: Engine, image: str, profile: str) -> List[str]:
    options = ["--rm", "--cap-drop=ALL", *(f"--cap-add={name}" for name in CAPABILITIES)]
    options += engine.security(profile)
    done = engine.run("run", *options, image, "asks", *map(str, ASKED), timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == len(ASKED), done.stderr
    return lines


def _decided(engine: Engine, profile: Profile) -> List[Answer]:
    if engine.name == "docker" and _docker_is_old(engine):
        profile = replace(profile, default_errno=None)
    capabilities = {f"CAP_{name}" for name in CAPABILITIES}
    return [
        decide(
            profile,
            ask.architecture,
            ask.number,
            ask.arguments,
            capabilities=capabilities,
            kernel=_kernel(),
            engine=engine.name,
            runtime=_runtime(engine),
        )
        for ask in ASKED
    ]


def _kernel() -> Tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int(minor)


# Docker before 23 does not pass the default errno on.
def _docker_is_old(engine: Engine) -> bool:
    version = json.loads(engine.run("version", "--format", "{{json .Server.Version}}").stdout)
    return int(str(version).split(".")[0]) < 23


def _runtime(engine: Engine) -> str:
    command = [engine.runtime, "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return deciding.kind_of(engine.runtime, said.split()[2])


def _is(answer: Answer, outcome: str, without: str) -> bool:
    if answer.lets_through:
        return outcome == without or (_succeeded(outcome) and _succeeded(without))
    if answer.action == model.ERRNO:
        return outcome == str(-(answer.errno or 0))
    if answer.action == model.TRACE:
        return outcome == "-38"  # nobody traces
    return outcome == f"signal {SIGSYS}"


# A process id, a time or an address differs from run to run. Addresses of i386 may look negative.
def _succeeded(outcome: str) -> bool:
    return not outcome.startswith("signal") and not -4096 < int(outcome) < 0
