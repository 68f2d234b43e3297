"""
What is started and executed to measure a runtime: the options that change its calls.

Tables and documents only; nothing here runs anything. A floor has to hold for every option that a
user may start the container with later, so the samples are spread over these. The documents are
those that podman and docker write, as far as a runtime looks at them once the filter is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from tracer.session.marker import MARKER

CGROUP = "seccomp-trace-measuring"  # where runtimes that make cgroups make theirs
ENDS, LASTS = "true", "lasts"  # the programs, in DIRECTORY of the container's root
DIRECTORY = "/bin"
PATH = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:{DIRECTORY}"

DEFAULT = tuple(
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE CAP_SETFCAP "
    "CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT".split()
)
MORE = (*DEFAULT, "CAP_NET_RAW", "CAP_MKNOD", "CAP_AUDIT_WRITE")
ERRNO = {"EPERM": 1, "ENOSYS": 38}


@dataclass(frozen=True)
class Variant:
    """
    Options of a container, or of what is executed in it.

    `granted` (capabilities) None: the engines' default; a user other than root has them as engines
    give them, in the bounding set alone, but with `ambient` in all sets.
    """

    user: int = 0
    group: int = 0
    groups: Tuple[int, ...] = ()
    granted: Tuple[str, ...] = DEFAULT
    ambient: bool = False
    terminal: bool = False
    directory: str = "/"
    environment: Tuple[str, ...] = ()
    read_only: bool = False
    user_namespace: bool = False
    tmpfs: bool = False


# Of a container: what its first process, and by default what is executed in it, start with.
CONTAINERS: Tuple[Variant, ...] = (
    Variant(),
    Variant(user=65534, group=65534),
    Variant(read_only=True),
    Variant(granted=()),
    Variant(terminal=True),
    Variant(groups=(10,)),
    Variant(granted=MORE),
    Variant(user=4321, granted=("CAP_CHOWN", "CAP_KILL"), ambient=True),
    Variant(directory="/tmp"),
    Variant(user=65534, groups=(20,), granted=()),
    Variant(environment=("GREETING=hello", "HOME=/tmp")),
    Variant(user=65534, terminal=True, directory="/etc"),
    Variant(granted=MORE, tmpfs=True),
    Variant(user=65534, group=65534, groups=(65534, 20), directory="/tmp"),
    Variant(user_namespace=True),
)

# Of an exec.
EXECS: Tuple[Variant, ...] = (
    Variant(),
    Variant(user=65534, group=65534),
    Variant(terminal=True),
    Variant(directory="/tmp"),
    Variant(groups=(10, 20)),
    Variant(granted=()),
    Variant(user=4321, terminal=True, directory="/tmp"),
    Variant(environment=("GREETING=hello", "HOME=/tmp")),
    Variant(user=0, group=20, granted=("CAP_CHOWN", "CAP_KILL")),
    Variant(user=4321, granted=("CAP_CHOWN", "CAP_KILL"), ambient=True),
)

# Ways to start a container, and to execute a program in it. `{runtime}` begins each call. Engines
# create and start, and execute detached; `run` is for those who call the runtime themselves.
CREATE = "{runtime} create {terminal} --bundle {bundle} {id} && {runtime} start {id}"
RUN = "{runtime} run --detach {terminal} --bundle {bundle} {id}"
STARTS: Tuple[str, ...] = (CREATE, CREATE, RUN)
DETACHED = "{runtime} exec --detach {terminal} --process {process} {id}"
ATTACHED = "{runtime} exec --process {process} {id}"
EXEC_WAYS: Tuple[str, ...] = (DETACHED, ATTACHED)
# What of a terminal is needed: it is sent to this socket.
TERMINAL = "--console-socket {socket}"

# A program that is searched for, and one that is not.
PROGRAMS = (ENDS, f"{DIRECTORY}/{ENDS}")

MASKED = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
NAMESPACES = ("pid", "ipc", "uts", "mount")


@dataclass(frozen=True)
class Refusal:
    """The calls that a filter refuses, and with which error; none: it refuses nothing."""

    calls: Tuple[str, ...] = ()
    answer: str = ""


NOTHING = Refusal()
NO_CALL = "seccomp_trace_"


@dataclass(frozen=True)
class Start:
    """One start: which number of all, which chooses its variant, and what is refused to it."""

    number: int
    refusal: Refusal = NOTHING

    @property
    def variant(self) -> Variant:
        """The container's options."""
        return CONTAINERS[self.number % len(CONTAINERS)]

    @property
    def way(self) -> str:
        """How it is started."""
        return STARTS[self.number // len(CONTAINERS) % len(STARTS)]

    @property
    def program(self) -> str:
        """What the container runs."""
        return PROGRAMS[self.number % len(PROGRAMS)]


@dataclass(frozen=True)
class Execution:
    """One exec in a container: the container's number, and which number of execs this is."""

    container: int
    number: int

    @property
    def variant(self) -> Variant:
        """The options of the exec."""
        return EXECS[(self.container + self.number) % len(EXECS)]

    @property
    def way(self) -> str:
        """How it is executed."""
        way = EXEC_WAYS[(self.container + self.number // len(EXECS)) % len(EXEC_WAYS)]
        return DETACHED if self.variant.terminal else way

    @property
    def program(self) -> str:
        """What is executed."""
        return PROGRAMS[self.number % len(PROGRAMS)]


def spread_starts(numbers: Sequence[int]) -> Tuple[int, ...]:
    """
    Return these starts in an order in which each variant comes once before any comes again. The
    ways to start them are mixed.
    """
    kinds: Dict[int, List[int]] = {}
    for number in numbers:
        kinds.setdefault(number % len(CONTAINERS), []).append(number)
    turns = [
        (turn, kind, fitting[(turn + kind) % len(fitting)])
        for kind, fitting in kinds.items()
        for turn in range(len(fitting))
    ]
    return tuple(number for _, _, number in sorted(turns))


def variants_among(numbers: Sequence[int]) -> int:
    """Return how many variants of a container these starts have."""
    return len({number % len(CONTAINERS) for number in numbers})


def spread_containers(numbers: Sequence[int]) -> Tuple[int, ...]:
    """
    Return one or two of these containers, in which the fewest rounds make every variant of an exec.
    """
    distance = len(EXECS) // 2
    first, others = numbers[:1], numbers[1:]
    far = [number for number in others if (number - first[0]) % len(EXECS) == distance]
    return tuple((*first, *(far or others)[:1]))


def bundle(
    variant: Variant, program: str, no_new_privileges: bool, refusal: Refusal, name: str
) -> Dict[str, object]:
    """Return the config.json of a container; its root is `rootfs` two directories above."""
    return {
        "ociVersion": "1.0.2",
        "process": process(variant, program, no_new_privileges),
        "root": {"path": "../../rootfs", "readonly": variant.read_only},
        "hostname": "measured",
        "mounts": _mounts(variant),
        "linux": {
            **_namespaces(variant),
            "cgroupsPath": f"/{CGROUP}/{name}",
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": filter_of(refusal),
        },
    }


def process(variant: Variant, program: str, no_new_privileges: bool) -> Dict[str, object]:
    """Return the description of a process: a part of config.json, and what `exec` is given."""
    return {
        "terminal": variant.terminal,
        "user": {
            "uid": variant.user,
            "gid": variant.group,
            "additionalGids": list(variant.groups),
        },
        "args": [program],
        "env": [f"PATH={PATH}", *variant.environment],
        "cwd": variant.directory,
        "capabilities": _capabilities(variant),
        "noNewPrivileges": no_new_privileges,
    }


def _capabilities(variant: Variant) -> Dict[str, Sequence[str]]:
    held = variant.granted if variant.ambient or not variant.user else ()
    sets: Dict[str, Sequence[str]] = {"bounding": variant.granted}
    sets.update(dict.fromkeys(("effective", "permitted"), held))
    if variant.ambient:
        sets.update(dict.fromkeys(("inheritable", "ambient"), held))
    return sets


def filter_of(refusal: Refusal) -> Mapping[str, object]:
    """
    Return a filter that refuses just these calls; the marker filter if there are none.

    crun keeps compiled filters and finds them by a checksum that leaves the errno of a rule out
    (src/libcrun/seccomp.c, calculate_seccomp_checksum): two filters that differ in it alone would
    be one. So each names, too, a call that no kernel has, and that runtimes leave out.
    """
    if not refusal.calls:
        return MARKER
    rule = {
        "names": [*refusal.calls, f"{NO_CALL}{refusal.answer.lower()}"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": ERRNO[refusal.answer],
    }
    return {**MARKER, "syscalls": [rule]}


def _namespaces(variant: Variant) -> Dict[str, object]:
    kinds = (*NAMESPACES, "user") if variant.user_namespace else NAMESPACES
    namespaces: Dict[str, object] = {"namespaces": [{"type": kind} for kind in kinds]}
    if variant.user_namespace:
        mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        namespaces.update(uidMappings=mapping, gidMappings=mapping)
    return namespaces


def _mounts(variant: Variant) -> List[Dict[str, object]]:
    plain = ["nosuid", "noexec", "nodev"]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    found = [
        _mount("/proc", "proc", plain),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", terminals),
        _mount("/dev/mqueue", "mqueue", plain),
    ]
    return [*found, _mount("/run", "tmpfs", plain)] if variant.tmpfs else found


def _mount(place: str, kind: str, options: Sequence[str]) -> Dict[str, object]:
    return {"destination": place, "type": kind, "source": kind, "options": list(options)}
