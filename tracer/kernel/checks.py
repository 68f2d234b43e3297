"""
The capability checks that the kernel side notes, as a session sees them: `bpf/capabilities.c`.

What belongs here: the bytes of `bpf/capabilities.h`, and who asked, by the functions on the stack.
What does not: what of it a container needs (`tracer.capabilities`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import AbstractSet, Dict, List, Mapping, Optional, Tuple

from tracer.errors import HostError
from tracer.kernel import bpf, btf, divided_maps, layout, preemption, program, symbols, wire

FRAMES, EXTENTS = 6, 5
HOSTS, CONTAINERS, INNER = range(3)
UNTOLD, AUDITED, UNAUDITED = range(3)
OVERCOMMIT = 1  # the site of memory accounting, of which no stack is kept

KEY = struct.Struct("=QQQIIBBBBI")
CHECK = struct.Struct("=QQ6QI4x16s")
HOLDER = struct.Struct("=QQQQQQQQQQIIII60sI")
EXTENT = struct.Struct("=III")
STATE = struct.Struct("=Q")

SOURCE = program.Source(
    "capabilities.c",
    MappingProxyType({"on_check": "cap_capable", "on_program": "sched_process_exec"}),
    ("threads", "checks", "holders", "check_state", "blank_check"),
)
# Kernels before 6.14 have no such tracepoint; there is a function of that name in all of them.
AT_RETURN = replace(SOURCE, returns=frozenset({"on_check"}))
# The same where it begins, where the kernel preempts what runs at its return.
AT_ENTRY = replace(SOURCE, entries=frozenset({"on_check"}))
# Beside the recorder that stays.
RESIDENT = replace(SOURCE, maps=(*SOURCE.maps, "others_checks", "others_holders", "recordings"))
CAPACITY = MappingProxyType({"MAX_CHECKS": 65536, "MAX_HOLDERS": 4096})

# What the programs read of credentials besides, by its constant.
MEMBERS = {
    "TASK_REAL_CRED": ("task_struct", "real_cred"),
    "CRED_UID": ("cred", "uid"),
    "CRED_GID": ("cred", "gid"),
    "CRED_SUID": ("cred", "suid"),
    "CRED_SGID": ("cred", "sgid"),
    "CRED_EUID": ("cred", "euid"),
    "CRED_INHERITABLE": ("cred", "cap_inheritable"),
    "CRED_PERMITTED": ("cred", "cap_permitted"),
    "CRED_EFFECTIVE": ("cred", "cap_effective"),
    "CRED_BOUNDING": ("cred", "cap_bset"),
    "CRED_AMBIENT": ("cred", "cap_ambient"),
    "CRED_NAMESPACE": ("cred", "user_ns"),
    "CRED_GROUPS": ("cred", "group_info"),
    "CRED_SECUREBITS": ("cred", "securebits"),
    "USER_NAMESPACE_LEVEL": ("user_namespace", "level"),
    "USER_NAMESPACE_PARENT": ("user_namespace", "parent"),
    "USER_NAMESPACE_OWNER": ("user_namespace", "owner"),
    "USER_NAMESPACE_UID_MAP": ("user_namespace", "uid_map.extent"),
    "USER_NAMESPACE_EXTENTS": ("user_namespace", "uid_map.nr_extents"),
}

# What it reads of the record of the trace event, where that is how it is attached.
RECORD = {
    "EVENT_CRED": ("trace_event_raw_cap_capable", "cred"),
    "EVENT_NAMESPACE": ("trace_event_raw_cap_capable", "target_ns"),
    "EVENT_CAPABILITY": ("trace_event_raw_cap_capable", "cap"),
    "EVENT_ANSWER": ("trace_event_raw_cap_capable", "ret"),
}

# What is between a check and who asked for it: kernel/capability.c, security/, include/linux/.
ASKING = frozenset(
    "cap_capable cap_capable_helper security_capable capable ns_capable ns_capable_setid "
    "ns_capable_common file_ns_capable capable_wrt_inode_uidgid has_capability "
    "has_ns_capability inode_owner_or_capable sk_capable sk_ns_capable sk_net_capable "
    "netlink_capable netlink_ns_capable netlink_net_capable perfmon_capable "
    "__traceiter_cap_capable __bpf_trace_cap_capable trace_call_bpf perf_trace_cap_capable".split()
)
# The same, where the kernel does not mean it: they set CAP_OPT_NOAUDIT.
UNMEANT = frozenset(
    "ns_capable_noaudit has_ns_capability_noaudit has_capability_noaudit "
    "security_vm_enough_memory_mm cap_vm_enough_memory kallsyms_show_value "
    "ptracer_capable".split()
)
ACCOUNTING = "security_vm_enough_memory_mm"


@dataclass(frozen=True)
class Check:
    """
    One kind of check, `count` times; `first` in ns of CLOCK_BOOTTIME.

    `namespace`: HOSTS, CONTAINERS or INNER. `idle`: the call's arguments say that the answer makes
    no difference. `audited`: whether the kernel means it; None if nothing tells. `caller`: the
    function that asked, or empty.
    """

    recording: int
    executable: int
    architecture: int
    number: int
    capability: int
    namespace: int
    granted: bool
    idle: bool
    audited: Optional[bool]
    caller: str
    count: int
    first: int
    thread: int
    comm: str


@dataclass(frozen=True)
class Holder:
    """
    What a recording's first program held: masks. `level`: 0 in the host's user namespace.

    `checks`: kinds that were noted, `lost`: checks that were not; `since`: the first of all, ns of
    CLOCK_BOOTTIME. `executable`: whose execve gave it that, EXECUTABLE_UNKNOWN if nobody saw it;
    `uid_map`: `extents` times an EXTENT, of which no more than EXTENTS are known.
    """

    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int
    namespace: int
    checks: int
    lost: int
    since: int
    executable: int
    user: int
    level: int
    real_user: int
    securebits: int
    uid_map: bytes
    extents: int


def uid_map_of(holder: Holder) -> Optional[Tuple[Tuple[int, int, int], ...]]:
    """The lines of its user namespace's uid_map: inside, outside, count. None if they are many."""
    if holder.extents > EXTENTS:
        return None
    lines = EXTENT.iter_unpack(holder.uid_map[: holder.extents * EXTENT.size])
    return tuple((inside, outside, count) for inside, outside, count in lines)


