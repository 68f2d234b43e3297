"""
What an execve makes of a thread's capabilities.

The rules are capabilities(7)'s, "Transformation of capabilities during execve()", in the order in
which the kernel applies them: bprm_fill_uid of fs/exec.c and cap_bprm_creds_from_file of
security/commoncap.c (6.18). Left out is what only the kernel knows: a tracer, and a working
directory shared with another process, either of which takes away what would be gained; the boot
option no_file_caps; user namespaces between the thread's own and the host's. Before 6.17 (5fc3f6c9,
"exec: Correct the permission check for unsafe exec") an effective id other than the real one clears
the ambient set too. A script's own attribute and bits count for nothing, its interpreter's do.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from typing import Optional, Tuple

from tracer.capabilities.attribute import FileCapabilities
from tracer.capabilities.names import LAST_NAMED, all_until
from tracer.capabilities.namespace import UserNamespace, inside_of
from tracer.capabilities.sets import (
    SECURE_KEEP_CAPS,
    SECURE_NOROOT,
    Credentials,
    Ids,
    Sets,
)

# Why the kernel gave what it gave.
REFUSED = "refused"  # the file insists on what the bounding set has not
ROOT = "root"
FILE = "file"
AMBIENT = "ambient"


@dataclass(frozen=True)
class Program:
    """
    What of an executable file counts: its mode, its owner and group, and what it grants.

    `nosuid`: the file system it is on is mounted so.
    """

    mode: int = 0o755
    owner: int = 0
    group: int = 0
    capabilities: Optional[FileCapabilities] = None
    nosuid: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    What an execve gives, and by which rule: REFUSED, ROOT, FILE or AMBIENT.

    `limited`: something would have been gained, and no_new_privs took it away. Refused, the
    credentials are what they were.
    """

    credentials: Credentials
    rule: str
    limited: bool = False


def execute(
    before: Credentials,
    program: Program,
    namespace: UserNamespace = UserNamespace(),
    last: int = LAST_NAMED,
) -> Outcome:
    """
    The outcome of a thread's execve of a program.

    Securebits that nobody knows are taken as 0. `last` is the kernel's last capability: bits of a
    file beyond it count for nothing.
    """
    granted = granting(program, namespace, last)
    uid, gid = _ids_after(before, program, namespace)
    permitted = _permitted_by(granted, before.sets) if granted else 0
    if granted and granted.effective and granted.permitted & ~permitted:
        return Outcome(before, REFUSED)
    rule, effective = _rule(before, uid, namespace, granted)
    if rule == ROOT:
        permitted = before.sets.bounding | before.sets.inheritable
    changed = uid != before.uids.effective or not _is_member(before, gid)
    gained = bool(permitted & ~before.sets.permitted)
    limited = bool(before.no_new_privileges) and (changed or gained)
    if limited:
        permitted &= before.sets.permitted
        uid, gid = before.uids.real, before.gids.real
    ambient = 0 if granted or changed else before.sets.ambient
    after = Sets(
        inheritable=before.sets.inheritable,
        permitted=permitted | ambient,
        effective=permitted | ambient if effective else ambient,
        bounding=before.sets.bounding,
        ambient=ambient,
    )
    return Outcome(_credentials(before, uid, gid, after), rule, limited)


def granting(
    program: Program, namespace: UserNamespace, last: int = LAST_NAMED
) -> Optional[FileCapabilities]:
    """The file's capabilities as they hold for threads of this namespace; None if they do not."""
    capabilities = program.capabilities
    if capabilities is None or program.nosuid or capabilities.root not in namespace.roots:
        return None
    return replace(
        capabilities,
        permitted=capabilities.permitted & all_until(last),
        inheritable=capabilities.inheritable & all_until(last),
    )


def _permitted_by(granted: FileCapabilities, sets: Sets) -> int:
    return sets.bounding & granted.permitted | sets.inheritable & granted.inheritable


# The set-user-ID and set-group-ID bits: bprm_fill_uid.
def _ids_after(before: Credentials, program: Program, namespace: UserNamespace) -> Tuple[int, int]:
    uid, gid = before.uids.effective, before.gids.effective
    mapped = (
        inside_of(program.owner, namespace.uid_map) is not None
        and inside_of(program.group, namespace.gid_map) is not None
    )
    if program.nosuid or before.no_new_privileges or not mapped:
        return uid, gid
    if program.mode & stat.S_ISUID:
        uid = program.owner
    if program.mode & stat.S_ISGID and program.mode & stat.S_IXGRP:
        gid = program.group
    return uid, gid


# handle_privileged_root; and whether the effective set is filled.
def _rule(
    before: Credentials,
    uid: int,
    namespace: UserNamespace,
    granted: Optional[FileCapabilities],
) -> Tuple[str, bool]:
    root = namespace.root
    effective = bool(granted and granted.effective)
    by_file = (FILE if granted else AMBIENT), effective
    if root is None or (before.securebits or 0) & SECURE_NOROOT:
        return by_file
    if granted and uid == root != before.uids.real:
        return by_file
    if root not in (uid, before.uids.real):
        return by_file
    return ROOT, effective or uid == root


def _is_member(before: Credentials, gid: int) -> bool:
    return gid == before.gids.filesystem or gid in before.groups


def _credentials(before: Credentials, uid: int, gid: int, sets: Sets) -> Credentials:
    return replace(
        before,
        uids=Ids(before.uids.real, uid, uid, uid),
        gids=Ids(before.gids.real, gid, gid, gid),
        sets=sets,
        securebits=None if before.securebits is None else before.securebits & ~SECURE_KEEP_CAPS,
    )
