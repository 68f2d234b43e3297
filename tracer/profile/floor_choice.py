"""
Which floors a profile gets: by the runtime that ran, and by what `--runtime-floor` says.

- `auto`: the runtime that ran, in every measured version from its own on, so that the profile
  survives an upgrade;
- `exact`: the runtime and the version that ran;
- `all`: every measured runtime in every version;
- `none`: nothing;
- names, such as `runc` or `runc-1.3.6,crun`: these.

A recording without no-new-privileges, or of which that is unknown, gets the floors of both
settings; a recording with it gets those with it. A version that nobody has measured is judged here,
when the profile is made, so that a later measurement counts.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Iterable, List, Sequence, Tuple

from tracer.errors import InputError
from tracer.profile.floors import Floor, upstream, version_order
from tracer.recording import Reason, Recording, Run

AUTO, EXACT, ALL, NONE = WORDS = ("auto", "exact", "all", "none")
MEASURE = "seccomp-trace floor measure"
UNMEASURED = "floor-unmeasured"


@dataclass(frozen=True)
class FloorChoice:
    """
    What `--runtime-floor` says: one of WORDS, or names.

    `names` are pairs of a runtime and a version as upstream counts it, "" for all its versions.
    """

    word: str = AUTO
    names: Tuple[Tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ChosenFloors:
    """
    The floors of a profile; what a person should know about the choice; and reasons why the profile
    cannot be promised to start its container.
    """

    floors: Tuple[Floor, ...] = ()
    messages: Tuple[str, ...] = ()
    reasons: Tuple[Reason, ...] = ()


def read_choice(text: str, measured: Sequence[Floor]) -> FloorChoice:
    """
    Return what the value of `--runtime-floor` means.

    Raises InputError for a runtime, or a version, that nobody has measured.
    """
    if text in WORDS:
        return FloorChoice(text)
    names = tuple(_name(part.strip(), measured) for part in text.split(","))
    return FloorChoice("", names)


def _name(text: str, measured: Sequence[Floor]) -> Tuple[str, str]:
    for floor in measured:
        version = upstream(floor.version)
        if text in (
            floor.runtime,
            *(f"{floor.runtime}-{each}" for each in (version, floor.version)),
        ):
            return floor.runtime, "" if text == floor.runtime else version
    raise InputError(
        f"no measurements of {text!r}",
        f"there are: {', '.join(labels(measured))}; 'seccomp-trace floor measure' makes others",
    )


def choose(recording: Recording, choice: FloorChoice, measured: Sequence[Floor]) -> ChosenFloors:
    """Return the floors that a recording's profile gets."""
    if choice.word == NONE:
        return ChosenFloors()
    runs = tuple(recording.runs.values())
    parts = [_of_run(run, runs, choice.word == EXACT, measured) for run in runs]
    floors = [floor for part in parts for floor in part.floors]
    if choice.names:
        parts = [part for run, part in zip(runs, parts) if _names_runtime(choice, run)]
        floors = [floor for floor in measured if _is_named(floor, choice, runs)]
    elif choice.word == ALL:
        floors = list(measured)
    return ChosenFloors(
        floors=_sorted(floors),
        messages=_once(message for part in parts for message in part.messages),
        reasons=tuple(dict.fromkeys(reason for part in parts for reason in part.reasons)),
    )


def is_measured(runtime: str, version: str, architecture: str, measured: Iterable[Floor]) -> bool:
    """Say whether this version of a runtime was measured; an empty architecture is any."""
    return any(
        floor.runtime == runtime
        and upstream(floor.version) == upstream(version)
        and architecture in ("", floor.architecture)
        for floor in measured
        if version
    )


def labels(floors: Iterable[Floor]) -> List[str]:
    """Return each runtime with each version, such as "runc-1.3.6", in the order of versions."""
    found = {(floor.runtime, _order(floor)) for floor in floors}
    return [f"{runtime}-{order[2]}" for runtime, order in sorted(found)]


def described(floors: Iterable[Floor]) -> str:
    """Return the runtimes and their versions for a person: "runc 1.1.5 and 1.3.6, crun 1.8.1"."""
    found = list(floors)
    parts = []
    for runtime in sorted({floor.runtime for floor in found}):
        same = [floor for floor in found if floor.runtime == runtime]
        versions = [order[2] for order in sorted({_order(floor) for floor in same})]
        before, last = ", ".join(versions[:-1]), versions[-1]
        parts.append(f"{runtime} {before} and {last}" if before else f"{runtime} {last}")
    return ", ".join(parts)