def load(threads: int) -> program.Loaded:
    """
    Note the checks of the tasks that a recorder records from now on, by its map.

    Raises HostError, see `program.load`.
    """
    return _load({}, SOURCE.maps, {"threads": threads})


def load_to_stay(threads: int, recordings: int) -> program.Loaded:
    """The same beside a recorder that stays, by its two maps."""
    shared = {"threads": threads, "recordings": recordings}
    return _load(divided_maps.lasting(CAPACITY), RESIDENT.maps, shared)


def try_out() -> program.Source:
    """Load, attach, and take out again what notes checks; raises HostError as `load` does."""
    source = way()
    _load({}, SOURCE.maps, {}).close()
    return source


def way() -> program.Source:
    """SOURCE where the kernel has its tracepoint, AT_RETURN or AT_ENTRY where it has not."""
    types = btf.read()
    known = types.type_id(btf.TYPEDEF, f"btf_trace_{SOURCE.programs['on_check']}")
    if known is not None:
        return SOURCE
    return AT_ENTRY if preemption.needs_kprobe(types) else AT_RETURN


def constants_of(source: program.Source) -> Dict[str, int]:
    """What a source is compiled with. Raises HostError for a member that this kernel lacks."""
    types = btf.read()
    if source.entries:
        elsewhere = {"AT_ENTRY": 1, **layout.arguments(types)}
    else:
        elsewhere = {"AT_RETURN": 1} if source.returns else {}
    members = {**MEMBERS, **RECORD} if preemption.is_classic() and not elsewhere else MEMBERS
    return {**layout.offsets(types, members), **CAPACITY, **elsewhere}


