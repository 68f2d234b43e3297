"""
What this host's kernel can do for us: findings, never versions compared.

The last question settles it: whether the recorder really loads. The others say why not.
"""

from __future__ import annotations

import ctypes
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Callable, List, Sequence

from tracer.errors import HostError, SeccompTraceError
from tracer.finding import Finding, bad, good, note
from tracer.kernel import audit, btf, checks, layout, preemption, program, symbols

# capabilities(7), include/uapi/linux/capability.h
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39

BPFFS = Path("/sys/fs/bpf")
CGROUPS = Path("/sys/fs/cgroup")
LOCKDOWN = Path("/sys/kernel/security/lockdown")


def findings() -> List[Finding]:
    """Everything about the kernel and what loads programs into it, in the order of a start."""
    questions: Sequence[Callable[[], Finding]] = (
        privilege,
        kernel,
        type_information,
        lockdown,
        compiler,
        recorder,
        programs,
        capability_checks,
        audit_messages,
        bpf_filesystem,
        control_groups,
        seccomp_library,
        call_tables,
    )
    return [question() for question in questions]


def privilege() -> Finding:
    """Whether this process may load tracing programs: bpf(2), capabilities(7)."""
    held = int(_status("CapEff:") or "0", 16)
    able = held >> CAP_SYS_ADMIN & 1 or (held >> CAP_BPF & 1 and held >> CAP_PERFMON & 1)
    if os.geteuid() == 0 and able:
        return good("privilege", "root, with the capabilities to load BPF programs")
    who = "root without CAP_BPF and CAP_PERFMON" if os.geteuid() == 0 else "not root"
    return bad("privilege", who, "run with sudo, outside of containers")


def kernel() -> Finding:
    """The running kernel and the architecture."""
    name, machine = os.uname().release, platform.machine()
    if machine not in layout.MACHINES:
        return bad("kernel", f"{name} on {machine}", f"works on {', '.join(layout.MACHINES)}")
    if machine == "aarch64":
        remedy = "it was run there in an emulated machine only: compare"
        return note("kernel", f"{name} on {machine}", remedy)
    return good("kernel", f"{name} on {machine}")


def type_information() -> Finding:
    """BTF, and in it every member that the recorder reads and every tracepoint that it needs."""
    try:
        types = btf.read()
        layout.constants(types)
        for name, tracepoint in program.RECORDER.programs.items():
            if name not in program.RECORDER.optional:
                layout.tracepoint_type(types, tracepoint)
    except SeccompTraceError as error:
        return bad("BTF", error.message, error.hint)
    return good("BTF", f"{btf.VMLINUX} has all that the recorder reads")


def lockdown() -> Finding:
    """Kernel lockdown: in confidentiality mode no program may read kernel memory."""
    try:
        modes = LOCKDOWN.read_text(encoding="ascii")
    except OSError:
        return good("lockdown", "this kernel has none, or does not say")
    if "[confidentiality]" in modes:
        return bad("lockdown", "confidentiality mode", "boot with lockdown=integrity or less")
    return good("lockdown", modes.strip())


def compiler() -> Finding:
    """bcc, the distribution's and not PyPI's."""
    try:
        version, place = program.version()
    except HostError as error:
        return bad("bcc", error.message, error.hint)
    return good("bcc", f"{version} in {os.path.dirname(place)}")


def recorder() -> Finding:
    """Whether the recorder loads and attaches: it is taken out again at once."""
    try:
        program.load().close()
    except SeccompTraceError as error:
        return bad("recorder", error.message, error.hint)
    return good("recorder", "loads and attaches")


def programs() -> Finding:
    """How programs are attached, so that the kernel runs them each time."""
    if preemption.is_classic():
        return good("programs", "at trace events: this kernel preempts them at raw tracepoints")
    preempted = preemption.is_preemptible()
    if preempted is False:
        return good("programs", "at raw tracepoints, where this kernel preempts none")
    told = "this kernel preempts them" if preempted else "nobody can tell whether it preempts them"
    remedy = "skipped runs make a recording incomplete"
    needed = f"tracefs and perf events are needed, or {remedy}" if preempted else remedy
    return note("programs", f"at raw tracepoints, and {told}", needed)


def capability_checks() -> Finding:
    """Whether checks of capabilities can be noted, and how it is known which are meant."""
    try:
        way = checks.try_out()
    except HostError as error:
        needed = "not needed by run; for caps required: kernel 6.14, or one that allows fexit"
        return note("capabilities", error.message, needed)
    if way.returns or way.entries:
        place = "returns (fexit)" if way.returns else "begins (kprobe)"
        how = f"where the function cap_capable {place}, and its options tell"
        return good("capabilities", f"checks are noted {how} which the kernel means")
    if not symbols.are_shown():
        hidden = "kernel.kptr_restrict hides the kernel's functions: a table tells what is meant"
        return note("capabilities", hidden, "for caps required: sysctl kernel.kptr_restrict=1")
    how = "by the tracepoint cap_capable, and the stack tells"
    return good("capabilities", f"checks are noted {how} which the kernel means")


def audit_messages() -> Finding:
    """Whether `watch` hears of what is logged or killed: errors it sees without."""
    try:
        audit.Audit().__exit__()
    except HostError as error:
        return note("audit", error.message, f"not needed by run; for watch: {error.hint}")
    silent = audit.unlogged()
    if silent:
        text = (
            f"of {', '.join(silent)} nothing is logged: no LOG is seen, nor which way one is killed"
        )
        return note("audit", text, f"sysctl kernel.seccomp.actions_logged ({audit.ACTIONS_LOGGED})")
    return good("audit", "messages can be read")


def bpf_filesystem() -> Finding:
    """bpffs, where what outlives a process would be pinned."""
    if _is_mounted(BPFFS, "bpf"):
        return good("bpffs", f"mounted on {BPFFS}")
    return note(
        "bpffs", f"not mounted on {BPFFS}", "not needed by run: mount -t bpf bpf /sys/fs/bpf"
    )


def control_groups() -> Finding:
    """Which hierarchy of control groups the host has: cgroups(7)."""
    if _is_mounted(CGROUPS, "cgroup2"):
        return good("cgroups", "version 2")
    if _is_mounted(CGROUPS / "unified", "cgroup2"):
        return good("cgroups", "version 1, with version 2 beside it (hybrid)")
    if CGROUPS.is_dir():
        return good("cgroups", "version 1")
    return note("cgroups", f"not mounted on {CGROUPS}", "engines need them: see cgroups(7)")


def seccomp_library() -> Finding:
    """libseccomp, by which runtimes read a profile: seccomp_version(3)."""

    class Version(ctypes.Structure):
        """struct scmp_version."""

        _fields_ = [(name, ctypes.c_uint) for name in ("major", "minor", "micro")]

    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return note("libseccomp", "not found", "runc and crun come with it or need it")
    library.seccomp_version.restype = ctypes.POINTER(Version)
    version = library.seccomp_version().contents
    return good("libseccomp", f"{version.major}.{version.minor}.{version.micro}")


def call_tables() -> Finding:
    """The package that names system calls."""
    try:
        return good("system-calls", metadata.version("system-calls"))
    except metadata.PackageNotFoundError:
        return bad("system-calls", "not installed", "pip install system-calls")


def _status(field: str) -> str:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith(field):
                return line.split()[1]
    return ""


def _is_mounted(place: Path, kind: str) -> bool:
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        return any(line.split(" ")[1:3] == [str(place), kind] for line in mounts)
