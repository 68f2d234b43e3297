"""
What a profile has to allow beyond what it does, for a command to work: found by trying.

Two ways. *Probe*: one run under the profile with its default turned to LOG, so that everything is
asked for that would be. *Strict*: runs under the profile as it is, with what was denied added,
until nothing new is. What a rule of the profile denies stays denied. Who writes the result, and
whether, is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Callable, Dict, FrozenSet, Iterable, Iterator, List, Sequence, Tuple

from tracer.capabilities.held import held_by
from tracer.capabilities.names import known_names
from tracer.profile import check, hosts, model
from tracer.profile.extend import Extended, extend
from tracer.profile.generate import KERNEL_COMMENT
from tracer.profile.kernel_calls import KERNEL_CALLS
from tracer.profile.model import Profile, Rule
from tracer.recording import Recording, Run
from tracer.session import assembly
from tracer.session.held import noting
from tracer.session.trial import Bench, Plan, Trial, Watchful, attempt
from tracer.session.verification import BY_RULE, DENIED, end_problems, judge
from tracer.text import printable

COMMENT = "added by seccomp-trace refine"
COMMENT_LIMIT = 400
INTERRUPTED = "interrupted"
STRICT_SECONDS = 60.0


@dataclass(frozen=True)
class Asker:
    """Who asked for a call; `count`: how often, 0 if nobody counted."""

    executable: str
    comm: str
    count: int


@dataclass(frozen=True)
class Addition:
    """A call to allow, the architectures that it was asked for on, and by whom."""

    name: str
    architectures: FrozenSet[str]
    askers: Tuple[Asker, ...]


@dataclass(frozen=True)
class Refined:
    """
    What was found: by how many runs, what to add, and what speaks against believing that this is
    all: a phrase each. `left`: calls that were asked for, and that rules of the profile deny;
    `kept_out`: those that are not wanted. `origin` says what it was found with; `recordings` are
    those of the last run.
    """

    runs: int
    additions: Tuple[Addition, ...]
    problems: Tuple[str, ...]
    left: Tuple[str, ...]
    origin: str
    kept_out: Tuple[Addition, ...] = ()
    recordings: Tuple[Recording, ...] = ()


@dataclass(frozen=True)
class Wish:
    """The profile to refine, the calls to keep out, and the command's expected status."""

    profile: Profile
    kept_out: FrozenSet[str] = frozenset()
    status: int = 0

    def divided(
        self, found: Sequence[Addition]
    ) -> Tuple[Tuple[Addition, ...], Tuple[Addition, ...]]:
        """What is wanted, and what is to be kept out."""
        wanted = tuple(one for one in found if one.name not in self.kept_out)
        return wanted, tuple(one for one in found if one.name in self.kept_out)


Put = Callable[[Profile], str]
Told = Callable[[int, Tuple[str, ...]], None]


def probe(bench: Bench, plan: Plan, wish: Wish, put: Put, signals: Watchful) -> Refined:
    """
    Find by one run what the profile lacks. `put` writes a profile where the engine reads it.

    Raises CommandError if the command or the drive cannot be started.
    """
    with noting(bench, wish.profile) as tools:
        trial = attempt(tools, plan, put(loosened(wish.profile)), signals)
    found, kept_out = wish.divided(probed(trial, wish.profile))
    problems = list(_why_not(trial, plan, wish))
    problems += [reason.text for one in trial.recordings for reason in one.reasons]
    if signals.interrupted:
        problems.append(INTERRUPTED)
    left = left_denied(trial, wish.profile)
    origin = origin_of([trial])
    return Refined(1, found, tuple(problems), left, origin, kept_out, trial.recordings)


def strict(
    bench: Bench, plan: Plan, wish: Wish, put: Put, signals: Watchful, told: Told
) -> Refined:
    """
    Find by several runs what the profile lacks; `told` hears what each run has found.

    A program that is denied something may try for ever: a run has a limit, STRICT_SECONDS if the
    plan has none, and what was denied in one that met it counts.

    Raises CommandError if the command or the drive cannot be started.
    """
    plan = replace(plan, limit=plan.limit or STRICT_SECONDS)
    with noting(bench, wish.profile) as tools:
        return _until_quiet(tools, plan, wish, put, signals, told)


def _until_quiet(
    bench: Bench, plan: Plan, wish: Wish, put: Put, signals: Watchful, told: Told
) -> Refined:
    found: Dict[str, Addition] = {}
    runs = 0
    while True:
        current = refined(wish.profile, found.values(), "").profile
        trial = attempt(bench, plan, put(current), signals)
        runs += 1
        wanted, kept_out = wish.divided(denied(trial, current))
        lacking = [one for one in wanted if one.name not in found]
        new = {one.name: one for one in lacking if _is_taken(wish.profile, one)}
        told(runs, tuple(new))
        found.update(new)
        if not new or signals.interrupted:
            problems = _why_not(trial, plan, wish)
            problems += (INTERRUPTED,) if signals.interrupted else ()
            additions = tuple(found[name] for name in sorted(found))
            left = left_denied(trial, current)
            origin, seen = origin_of([trial]), trial.recordings
            return Refined(runs, additions, problems, left, origin, kept_out, seen)


def _why_not(trial: Trial, plan: Plan, wish: Wish) -> Tuple[str, ...]:
    problems = end_problems(trial, plan, wish.status)
    return problems + unnamed(trial, wish.profile) if problems else ()