def _of_run(run: Run, runs: Sequence[Run], exact: bool, measured: Sequence[Floor]) -> ChosenFloors:
    fitting = [floor for floor in measured if _fits(floor, run)]
    if not (run.runtime or run.container_id):
        return ChosenFloors(tuple(fitting), _for_a_command(fitting))
    same = [floor for floor in fitting if floor.runtime == run.runtime]
    if is_measured(run.runtime, run.runtime_version, run.architecture, measured):
        own = version_order(upstream(run.runtime_version))
        later = [floor for floor in same if _order(floor) >= own]
        return ChosenFloors(
            tuple(
                floor
                for floor in later
                if not exact or upstream(floor.version) == upstream(run.runtime_version)
            )
        )
    return _unmeasured(run, runs, same or fitting)


def _unmeasured(run: Run, runs: Sequence[Run], instead: Sequence[Floor]) -> ChosenFloors:
    """
    With a filter, the recording has what the runtime called in that run, so the union of what is
    known of the runtime is added. Without a filter it has nothing of the runtime.
    """
    what = f"{run.runtime} {run.runtime_version or 'of unknown version'}"
    if not run.runtime:
        what = "a runtime that could not be identified"
    remedy = f"'{measure_command(run)}', then 'seccomp-trace generate' with the recording"
    if any(other.filter != "none" for other in runs if _shows_the_same(other, run)):
        message = (
            f"{what} was never measured: the profile has the floor of {described(instead)}, and "
            f"may not start every time; run {remedy}"
        )
        return ChosenFloors(tuple(instead), (message,))
    text = (
        f"recorded without a filter under {what}, which was never measured: what it calls before "
        f"the program starts is unknown; run {remedy}"
    )
    return ChosenFloors(tuple(instead), (), (Reason(UNMEASURED, text, 1),))


def measure_command(run: Run) -> str:
    """Return the command that measures the runtime of a run."""
    file = run.runtime_path or run.runtime
    return f"{MEASURE} {shlex.quote(file)}" if file else MEASURE


def _order(floor: Floor) -> Tuple[Tuple[int, ...], bool, str]:
    return version_order(upstream(floor.version))


def _shows_the_same(filtered: Run, run: Run) -> bool:
    """
    Whether a filtered run shows what the runtime calls in another run.

    It has to be the same build, or the same known version. With no-new-privileges the runtime loads
    the filter later, and calls less after it.
    """
    if filtered.id == run.id:
        return True
    same_build = filtered.runtime_build_id != "" and (
        filtered.runtime_build_id == run.runtime_build_id
    )
    same_version = filtered.runtime_version != "" and (
        (filtered.runtime, filtered.runtime_version) == (run.runtime, run.runtime_version)
    )
    same_host = filtered.architecture == run.architecture
    more = filtered.no_new_privileges is False or run.no_new_privileges is True
    return same_host and more and (same_build or same_version)


def _for_a_command(floors: Sequence[Floor]) -> Tuple[str, ...]:
    return (f"no container runtime was seen: the profile has the floor of {described(floors)}",)


def _is_named(floor: Floor, choice: FloorChoice, runs: Sequence[Run]) -> bool:
    versions = {(floor.runtime, ""), (floor.runtime, upstream(floor.version))}
    fits = not runs or any(_fits(floor, run) for run in runs)
    return fits and not versions.isdisjoint(choice.names)


# Who names versions knows which are meant, and who names other runtimes does not mean this one.
def _names_runtime(choice: FloorChoice, run: Run) -> bool:
    return (run.runtime, "") in choice.names


def _fits(floor: Floor, run: Run) -> bool:
    same_architecture = run.architecture in ("", floor.architecture)
    return same_architecture and (floor.no_new_privileges or run.no_new_privileges is not True)


def _sorted(floors: Iterable[Floor]) -> Tuple[Floor, ...]:
    return tuple(
        sorted(
            dict.fromkeys(floors),
            key=lambda floor: (floor.runtime, version_order(floor.version), floor.key),
        )
    )


def _once(messages: Iterable[str]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(messages))
