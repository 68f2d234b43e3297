"""
What the recorder reads of the running kernel: the constants that `bpf/kernel.h` is compiled with.

What belongs here: the table of members, and the few facts of an architecture. A member that the
running kernel lacks is an expected error that names it.
"""

from __future__ import annotations

import os
from typing import Dict, Mapping, Tuple

from tracer.errors import HostError
from tracer.kernel.btf import TYPEDEF, TypeInformation

# constant: (structure, member)
MEMBERS = {
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_LEADER": ("task_struct", "group_leader"),
    "TASK_NAMESPACES": ("task_struct", "nsproxy"),
    "NAMESPACES_MOUNT": ("nsproxy", "mnt_ns"),
    "TASK_FILTER_COUNT": ("task_struct", "seccomp.filter_count"),
    "TASK_SECCOMP_MODE": ("task_struct", "seccomp.mode"),
    "TASK_ATOMIC_FLAGS": ("task_struct", "atomic_flags"),
    "TASK_BORN": ("task_struct", "start_boottime"),
    "TASK_PARENT": ("task_struct", "real_parent"),
    "TASK_PENDING": ("task_struct", "pending.signal"),
    "TASK_PID": ("task_struct", "pid"),
    "TASK_TGID": ("task_struct", "tgid"),
    "TASK_THREAD_PID": ("task_struct", "thread_pid"),
    "TASK_CGROUPS": ("task_struct", "cgroups"),
    "TASK_FS": ("task_struct", "fs"),
    "TASK_MM": ("task_struct", "mm"),
    "TASK_ACTIVE_MM": ("task_struct", "active_mm"),
    "TASK_FILES": ("task_struct", "files"),
    "TASK_SIGNAL": ("task_struct", "signal"),
    "SIGNAL_LIVE": ("signal_struct", "live"),
    "FILES_TABLE": ("files_struct", "fdt"),
    "TABLE_FILES": ("fdtable", "fd"),
    "TABLE_SIZE": ("fdtable", "max_fds"),
    "FILE_INODE": ("file", "f_inode"),
    "INODE_LINKS": ("inode", "i_nlink"),
    "INODE_NUMBER": ("inode", "i_ino"),
    "INODE_MODE": ("inode", "i_mode"),
    "MM_ARGUMENTS": ("mm_struct", "arg_start"),
    "MM_ARGUMENTS_END": ("mm_struct", "arg_end"),
    "MM_EXECUTABLE": ("mm_struct", "exe_file"),
    "PID_LEVEL": ("pid", "level"),
    "PID_NUMBERS": ("pid", "numbers"),
    "UPID_NR": ("upid", "nr"),
    "UPID_NS": ("upid", "ns"),
    "PID_NAMESPACE_INUM": ("pid_namespace", "ns.inum"),
    "PID_NAMESPACE_FIRST": ("pid_namespace", "child_reaper"),
    "CSS_SET_DEFAULT": ("css_set", "dfl_cgrp"),
    "CGROUP_NODE": ("cgroup", "kn"),
    "CGROUP_PARENT": ("cgroup", "self.parent"),
    "STATE_CGROUP": ("cgroup_subsys_state", "cgroup"),
    "NODE_NAME": ("kernfs_node", "name"),
    "FS_ROOT": ("fs_struct", "root"),
    "PATH_MOUNT": ("path", "mnt"),
    "PATH_DENTRY": ("path", "dentry"),
    "FILE_PATH": ("file", "f_path"),
    "DENTRY_PARENT": ("dentry", "d_parent"),
    "DENTRY_HASH": ("dentry", "d_name.hash_len"),
    "DENTRY_NAME": ("dentry", "d_name.name"),
    "VFSMOUNT_ROOT": ("vfsmount", "mnt_root"),
    "MOUNT_VFSMOUNT": ("mount", "mnt"),
    "MOUNT_PARENT": ("mount", "mnt_parent"),
    "MOUNT_NAMESPACE": ("mount", "mnt_ns"),
    "MOUNT_POINT": ("mount", "mnt_mountpoint"),
}