def unnamed(trial: Trial, profile: Profile) -> Tuple[str, ...]:
    """The architectures that were refused for what they are: a profile gains none of its own."""
    named = hosts.named_by(profile) or {assembly.this_host().architecture}
    strange = {one.architecture for one in trial.refusals if one.architecture} - named
    return tuple(
        f"calls were denied under {token}, an architecture that the profile does not name"
        for token in sorted(strange)
    )


def loosened(profile: Profile) -> Profile:
    """The profile with LOG as its default; what its rules say stays."""
    return replace(profile, default_action=model.LOG, default_errno=None, default_errno_name="")


def probed(trial: Trial, profile: Profile) -> Tuple[Addition, ...]:
    """
    What a run under the loosened profile asked for that the profile has no rule for, by name.

    What was logged is what the default met. What was recorded, and is denied to containers with
    these capabilities (any, where they are not known), is among it too if messages got lost.
    """
    logging = {name for rule in profile.rules if rule.action == model.LOG for name in rule.names}
    askers: Dict[Tuple[str, str], Dict[Tuple[str, str], Asker]] = {}
    for one in trial.refusals:
        if one.answer.action == model.LOG and one.syscall not in logging:
            asker = Asker(one.executable, one.comm, one.count)
            askers.setdefault((one.syscall, one.architecture), {})[asker.executable, ""] = asker
    for name, architecture, asker in _unallowed(trial, profile):
        mine = askers.setdefault((name, architecture), {})
        mine.setdefault((asker.executable, ""), asker)
    return _additions(
        (name, architecture, asker)
        for (name, architecture), some in askers.items()
        for asker in some.values()
    )


def _unallowed(trial: Trial, profile: Profile) -> Iterator[Tuple[str, str, Asker]]:
    """What was recorded and is denied under the profile, whatever is not known of capabilities."""
    for recording in trial.recordings:
        some, others = (check.denials(profile, recording, one) for one in (held_by, _most))
        anyway = {one.observations[0].key for one in others if not one.depends}
        for denial in some:
            if denial.depends or denial.observations[0].key not in anyway:
                continue
            for seen in denial.observations:
                if seen.name is not None:
                    asker = Asker(seen.executable, seen.first.comm, 0)
                    yield seen.name, seen.architecture, asker


def _most(run: Run) -> AbstractSet[str]:
    return held_by(run) if run.capabilities else known_names(["all"])


def denied(trial: Trial, profile: Profile) -> Tuple[Addition, ...]:
    """What was denied in a run, under this profile, but by a rule that says an error; by name."""
    judged = judge([trial], profile, None)
    return _additions(
        (one.syscall, one.architecture, Asker(one.executable, one.comm, one.count))
        for one in (each.refusal for each in judged if each.verdict == DENIED)
    )


def _additions(found: Iterable[Tuple[str, str, Asker]]) -> Tuple[Addition, ...]:
    by_name: Dict[str, Tuple[List[str], List[Asker]]] = {}
    for name, architecture, asker in found:
        architectures, askers = by_name.setdefault(name, ([], []))
        architectures.append(architecture)
        askers.append(asker)
    return tuple(
        Addition(name, frozenset(architectures), tuple(dict.fromkeys(askers)))
        for name, (architectures, askers) in sorted(by_name.items())
    )


def _is_taken(profile: Profile, addition: Addition) -> bool:
    """Whether the profile does not deny a call by a rule of its own."""
    return addition.name not in refined(profile, [addition], "").denied


def refined(profile: Profile, additions: Iterable[Addition], origin: str) -> Extended:
    """
    The profile with what is to be added, in one group at its end; what nobody asked for, and the
    kernel makes, is in one more.
    """
    additions = tuple(additions)
    unasked = {addition.name for addition in additions if not addition.askers}
    kernel = tuple(sorted(unasked & KERNEL_CALLS.keys()))
    names = tuple(sorted({addition.name for addition in additions}.difference(kernel)))
    architectures = {assembly.this_host().architecture}
    architectures |= {token for one in additions for token in one.architectures}
    comment = printable(f"{COMMENT}: {origin}" if origin else COMMENT, COMMENT_LIMIT)
    groups = ((names, comment), (kernel, KERNEL_COMMENT))
    rules = tuple(Rule(some, model.ALLOW, comment=why) for some, why in groups if some)
    named = tuple(sorted(token for token in architectures if token))
    return extend(profile, Profile(model.ERRNO, rules, architectures=named))


def origin_of(trials: Iterable[Trial]) -> str:
    """What was tried under what, without anything that differs from one time to the next."""
    found = [
        f"{run.image or run.engine} under {run.engine}, {run.runtime} {run.runtime_version}".strip()
        for trial in trials
        for recording in trial.recordings
        for run in recording.runs.values()
    ]
    return "; ".join(sorted(set(found)))


def left_denied(trial: Trial, profile: Profile) -> Tuple[str, ...]:
    """What was denied in a run by rules of the profile, by an error or otherwise; names, sorted."""
    judged = judge([trial], profile, None)
    answered = {one.refusal.syscall for one in judged if one.verdict == BY_RULE}
    ended = {one.name for one in denied(trial, profile) if not _is_taken(profile, one)}
    return tuple(sorted(answered | ended))
