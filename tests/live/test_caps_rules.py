"""
The rules of execve against the kernel: threads of every kind execute programs of every kind.

Each case is a child that makes itself such a thread, tells what it is, and executes a program that
prints what became of it. What is predicted from the former must be the latter.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import struct
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import pytest

from tracer.capabilities.attribute import ATTRIBUTE, decode
from tracer.capabilities.execution import AMBIENT, FILE, REFUSED, ROOT, Program, execute
from tracer.capabilities.names import mask_of, numbers_in
from tracer.capabilities.namespace import Extent, UserNamespace
from tracer.capabilities.sets import SECURE_NOROOT, Credentials, Ids, read_status
from tracer.container.process import last_capability

CASES = 150
SEED = 6
PRINTS = "/bin/cat"
STATUS = "/proc/self/status"

# The capabilities that cases are made of, and the ids.
SOME = tuple(1 << number for number in numbers_in(mask_of(["chown", "kill", "setuid", "net_raw"])))
USER, OTHER = 1024, 2048
MAPPED = Extent(0, 100000, 65536)

# linux/prctl.h, linux/securebits.h, linux/sched.h, linux/capability.h.
PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_CAP_AMBIENT = 28, 38, 24, 47
PR_CAP_AMBIENT_RAISE = 2
NO_SETUID_FIXUP = 1 << 2
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Thread:
    """
    What a child makes itself. `inside`: root of a user namespace of its own at first.
    """

    inheritable: int = 0
    permitted: int = 0
    effective: int = 0
    bounding: int = 0
    ambient: int = 0
    uids: tuple[int, int] = (USER, USER)
    securebits: int = 0
    no_new_privileges: bool = False
    inside: bool = False


def attribute(permitted: int, inheritable: int, effective: bool, root: Optional[int]) -> bytes:
    version = 2 if root is None else 3
    words = [permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF, permitted >> 32, inheritable >> 32]
    words += [] if root is None else [root]
    return struct.pack(f"<{1 + len(words)}I", version << 24 | effective, *words)


def call(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def capset(inheritable: int, permitted: int, effective: int) -> None:
    header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
    sets = (effective, permitted, inheritable)
    low, high = ([one >> shift & 0xFFFFFFFF for one in sets] for shift in (0, 32))
    call(libc.capset(header, struct.pack("<6I", *low, *high)))


def become(thread: Thread, own: int) -> None:
    """
    Make this process such a thread; `own` is what it holds now, within its user namespace.
    """
    ambient = thread.ambient & thread.permitted & thread.inheritable
    capset(thread.inheritable, own, own)
    for number in numbers_in(ambient):
        call(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0))
    for number in numbers_in(own & ~thread.bounding):
        call(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0))
    call(libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0))
    real, effective = thread.uids
    os.setgroups([])
    os.setresgid(real, real, real)
    os.setresuid(real, effective, effective)
    call(libc.prctl(PR_SET_SECUREBITS, thread.securebits, 0, 0, 0))
    capset(thread.inheritable, thread.permitted, thread.effective & thread.permitted)
    if thread.no_new_privileges:
        call(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def executed(thread: Thread, path: Path) -> tuple[str, str]:
    """
    The status of a child that became this thread, and its status after it executed the program,
    which is empty if it was refused.
    """
    program = os.open(path, os.O_PATH | os.O_CLOEXEC)
    before, after, mapped = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _live_as(thread, program, before[1], after[1], mapped)
    for descriptor in (before[1], after[1], mapped[0], program):
        os.close(descriptor)
    status = os.fdopen(before[0])
    if thread.inside:
        assert status.readline() == "unshared\n"
        for name in ("uid_map", "gid_map"):
            line = f"{MAPPED.inside} {MAPPED.outside} {MAPPED.count}"
            Path(f"/proc/{child}/{name}").write_text(line)
    os.close(mapped[1])
    with status, os.fdopen(after[0]) as answer:
        told = status.read(), answer.read()
    os.waitpid(child, 0)
    return told


def _live_as(
    thread: Thread, program: int, before: int, after: int, mapped: tuple[int, int]
) -> None:
    try:
        os.close(mapped[1])
        if thread.inside:
            call(libc.unshare(CLONE_NEWUSER))
            os.write(before, b"unshared\n")
            os.read(mapped[0], 1)
            os.setresuid(0, 0, 0)
        own = read_status(Path(STATUS).read_text()).credentials.sets.permitted
        become(thread, own)
        os.write(before, Path(STATUS).read_bytes())
        os.close(before)
        os.dup2(after, 1)
        os.execve(program, ["cat", STATUS], {})
    except PermissionError:
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        os._exit(2)


def as_host_sees(status: str) -> Credentials:
    """
    A status that was read inside the user namespace, as it would be read outside.
    """
    credentials = read_status(status).credentials

    def shifted(ids: Ids) -> Ids:
        every = (ids.real, ids.effective, ids.saved, ids.filesystem)
        return Ids(*(number + MAPPED.outside for number in every))

    return replace(credentials, uids=shifted(credentials.uids), gids=shifted(credentials.gids))


def judge(thread: Thread, path: Path, program: Program) -> tuple[str, str]:
    """
    The rule that is predicted, and nothing if the kernel does so; else the case, for a person.
    """
    read: Callable[[str], Credentials] = (
        as_host_sees if thread.inside else lambda text: read_status(text).credentials
    )
    before, after = executed(thread, path)
    namespace = UserNamespace(1, (MAPPED,), (MAPPED,)) if thread.inside else UserNamespace()
    credentials = replace(read(before), securebits=thread.securebits)
    outcome = execute(credentials, program, namespace, last_capability())
    if not after:
        right = outcome.rule == REFUSED
    else:
        found, expected = read(after), outcome.credentials
        right = (found.sets, found.uids, found.gids) == (
            expected.sets,
            expected.uids,
            expected.gids,
        )
    case = f"\n{thread}\n{program}\nbefore {credentials}\n{outcome}\n{after}"
    return outcome.rule, "" if right else case


@pytest.fixture(scope="module")
def programs(scratch: Path) -> Iterator[list[tuple[Path, Program]]]:
    """
    Copies of a program that prints a file, with many modes, owners and attributes.
    """
    directory = scratch / "rules"
    directory.mkdir()
    chance = random.Random(SEED)
    found = []
    for number in range(40):
        path = directory / str(number)
        shutil.copyfile(PRINTS, path)
        owner = chance.choice([0, USER, MAPPED.outside, MAPPED.outside + USER])
        os.chown(path, owner, owner)
        mode = chance.choice([0o755, 0o755, 0o4755, 0o2755, 0o6755])
        path.chmod(mode)
        program = Program(mode, owner, owner)
        if number % 4:
            root = chance.choice([None, None, MAPPED.outside, USER])
            granted = some(chance), some(chance), chance.random() < 0.6, root
            os.setxattr(path, ATTRIBUTE, attribute(*granted))
            program = replace(program, capabilities=decode(attribute(*granted)))
        found.append((path, program))
    yield found
    shutil.rmtree(directory)


def some(chance: random.Random) -> int:
    return sum(one for one in SOME if chance.random() < 0.4)


# Before 6.17 kernels treat an effective id other than the real one as a change of ids, which counts
# under no_new_privs and for the ambient set: cases have one or the other.
def any_thread(chance: random.Random, *, inside: bool) -> Thread:
    user = chance.choice([0, USER])
    uids = (user, chance.choice([user, user, user, 0, USER, OTHER]))
    permitted = some(chance) | some(chance)
    return Thread(
        inheritable=some(chance),
        permitted=permitted,
        effective=some(chance),
        bounding=some(chance) | some(chance),
        ambient=permitted if len(set(uids)) == 1 else 0,
        uids=uids,
        securebits=chance.choice([0, 0, 0, SECURE_NOROOT]),
        no_new_privileges=len(set(uids)) == 1 and chance.random() < 0.35,
        inside=inside,
    )


@pytest.mark.parametrize("inside", [False, True], ids=["host", "user namespace"])
def test_what_is_predicted_is_what_the_kernel_does(
    programs: list[tuple[Path, Program]], inside: bool
):
    """
    Every set and id after an execve is the predicted one, or the execve is refused as predicted.
    """
    chance = random.Random(SEED)
    cases = [(any_thread(chance, inside=inside), *chance.choice(programs)) for _ in range(CASES)]

    judged = [judge(*case) for case in cases]

    wrong = [case for _, case in judged if case]
    assert len(wrong) == 0, f"{len(wrong)} of {len(cases)}: {''.join(wrong[:3])}"
    assert {rule for rule, _ in judged} == {ROOT, FILE, AMBIENT, REFUSED}
