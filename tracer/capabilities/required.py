"""
Which capabilities recorded programs need, by what the kernel asked of them.

Needed is what was granted and meant; refused is what was asked for in vain. What the runtime does
to set a container up is not the container's, but for its last act: executing the program. A first
program whose file insists on capabilities needs them to be executed at all, and no check is made. A
container with a user namespace of its own is given capabilities there, and can never have the
host's. Where trials have confirmed what a run's command misses (`run --confirm-caps`), that decides
for this run. Writing it down is `tracer.cli`'s; what is meant is `unmeant`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional
from typing import Set, Tuple

from tracer.capabilities.first_program import executable_of, insisted_on
from tracer.capabilities.names import names_in, number_of
from tracer.capabilities.unmeant import unmeant
from tracer.recording import HOST, INNER, RUNTIME, Capabilities, Check, Recording, Run, Sighting

EXECUTING = frozenset({"execve", "execveat"})

# What the kernel asks for next where a capability is refused: kernel/capability.c, fs/namei.c
# (generic_permission), include/linux/capability.h (perfmon_capable and the like).
ALTERNATIVES: Mapping[str, FrozenSet[str]] = {
    "CAP_DAC_READ_SEARCH": frozenset({"CAP_DAC_OVERRIDE"}),
    **{
        f"CAP_{name}": frozenset({"CAP_SYS_ADMIN"})
        for name in ("PERFMON", "BPF", "CHECKPOINT_RESTORE", "SYSLOG", "SYS_RESOURCE", "NET_ADMIN")
    },
}


@dataclass(frozen=True)
class Use:
    """A program asked for a capability in a call, so often; which of the kernel's functions did."""

    executable: str
    call: str
    count: int
    callers: Tuple[str, ...]


@dataclass(frozen=True)
class Demand:
    """A capability and who asked for it, the most frequent first."""

    capability: str
    uses: Tuple[Use, ...]


@dataclass(frozen=True)
class Required:
    """
    What recordings say of capabilities.

    `needed`: granted, and meant; or missed, which may have no uses. `tried`: runs whose command was
    run again with less, `confirmed` what these missed, `unmissed` what they asked for and did not
    miss. `refused`: asked for in vain, and nothing else served. `unused`: in the bounding set of
    every run that had more than it misses, and never needed. `out_of_reach`: asked of the host's
    user namespace by a container that has its own: no option gives it that. `inner`: granted in a
    user namespace that was made inside, which takes none of the container's. `ambient`: a first
    program was not root, and so needs them in its ambient set. `unknown`: runs without checks.
    `lost`: checks that could not be kept. `baseline`: what is among those needed whatever was seen.
    """

    needed: Tuple[Demand, ...]
    tried: Tuple[str, ...]
    confirmed: Tuple[str, ...]
    unmissed: Tuple[Demand, ...]
    refused: Tuple[Demand, ...]
    unused: Tuple[str, ...]
    out_of_reach: Tuple[Demand, ...]
    inner: Tuple[Demand, ...]
    ambient: bool
    unknown: Tuple[str, ...]
    lost: int
    baseline: Tuple[str, ...] = ()

    @property
    def capabilities(self) -> Tuple[str, ...]:
        """The names of those needed, in the order of their numbers."""
        return tuple(demand.capability for demand in self.needed)


def required(recording: Recording) -> Required:
    """What the programs of a recording need."""
    meant = [one for one in recording.checks if _is_programs(one) and unmeant(one) is None]
    parts = [replace(one, counts=(count,)) for one in meant for count in one.counts]
    parts += [one for run in recording.runs.values() for one in _insisted_on(run)]
    held = [run.capabilities for run in recording.runs.values() if run.capabilities]
    inner = [one for one in parts if one.namespace == INNER]
    own = [one for one in parts if one.namespace == _namespace(one, recording)]
    beyond = [one for one in parts if one.namespace not in (INNER, _namespace(one, recording))]
    granted = [one for one in own if one.granted]
    asked_for = _demands(granted)
    confirmed = _confirmed(recording)
    missed = {name for names in confirmed.values() for name in names}
    wanted = missed | {one.capability for one in granted if one.counts[0][0] not in confirmed}
    needed = _and_missed(asked_for, wanted)
    return Required(
        needed=needed,
        tried=tuple(confirmed),
        confirmed=tuple(one.capability for one in needed if one.capability in missed),
        unmissed=tuple(one for one in asked_for if one.capability not in wanted),
        refused=_demands(one for one in own if not one.granted and not _is_settled(one, granted)),
        unused=_unused(
            [one.bounding for one in held if not _is_bare(one)],
            wanted | {one.capability for one in asked_for},
        ),
        out_of_reach=_demands(one for one in beyond if not one.granted),
        inner=_demands(one for one in inner if one.granted),
        ambient=any(one.user != 0 and one.namespace == HOST for one in held),
        unknown=tuple(run.id for run in recording.runs.values() if run.capabilities is None),
        lost=sum(one.lost for one in held),
    )