# What only one architecture has: how it marks a 32-bit call, where a call's arguments are.
MACHINES = {
    "x86_64": {
        "TASK_STATUS": ("task_struct", "thread_info.status"),
        "TASK_SYSCALL_WORK": ("task_struct", "thread_info.syscall_work"),
        "REGISTERS_CS": ("pt_regs", "cs"),
        "REGISTERS_CX": ("pt_regs", "cx"),
        "REGISTERS_IP": ("pt_regs", "ip"),
        "REGISTERS_R11": ("pt_regs", "r11"),
        "REGISTERS_FLAGS": ("pt_regs", "flags"),
        "REGISTERS_FIRST": ("pt_regs", "di"),
        "REGISTERS_SECOND": ("pt_regs", "si"),
        "REGISTERS_THIRD": ("pt_regs", "dx"),
        "REGISTERS_FOURTH": ("pt_regs", "r10"),
        "REGISTERS_FIFTH": ("pt_regs", "r8"),
        "REGISTERS_SIXTH": ("pt_regs", "r9"),
        "REGISTERS_NUMBER": ("pt_regs", "orig_ax"),
    },
    # From arch/arm64 of kernel 6.12, compiled by a test, and run in an emulated machine only.
    "aarch64": {
        "TASK_THREAD_FLAGS": ("task_struct", "thread_info.flags"),
        "REGISTERS_PSTATE": ("pt_regs", "user_regs.pstate"),
        "REGISTERS_FIRST": ("pt_regs", "orig_x0"),  # x0 is where the result comes to stand
        "REGISTERS_SECOND": ("pt_regs", "user_regs.regs"),
        "REGISTERS_THIRD": ("pt_regs", "user_regs.regs"),
        "REGISTERS_FOURTH": ("pt_regs", "user_regs.regs"),
        "REGISTERS_FIFTH": ("pt_regs", "user_regs.regs"),
        "REGISTERS_SIXTH": ("pt_regs", "user_regs.regs"),
        "REGISTERS_NUMBER": ("pt_regs", "syscallno"),
    },
}

# How far into its member a constant points: x1 to x5 in the array of registers.
INTO = {
    "aarch64": {
        "REGISTERS_SECOND": 8,
        "REGISTERS_THIRD": 16,
        "REGISTERS_FOURTH": 24,
        "REGISTERS_FIFTH": 32,
        "REGISTERS_SIXTH": 40,
    }
}

SIZES = {"UPID_SIZE": "upid"}


def constants(types: TypeInformation, machine: str = os.uname().machine) -> Dict[str, int]:
    """
    The constants for `bpf/kernel.h`, by name: byte offsets and sizes, and the machine's switch.

    Raises HostError for a machine without a layout and for a kernel that lacks a member.
    """
    if machine not in MACHINES:
        raise HostError(
            f"system calls of the architecture {machine} cannot be recorded",
            f"recording works on {' and '.join(sorted(MACHINES))}",
        )
    found = {f"RECORDER_{machine.upper()}": 1}
    found.update(offsets(types, {**MEMBERS, **MACHINES[machine]}))
    for name, structure in SIZES.items():
        found[name] = _known(types.size(structure), f"struct {structure}")
    for name, further in INTO.get(machine, {}).items():
        found[name] += further
    return found


def arguments(types: TypeInformation, machine: str = os.uname().machine) -> Dict[str, int]:
    """Where a kernel's function has its arguments in pt_regs, when it begins. Raises HostError."""
    if machine == "aarch64":
        first = _known(types.offset("pt_regs", "user_regs.regs"), "struct pt_regs, user_regs.regs")
        places = [first + 8 * number for number in range(4)]
    else:
        found = offsets(types, {name: ("pt_regs", name) for name in ("di", "si", "dx", "cx")})
        places = list(found.values())
    names = ("ARGUMENT_FIRST", "ARGUMENT_SECOND", "ARGUMENT_THIRD", "ARGUMENT_FOURTH")
    return dict(zip(names, places))


def offsets(types: TypeInformation, members: Mapping[str, Tuple[str, str]]) -> Dict[str, int]:
    """Where members lie, as MEMBERS names them. Raises HostError for what this kernel lacks."""
    return {
        name: _known(types.offset(structure, member), f"struct {structure}, {member}")
        for name, (structure, member) in members.items()
    }


def tracepoint_type(types: TypeInformation, name: str) -> int:
    """
    The BTF id by which a program attaches to a raw tracepoint (include/trace/bpf_probe.h).

    Raises HostError if the kernel has no such tracepoint.
    """
    return _known(types.type_id(TYPEDEF, f"btf_trace_{name}"), f"tracepoint {name}")


def has_tracepoint(types: TypeInformation, name: str) -> bool:
    """Say whether the kernel has such a raw tracepoint."""
    return types.type_id(TYPEDEF, f"btf_trace_{name}") is not None


def function_type(types: TypeInformation, name: str) -> int:
    """
    The BTF id by which a program attaches to a function.

    Raises HostError if the kernel has no such function, or has it only as a part of others.
    """
    return _known(types.function_id(name), f"function {name}")


def _known(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise HostError(
            f"this kernel has no {what}", "kernel 5.14 or newer is needed; please report this one"
        )
    return value
