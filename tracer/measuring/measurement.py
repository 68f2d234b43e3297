"""
Measuring one runtime: samples of starts and execs, and then trials with refused calls.

`observing` makes the starts and execs, `tally` decides which refusals to try.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import count as numbers
from typing import Callable, Iterable, Iterator, List, Sequence, Tuple

from tracer.errors import HostError
from tracer.measuring.counting import count
from tracer.measuring.observing import Outcome, Target, containers, observe_starts
from tracer.measuring.running import Watch, watching
from tracer.measuring.tally import Tallies, Tally, first_refusals, pairs, showing
from tracer.measuring.tally import trials_of, with_substitutes
from tracer.measuring.variants import CONTAINERS, EXECS, NOTHING, Refusal, Start
from tracer.measuring.variants import spread_containers, spread_starts, variants_among
from tracer.profile.floors import Floor, RefusalTrial
from tracer.session.assembly import this_host

# Of the samples these parts are taken while the processors are busy, so that rarer calls show.
PARTS, BUSY = 6, (2, 5)
MOST_ROUNDS = 30
MOST_AT_ONCE = 400  # starts that are recorded together: they fit the kernel's maps with ease

LOG = "log"

Progress = Callable[[str, int, int], None]  # what is being done; so many are done; of so many
Seen = Sequence[Tuple[int, "frozenset[str]"]]  # the number of a sample, and its calls


@dataclass(frozen=True)
class Bench:
    """What is measured, and the recorder that it is measured with."""

    watch: Watch
    target: Target


@dataclass(frozen=True)
class Subject:
    """The runtime that is measured, as its measurements name it."""

    runtime: str
    version: str
    build_id: str


def measure(subject: Subject, target: Target, samples: int, progress: Progress) -> Iterator[Floor]:
    """Yield the four floors of a runtime. `target`'s no-new-privileges is of no matter here."""
    with watching(target.place / LOG) as watch:
        for no_new_privileges in (False, True):
            bench = Bench(watch, replace(target, no_new_privileges=no_new_privileges))
            title = "no-new-privileges, " if no_new_privileges else ""
            seen = starts(bench, samples, _named(progress, f"{title}starts"))
            tried = start_trials(bench, seen, _named(progress, f"{title}starts, refused calls"))
            yield _floor(subject, no_new_privileges, "start", seen, tried)
            seen = execs(bench, samples, _named(progress, f"{title}execs"))
            tried = exec_trials(bench, seen, _named(progress, f"{title}execs, refused calls"))
            yield _floor(subject, no_new_privileges, "exec", seen, tried)


Steps = Callable[[int, int], None]


def _named(progress: Progress, title: str) -> Steps:
    return lambda done, of: progress(title, done, of)


def _floor(
    subject: Subject,
    no_new_privileges: bool,
    action: str,
    seen: Seen,
    trials: Tuple[RefusalTrial, ...],
) -> Floor:
    return Floor(
        runtime=subject.runtime,
        version=subject.version,
        architecture=this_host().architecture,
        no_new_privileges=no_new_privileges,
        action=action,
        samples=len(seen),
        date=date.today().isoformat(),
        engine="",
        build_ids=(subject.build_id,) if subject.build_id else (),
        calls=count([calls for _, calls in seen]),
        trials=trials,
    )


