"""
The summary at the end of a recording: how much, by whom, under what, and where the files are.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Dict, Iterable, List, Protocol, Set, Tuple

from tracer.profile import formats, model
from tracer.recording import RUNTIME, Recording, Run
from tracer.text import printable

NAMED_AT_MOST = 12
WIDTH = 60
LINE_WIDTH = 2000  # what a person needs whole: a note of ours, where a file is


class Made(Protocol):
    """What the summary says of a profile; `profile.making.Made` is one."""

    @property
    def text(self) -> str: ...  # noqa: E704

    @property
    def floor_only(self) -> "frozenset[str]": ...  # noqa: E704

    @property
    def kernel_only(self) -> "frozenset[str]": ...  # noqa: E704

    @property
    def runtimes(self) -> str: ...  # noqa: E704


def summary(recording: Recording, made: Made, profile: str, kept: str) -> str:
    """Several lines, ending in a newline; `profile` and `kept` say where the files are."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tracer.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text; whatever comes from outside goes through `printable`
    )
    environment.filters["printable"] = lambda text: printable(str(text), WIDTH)
    environment.filters["whole"] = lambda text: printable(str(text), LINE_WIDTH)
    programs = _programs(recording)
    return environment.get_template("summary.txt.j2").render(
        name=recording.name,
        calls=len({seen.name for seen in recording.observations}),
        runtime_only=len(_runtime_only(recording)),
        allowed=allowed(made.text),
        floor_only=len(made.floor_only),
        floors=made.runtimes,
        kernel_only=len(made.kernel_only & _allowed_names(made.text)),
        under=_under(recording.runs.values()),
        programs=programs[:NAMED_AT_MOST],
        more=len(programs) - NAMED_AT_MOST,
        denials=_denials(recording)[:NAMED_AT_MOST],
        more_denials=len(recording.denials) - NAMED_AT_MOST,
        notes=sorted({note for run in recording.runs.values() for note in run.notes}),
        profile=profile,
        kept=kept,
    )


def allowed(profile: str) -> int:
    """How many calls a profile's ALLOW groups name."""
    return len(_allowed_names(profile))


def _allowed_names(profile: str) -> Set[str]:
    allowing = [rule for rule in formats.read(profile, "").rules if rule.action == model.ALLOW]
    return {name for rule in allowing for name in rule.names}


def _programs(recording: Recording) -> List[Tuple[str, int]]:
    """Each executable with how many different calls it made, the most first; the runtime last."""
    calls: Dict[str, Set[Tuple[str, int]]] = defaultdict(set)
    for seen in recording.observations:
        calls[seen.executable].add((seen.architecture, seen.number))
    order = sorted(calls, key=lambda path: (path == RUNTIME, -len(calls[path]), path))
    return [(path, len(calls[path])) for path in order]


def _denials(recording: Recording) -> List[str]:
    """What the filter that was in force answered, the most often first."""
    return [
        f"{one.name or one.number} by {printable(one.executable, WIDTH)}: {one.answer}"
        + (f", {one.count} times" if one.count > 1 else "")
        for one in sorted(recording.denials, key=lambda one: -one.count)
    ]


def _runtime_only(recording: Recording) -> Set[Tuple[str, int]]:
    """The calls (architecture, number) that nobody but the runtime made."""
    calls: Dict[bool, Set[Tuple[str, int]]] = {True: set(), False: set()}
    for seen in recording.observations:
        calls[seen.executable == RUNTIME].add((seen.architecture, seen.number))
    return calls[True] - calls[False]


def _under(runs: Iterable[Run]) -> str:
    parts = set()
    for run in runs:
        runtime = f"{run.runtime} {run.runtime_version}".strip()
        parts.add(", ".join(part for part in (run.engine, runtime) if part))
    return "; ".join(sorted(part for part in parts if part))
