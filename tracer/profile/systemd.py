"""
A flat profile as the settings of a systemd unit (systemd.exec(5)), as far as they go.

systemd knows whole calls and no arguments; one answer for everything that is not listed and, in a
list of what is denied, an errno for each; and some calls that a list of what is allowed always
allows. What else a profile says is given back as losses, each on its strict side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from tracer.errors import InputError
from tracer.profile import model
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.decide import NO_RUNTIME, Answer, answer, load, number_of
from tracer.profile.model import Profile
from tracer.syscalls import error_name

HEADER = "# A seccomp profile as settings of a unit, by seccomp-trace convert."
_LINE = 90

# systemd's group @default: in a list of what is allowed these are always allowed
# (src/shared/seccomp-util.c and systemd-analyze syscall-filter @default, systemd 252).
_ALWAYS = frozenset("""
    arch_prctl brk cacheflush clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 execve exit exit_group futex futex_time64 futex_waitv
    get_robust_list get_thread_area getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
    getgroups32 getpgid getpgrp getpid getppid getrandom getresgid getresgid32 getresuid
    getresuid32 getrlimit getsid gettid gettimeofday getuid getuid32 membarrier mmap mmap2
    mprotect munmap nanosleep pause prlimit64 restart_syscall riscv_flush_icache riscv_hwprobe
    rseq rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area
    set_tid_address set_tls sigreturn time ugetrlimit uretprobe
    """.split())

# systemd's words (src/basic/architecture.c), where they are not the token in small letters.
_WORDS = {"X86_64": "x86-64", "AARCH64": "arm64", "PPC64LE": "ppc64-le", "MIPSEL": "mips-le"}
_WORDS.update({"MIPSEL64": "mips64-le", "MIPS64N32": "mips64-n32", "MIPSEL64N32": "mips64-le-n32"})


@dataclass
class _Sorted:
    """The calls of a profile by what becomes of them; conditional ones apart."""

    allowed: List[str] = field(default_factory=list)
    logged: List[str] = field(default_factory=list)
    denied: Dict[str, Answer] = field(default_factory=dict)
    conditional: List[str] = field(default_factory=list)


def unit_of(profile: Profile, host: str) -> Tuple[str, Tuple[str, ...]]:
    """Return the text of a drop-in for a unit, and what of the flat profile it does not say."""
    calls = _sorted(profile, host)
    losses = [f"conditions on the arguments of {name}" for name in calls.conditional]
    if profile.default_action in (model.ALLOW, model.LOG):
        settings = _deny_list(profile, calls, losses)
    else:
        settings = _allow_list(profile, host, calls, losses)
    architectures = [_word(token) for token in dict.fromkeys((host, *profile.architectures))]
    settings.append(("SystemCallArchitectures", " ".join(architectures)))
    lines = [line for name, value in settings for line in _lines(name, value)]
    return "\n".join([HEADER, "[Service]", *lines]) + "\n", tuple(losses)


def is_unit(text: str) -> bool:
    """Say whether a text is one of ours, and so may be replaced by one."""
    return text.startswith(HEADER)


# An unconditional rule wins over conditional ones of the same call (libseccomp's db_rule_add), and
# which of several unconditional ones wins is libseccomp's to say.
def _sorted(profile: Profile, host: str) -> _Sorted:
    loaded = load(profile, host, NO_RUNTIME)
    calls = _Sorted()
    default = (profile.default_action, profile.default_errno)
    rules = [rule for rule in profile.rules if (rule.action, rule.errno) != default]
    unconditional = {name for rule in rules if not rule.conditions for name in rule.names}
    for name in sorted({name for rule in rules for name in rule.names}):
        found = _place(name, (host, *profile.architectures))
        if found is None:
            continue  # known to no architecture here: runtimes ignore it, and so would systemd
        if name not in unconditional:
            calls.conditional.append(name)
            continue
        verdict = answer(loaded, *found)
        if verdict.action == model.ALLOW:
            calls.allowed.append(name)
        elif verdict.action == model.LOG:
            calls.logged.append(name)
        else:
            calls.denied[name] = verdict
    return calls


def _place(name: str, architectures: Tuple[str, ...]) -> Optional[Tuple[str, int]]:
    for token in architectures:
        try:
            return token, number_of(token, name)
        except InputError:
            continue
    return None


Settings = List[Tuple[str, str]]


def _allow_list(profile: Profile, host: str, calls: _Sorted, losses: List[str]) -> Settings:
    default = Answer(profile.default_action, profile.default_errno)
    number = _denial(default, "everything else", losses)
    for name, verdict in calls.denied.items():
        if _number(verdict) != _number(default):
            losses.append(f"{_said(verdict)} for {name}: it gets what everything else gets")
    listed = {*calls.allowed, *calls.logged}
    extra = sorted(
        name for name in _ALWAYS - listed if _place(name, (host, *profile.architectures))
    )
    if extra:
        losses.append(f"the denial of what systemd always allows: {' '.join(extra)}")
    # An empty list would be no filter at all; @default is allowed anyway.
    settings = [("SystemCallFilter", " ".join(sorted(listed)) or "@default")]
    if calls.logged:
        settings.append(("SystemCallLog", " ".join(calls.logged)))
    return settings + ([("SystemCallErrorNumber", number)] if number != "kill" else [])


def _deny_list(profile: Profile, calls: _Sorted, losses: List[str]) -> Settings:
    by_number: Dict[str, List[str]] = {}
    for name, verdict in calls.denied.items():
        by_number.setdefault(_denial(verdict, name, losses), []).append(name)
    for name in calls.conditional:
        by_number.setdefault("EPERM", []).append(name)
    settings = [
        ("SystemCallFilter", "~" + " ".join(f"{name}:{number}" for name in names))
        for number, names in by_number.items()
    ]
    if profile.default_action == model.LOG:
        exempt = " ".join(sorted({*calls.allowed, *calls.denied, *calls.conditional}))
        return [*settings, ("SystemCallLog", "~" + exempt)]
    return settings + ([("SystemCallLog", " ".join(calls.logged))] if calls.logged else [])


def _denial(verdict: Answer, what: str, losses: List[str]) -> str:
    number = _number(verdict)
    if number is None or number == "0":
        losses.append(f"{_said(verdict)} for {what}: the process is killed instead")
    return "kill" if number in (None, "0") else str(number)


def _number(verdict: Answer) -> Optional[str]:
    if verdict.action == model.KILL_PROCESS:
        return "kill"
    if verdict.action != model.ERRNO:
        return None
    number = model.EPERM if verdict.errno is None else verdict.errno
    return error_name(number)


def _said(verdict: Answer) -> str:
    if verdict.errno is None:
        return verdict.action
    return f"{verdict.action} {error_name(verdict.errno)}"


def _word(token: str) -> str:
    name = token[len("SCMP_ARCH_") :]
    assert token in ARCHITECTURES, token
    return _WORDS.get(name, name.lower())


# A value as several settings of the same name, which add up, so that lines stay readable.
def _lines(name: str, value: str) -> List[str]:
    sign, words = ("~", value[1:].split()) if value.startswith("~") else ("", value.split())
    lines: List[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{name}={sign}{word}")
    return lines or [f"{name}={sign}"]