def starts(bench: Bench, wanted: int, progress: Steps) -> Seen:
    """Start at least so many containers that work; raises HostError if most do not."""
    found: List[Tuple[int, frozenset[str]]] = []
    size = -(-wanted // PARTS)
    for part in range(2 * PARTS):
        some = [Start(number) for number in range(part * size, (part + 1) * size)]
        found += _samples(
            observe_starts(bench.watch, bench.target, some, busy=part % PARTS in BUSY)
        )
        progress(len(found), wanted)
        if len(found) >= wanted:
            return found
    raise HostError(f"{bench.target.path}: only {len(found)} of {wanted} starts worked")


def execs(bench: Bench, wanted: int, progress: Steps) -> Seen:
    """Execute at least so many programs; raises HostError if most do not work."""
    found: List[Tuple[int, frozenset[str]]] = []
    size = min(wanted, len(CONTAINERS))
    with containers(
        bench.watch, bench.target, [(number, NOTHING) for number in range(size)]
    ) as lasting:
        for round in range(2 * (wanted // size + 1)):
            busy = round % PARTS in BUSY
            found += _samples(lasting.execute(round, sorted(lasting.running), busy))
            progress(len(found), wanted)
            if len(found) >= wanted:
                return found
    raise HostError(f"{bench.target.path}: only {len(found)} of {wanted} execs worked")


def _samples(outcomes: Sequence[Outcome]) -> Seen:
    return [(outcome.number, outcome.calls) for outcome in outcomes if outcome.worked]


def start_trials(bench: Bench, seen: Seen, progress: Steps) -> Tuple[RefusalTrial, ...]:
    """Refuse each call of the samples in starts that make it, and those that stand in for it."""
    return _trials(
        seen,
        lambda refusal: variants_among(showing(seen, refusal.calls)),
        lambda tallies: _try_starts(bench, seen, tallies, progress),
    )


def _trials(
    seen: Seen, variants: Callable[[Refusal], int], attempt: Callable[[Tallies], None]
) -> Tuple[RefusalTrial, ...]:
    found: Tallies = {}

    def tried(refusals: Iterable[Refusal]) -> Tallies:
        new = {refusal: Tally(variants(refusal)) for refusal in refusals if refusal not in found}
        attempt(new)
        found.update(new)
        return new

    floor = frozenset(name for _, calls in seen for name in calls)
    together = tried(with_substitutes(floor, tried(first_refusals(floor))))
    tried(pairs(together))
    return trials_of(found)


def _try_starts(bench: Bench, seen: Seen, tallies: Tallies, progress: Steps) -> None:
    while tallies:
        progress(sum(tally.is_done for tally in tallies.values()), len(tallies))
        wave = [
            Start(number, refusal)
            for refusal, tally in tallies.items()
            for number in _next(seen, refusal, tally)
        ]
        if not wave:
            return
        _add(tallies, observe_starts(bench.watch, bench.target, wave[:MOST_AT_ONCE]))


def _next(seen: Seen, refusal: Refusal, tally: Tally) -> Iterator[int]:
    """The numbers of the starts to make next: of such as showed the calls."""
    fitting = spread_starts(showing(seen, refusal.calls))
    for attempt in range(tally.made, tally.made + tally.wanted):
        yield fitting[attempt % len(fitting)]


def _add(tallies: Tallies, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        refused = not outcome.refused.isdisjoint(outcome.refusal.calls)
        tallies[outcome.refusal].add(outcome.calls, refused, outcome.worked)


def exec_trials(bench: Bench, seen: Seen, progress: Steps) -> Tuple[RefusalTrial, ...]:
    """
    As `start_trials`, for execs. A call that the start of the container itself needs cannot be
    refused to an exec alone: it gets no trial.
    """
    return _trials(
        seen,
        lambda refusal: len(EXECS),
        lambda tallies: _try_execs(bench, seen, tallies, progress),
    )


def _try_execs(bench: Bench, seen: Seen, tallies: Tallies, progress: Steps) -> None:
    if not tallies:
        return
    wanted = [(number, refusal) for refusal in tallies for number in _containers_for(seen, refusal)]
    with containers(bench.watch, bench.target, wanted) as lasting:
        for round in numbers():
            progress(sum(tally.is_done for tally in tallies.values()), len(tallies))
            places = [
                place for place in sorted(lasting.running) if tallies[wanted[place][1]].wanted
            ]
            if not places or round >= MOST_ROUNDS:
                return
            _add(tallies, lasting.execute(round, places))


def _containers_for(seen: Seen, refusal: Refusal) -> Tuple[int, ...]:
    return spread_containers(tuple(dict.fromkeys(showing(seen, refusal.calls))))