def with_baseline(found: Required, names: AbstractSet[str]) -> Required:
    """The same with these capabilities needed in any case."""
    in_order = tuple(sorted(names, key=number_of))
    return replace(
        found,
        needed=_and_missed(found.needed + found.unmissed, names | set(found.capabilities)),
        unmissed=tuple(one for one in found.unmissed if one.capability not in names),
        unused=tuple(name for name in found.unused if name not in names),
        baseline=in_order,
    )


def _confirmed(recording: Recording) -> Dict[str, Tuple[str, ...]]:
    """By the id of each run whose command was tried with less, what it missed."""
    held = {id: run.capabilities for id, run in recording.runs.items()}
    return {
        id: names_in(one.confirmed)
        for id, one in held.items()
        if one is not None and one.confirmed is not None
    }


def _is_bare(held: Capabilities) -> bool:
    """Whether a run was given no more than it misses, and so does not tell what is not used."""
    return held.confirmed is not None and not held.bounding & ~held.confirmed


def _and_missed(asked_for: Tuple[Demand, ...], wanted: AbstractSet[str]) -> Tuple[Demand, ...]:
    """What is wanted, with those who asked for it, if anything was seen to do so."""
    found = {one.capability: one for one in asked_for}
    return tuple(found.get(name, Demand(name, ())) for name in sorted(wanted, key=number_of))


def _is_programs(check: Check) -> bool:
    return check.executable != RUNTIME or check.name in EXECUTING


# As if the kernel had asked for each.
def _insisted_on(run: Run) -> Iterator[Check]:
    held = run.capabilities
    if held is None:
        return
    for name in names_in(insisted_on(run, held)):
        yield Check(
            executable=executable_of(held),
            architecture=run.architecture,
            number=-1,
            name="execve",
            capability=name,
            namespace=held.namespace,
            granted=True,
            idle=False,
            audited=None,
            caller="",
            first=Sighting(0, 0, ""),
            counts=((run.id, 1),),
        )


def _namespace(check: Check, recording: Recording) -> str:
    """The user namespace in which the one run of a check gives capabilities."""
    held = recording.runs[check.counts[0][0]].capabilities
    return held.namespace if held else HOST


def _is_settled(refused: Check, granted: Iterable[Check]) -> bool:
    """Whether the same program got what it wanted in the same call by another capability."""
    others = ALTERNATIVES.get(refused.capability, frozenset())
    where = (refused.executable, refused.name)
    return any(one.capability in others and (one.executable, one.name) == where for one in granted)


def _demands(checks: Iterable[Check]) -> Tuple[Demand, ...]:
    counts: Dict[str, Dict[Tuple[str, str], int]] = {}
    callers: Dict[Tuple[str, str, str], Set[str]] = {}
    for one in checks:
        who = (one.executable, one.name or (str(one.number) if one.number >= 0 else ""))
        uses = counts.setdefault(one.capability, {})
        uses[who] = uses.get(who, 0) + one.count
        callers.setdefault((one.capability, *who), set()).update({one.caller} - {""})
    return tuple(
        Demand(capability, _uses(capability, counts[capability], callers))
        for capability in sorted(counts, key=number_of)
    )


def _uses(
    capability: str,
    counts: Mapping[Tuple[str, str], int],
    callers: Mapping[Tuple[str, str, str], Set[str]],
) -> Tuple[Use, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Use(*who, count, tuple(sorted(callers[(capability, *who)]))) for who, count in ordered
    )


def _unused(bounding: List[int], needed: Set[str]) -> Tuple[str, ...]:
    common: Optional[int] = None
    for mask in bounding:
        common = mask if common is None else common & mask
    return tuple(name for name in names_in(common or 0) if name not in needed)