def _load(
    constants: Mapping[str, int], maps: Tuple[str, ...], shared: Mapping[str, int]
) -> program.Loaded:
    source = replace(way(), maps=maps)
    constants = {**constants_of(source), **constants}
    try:
        return program.load(constants, source, shared)
    except HostError as error:
        if not source.returns and not source.entries:
            raise
        function = source.programs["on_check"]
        place = "begins" if source.entries else "returns"
        refused = f"and refuses a program where that function {place} ({error.message})"
        raise HostError(f"this kernel has no tracepoint {function}, {refused}") from error


def is_in(loaded: program.Loaded) -> bool:
    """Whether checks are noted by what is loaded."""
    return "checks" in loaded.maps


class Checks:
    """The checks that are noted by what is loaded, which stays its owner's."""

    def __init__(self, loaded: program.Loaded) -> None:
        self._programs = [loaded.programs[name] for name in SOURCE.programs]
        self._maps = loaded.maps

    def holders(self) -> Dict[int, Holder]:
        """By recording, what its first program held."""
        return {
            int(wire.ID.unpack(key)[0]): Holder(*HOLDER.unpack(value))
            for descriptor in divided_maps.parts(self._maps, "holders")
            for key, value in bpf.items(descriptor, 512)
        }

    def lost(self) -> int:
        """Checks that were not noted, nobody knows whose."""
        value = bpf.lookup(self._maps["check_state"], bytes(4), STATE.size) or bytes(STATE.size)
        skipped = sum(bpf.recursion_misses(one) for one in self._programs)
        return int(STATE.unpack(value)[0]) + skipped

    def of(self, recordings: AbstractSet[int]) -> Tuple[Check, ...]:
        """The checks of these recordings. Reading changes nothing."""
        found: List[Tuple[Tuple[int, ...], Tuple[int, ...], Tuple[int, int, int, str]]] = []
        for descriptor in divided_maps.parts(self._maps, "checks"):
            for key, value in bpf.items_of(descriptor, recordings, 1024):
                count, first, *rest = CHECK.unpack(value)
                told = (count, first, rest[FRAMES], wire.text(rest[FRAMES + 1]))
                frames = tuple(one for one in rest[:FRAMES] if one)
                found.append((KEY.unpack(key), frames, told))
        names = symbols.names_of({frame for _, frames, _ in found for frame in frames})
        return tuple(_check(fields, frames, told, names) for fields, frames, told in found)

    def release(self, ended: AbstractSet[int]) -> None:
        """Forget recordings that nobody wants, and make room."""
        for name in ("holders", "checks"):
            for key in [key for key, _ in bpf.items(self._maps[name], 1024)]:
                if wire.ID.unpack_from(key)[0] in ended:
                    bpf.delete(self._maps[name], key)


def _check(
    fields: Tuple[int, ...],
    frames: Tuple[int, ...],
    told: Tuple[int, int, int, str],
    names: Mapping[int, str],
) -> Check:
    recording, executable, site, architecture, number, *rest, audit = fields
    capability, namespace, granted, idle = rest
    count, first, thread, comm = told
    audited, caller = asker([names[frame] for frame in frames], site, audit)
    return Check(
        recording=recording,
        executable=executable,
        architecture=architecture,
        number=number,
        capability=capability,
        namespace=namespace,
        granted=bool(granted),
        idle=bool(idle),
        audited=audited,
        caller=caller,
        count=count,
        first=first,
        thread=thread,
        comm=comm,
    )


def asker(functions: List[str], site: int = 0, audit: int = UNTOLD) -> Tuple[Optional[bool], str]:
    """
    Whether a check was meant, and who asked for it, by the functions on the stack.

    Those that have no name are empty: then nobody knows. Where the kernel told whether it was
    meant, that is what counts.
    """
    if site == OVERCOMMIT:
        return False, ACCOUNTING
    if audit != UNTOLD:
        return audit == AUDITED, asker(functions)[1]
    if not functions or not functions[0]:
        return None, ""
    meant = True
    for name in functions:
        if name not in ASKING and name not in UNMEANT:
            return meant, name
        meant = meant and name not in UNMEANT
    return meant, ""
