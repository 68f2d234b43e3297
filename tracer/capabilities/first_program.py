"""
What a recording knows of a run's first program: its credentials, and by which rule of execve it was
given them.

What belongs here: a run's records in the words of the rules. What does not: the rules themselves
(`execution`), and what else programs need (`required`).
"""

from __future__ import annotations

from typing import Optional, Tuple

from tracer.capabilities.execution import FILE, Outcome, Program
from tracer.capabilities.inference import inferred
from tracer.capabilities.namespace import Extent, UserNamespace
from tracer.capabilities.sets import KINDS, Credentials, Ids, Sets
from tracer.recording import HOST, Capabilities, Run

_ANY = Ids(0, 0, 0, 0)  # what has been given already does not depend on group ids


def executable_of(held: Capabilities) -> str:
    """The path of the program whose execve gave it this; empty if nobody saw that."""
    return held.circumstances.executable if held.circumstances else ""


def sets_of(held: Capabilities) -> Sets:
    """The five sets."""
    return Sets(*(getattr(held, kind) for kind in KINDS))


def uids_of(held: Capabilities) -> Ids:
    """The user ids, as far as they are known: just executed, a program has no other saved one."""
    real = held.circumstances.real_user if held.circumstances else held.user
    return Ids(real, held.user, held.user, held.user)


def credentials_of(run: Run, held: Capabilities) -> Credentials:
    """What the rules ask of it, but for groups."""
    return Credentials(
        uids=uids_of(held),
        gids=_ANY,
        sets=sets_of(held),
        no_new_privileges=run.no_new_privileges,
        securebits=held.circumstances.securebits if held.circumstances else None,
    )


def uid_map_of(held: Capabilities) -> Optional[Tuple[Extent, ...]]:
    """The map of user ids of its namespace; None if it is not known."""
    if held.circumstances is None or held.circumstances.uid_map is None:
        return None
    return tuple(Extent(*line) for line in held.circumstances.uid_map)


def namespace_of(held: Capabilities) -> Optional[UserNamespace]:
    """The user namespace that it is in; None if its map is not known."""
    if held.namespace == HOST:
        return UserNamespace()
    extents = uid_map_of(held)
    return None if extents is None else UserNamespace(0, extents, ())


def execve_of(run: Run, held: Capabilities) -> Optional[Tuple[Program, Outcome]]:
    """A program that explains what it was given, and the rule; None if none is known to."""
    namespace = namespace_of(held)
    if namespace is None or not executable_of(held):
        return None
    return inferred(credentials_of(run, held), namespace)


def given_by(program: Program) -> int:
    """What a program's file capabilities gave."""
    granted = program.capabilities
    return granted.permitted | granted.inheritable if granted else 0


def insisted_on(run: Run, held: Capabilities) -> int:
    """
    What the file of the first program insists on: with the effective bit, the kernel refuses to
    execute it for whoever's bounding set lacks what it permits (cap_bprm_creds_from_file).

    Nothing where that is not known: as of root, who is given the same without.
    """
    known = execve_of(run, held)
    insists = known is not None and known[1].rule == FILE and bool(held.effective)
    return given_by(known[0]) if known and insists else 0
