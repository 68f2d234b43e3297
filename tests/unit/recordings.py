"""
Recordings for tests: small ones by hand, any by Hypothesis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Dict, FrozenSet, Optional

from hypothesis import strategies

from tracer import syscalls
from tracer.recording import (
    CONTAINER,
    HOST,
    INNER,
    RUNTIME,
    SUCCESS,
    UNFINISHED,
    UNKNOWN,
    Capabilities,
    Check,
    Denial,
    Executable,
    Extra,
    Observation,
    Outcomes,
    Reason,
    Recording,
    Run,
    Sighting,
    extra_of,
)


def observation(
    name: Optional[str],
    *,
    executable: str = "/bin/ls",
    architecture: str = syscalls.X86_64,
    number: Optional[int] = None,
    runs: FrozenSet[str] = frozenset({"run"}),
    outcomes: Optional[Mapping[str, Collection[str]]] = None,
) -> Observation:
    """
    One observation; its number is looked up unless it is given. `outcomes`: by run, how it ended.
    """
    found = syscalls.number_of(architecture, name) if name else None
    chosen = number if number is not None else found
    assert chosen is not None, f"{name} has no number"
    first = Sighting(1, 1, "ls")
    ended = tuple((run, frozenset(words)) for run, words in sorted((outcomes or {}).items()))
    seen_in = runs.union(outcomes or ())
    return Observation(executable, architecture, chosen, name, first, seen_in, outcomes=ended)


def recording(*names: str, run: Optional[Run] = None) -> Recording:
    """A recording of one run of `ls` that made these calls."""
    run = run or Run("run", command=("/bin/ls", "-l"), architecture=syscalls.X86_64)
    runs = frozenset({run.id})
    seen = tuple(observation(name, runs=runs) for name in names)
    return Recording({run.id: run}, (Executable("/bin/ls", runs),), seen)


def check(
    capability: str,
    call: Optional[str] = "openat",
    *,
    executable: str = "/bin/ls",
    namespace: str = HOST,
    granted: bool = True,
    idle: bool = False,
    audited: Optional[bool] = True,
    caller: str = "generic_permission",
    count: int = 1,
    run: str = "run",
) -> Check:
    """One kind of capability check that was made in one run."""
    number = syscalls.number_of(syscalls.X86_64, call) if call else -1
    assert number is not None, f"{call} has no number"
    return Check(
        executable=executable,
        architecture=syscalls.X86_64,
        number=number,
        name=call,
        capability=capability,
        namespace=namespace,
        granted=granted,
        idle=idle,
        audited=audited,
        caller=caller,
        first=Sighting(1, 1, "ls"),
        counts=((run, count),),
    )


# What Python makes of bytes that are not UTF-8 is among them, other surrogates are not.
texts = strategies.text(
    strategies.characters(codec="utf-8") | strategies.integers(0xDC80, 0xDCFF).map(chr),
    max_size=6,
)
json_values = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(10**30), 10**30)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: strategies.lists(inner, max_size=3)
    | strategies.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# Few names, so that two recordings often have the same unknown field.
extras: strategies.SearchStrategy[Extra] = strategies.dictionaries(
    strategies.sampled_from(["new", "newer", "später"]), json_values, max_size=2
).map(extra_of)
# For what a recording has many of: to make up every one's takes most of a test's time.
few_extras: strategies.SearchStrategy[Extra] = strategies.sampled_from(
    [(), extra_of({"new": 1}), extra_of({"new": [None, "x"], "später": {"": 0.5}})]
)
times = strategies.integers(0, 2**63 - 1)
sightings = strategies.builds(
    Sighting, time=times, thread=strategies.integers(0, 9), comm=texts, extra=few_extras
)
reasons = strategies.builds(
    Reason,
    code=strategies.sampled_from(["map-full", "late"]),
    text=texts,
    count=strategies.integers(0, 2**64 - 1),
    extra=extras,
)
masks = strategies.integers(0, 2**64 - 1)
held = strategies.builds(
    Capabilities,
    user=strategies.sampled_from([0, 1024]),
    namespace=strategies.sampled_from([HOST, CONTAINER]),
    inheritable=masks,
    permitted=masks,
    effective=masks,
    bounding=masks,
    ambient=masks,
    lost=strategies.integers(0, 9),
    extra=extras,
    confirmed=strategies.none() | masks,
)
RUN_IDS = ("first", "second", "third")


def _runs(id: str) -> strategies.SearchStrategy[Run]:
    words = strategies.sampled_from(["", "one", "other"])
    return strategies.builds(
        Run,
        id=strategies.just(id),
        engine=words,
        container_id=words,
        container_name=words,
        image=words,
        command=strategies.lists(texts, max_size=2).map(tuple),
        runtime=words,
        runtime_version=words,
        kernel=words,
        architecture=words,
        no_new_privileges=strategies.none() | strategies.booleans(),
        filter=strategies.sampled_from(["engine", "marker", "none"]),
        started=strategies.none() | times,
        ended=strategies.none() | times,
        integrity=strategies.lists(reasons, max_size=2).map(tuple),
        notes=strategies.lists(texts, max_size=2).map(tuple),
        extra=extras,
        capabilities=strategies.none() | held,
        runtime_path=words,
        runtime_build_id=words,
    )


def _outcomes(runs: FrozenSet[str]) -> strategies.SearchStrategy[Outcomes]:
    words = strategies.sampled_from([SUCCESS, "ENOSYS", "EPERM", UNFINISHED])
    return strategies.dictionaries(
        strategies.sampled_from(sorted(runs)), strategies.frozensets(words, min_size=1)
    ).map(lambda ended: tuple(sorted(ended.items())))


@strategies.composite
def recordings(draw: strategies.DrawFn) -> Recording:
    """Any recording; any two share runs, executables and observations more often than not."""
    ids = draw(strategies.sets(strategies.sampled_from(RUN_IDS), min_size=1))
    some = strategies.sets(strategies.sampled_from(sorted(ids)), min_size=1).map(frozenset)
    paths = strategies.sampled_from(["/bin/ls", RUNTIME, UNKNOWN])
    executables = strategies.builds(Executable, path=paths, runs=some, extra=extras)
    observations = some.flatmap(
        lambda runs: strategies.builds(
            Observation,
            executable=paths,
            architecture=strategies.sampled_from([syscalls.X86_64, syscalls.X86]),
            number=strategies.integers(-1, 1),
            name=strategies.sampled_from([None, "read", "write"]),
            first=sightings,
            runs=strategies.just(runs),
            extra=few_extras,
            outcomes=_outcomes(runs),
        )
    )
    counts = strategies.dictionaries(
        strategies.sampled_from(sorted(ids)), strategies.integers(1, 9), min_size=1
    ).map(lambda counts: tuple(sorted(counts.items())))
    checks = strategies.builds(
        Check,
        executable=paths,
        architecture=strategies.just(syscalls.X86_64),
        number=strategies.integers(-1, 1),
        name=strategies.sampled_from([None, "read"]),
        capability=strategies.sampled_from(["CAP_CHOWN", "41"]),
        namespace=strategies.sampled_from([HOST, CONTAINER, INNER]),
        granted=strategies.booleans(),
        idle=strategies.just(False),
        audited=strategies.none() | strategies.booleans(),
        caller=strategies.sampled_from(["", "generic_permission"]),
        first=sightings,
        counts=counts,
        extra=few_extras,
    )
    denials = strategies.builds(
        Denial,
        executable=paths,
        architecture=strategies.just(syscalls.X86_64),
        number=strategies.integers(-1, 1),
        name=strategies.sampled_from([None, "read"]),
        answer=strategies.sampled_from(["EPERM", "trap"]),
        last=sightings,
        counts=counts,
        extra=few_extras,
    )
    runs: Dict[str, Run] = {id: draw(_runs(id)) for id in sorted(ids)}
    return Recording(
        runs,
        tuple(draw(strategies.lists(executables, max_size=3))),
        tuple(draw(strategies.lists(observations, max_size=4))),
        draw(extras),
        tuple(draw(strategies.lists(checks, max_size=3))),
        tuple(draw(strategies.lists(denials, max_size=3))),
    )
