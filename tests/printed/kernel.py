"""
The commands that need a kernel, an engine or root, over hostile records in place of what they find.

A scene replaces what a command calls in `session`, `container` and `kernel`, and gives the
arguments; what it prints of these records is its own.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from random import Random
from unittest import mock

from tests.printed import documents, hostile
from tests.printed.running import printed_by
from tracer import syscalls
from tracer.capabilities.sets import Status
from tracer.cli import confirming, printing
from tracer.container.first_process import Running
from tracer.container.process import Process
from tracer.errors import HostError
from tracer.finding import Finding
from tracer.kernel import wire
from tracer.kernel.pinned import Stamp
from tracer.profile import formats
from tracer.profile.model import Profile
from tracer.recording import Recording, from_json
from tracer.session.confirmation import Confirmed
from tracer.session.holdings import Holding
from tracer.session.looking import Seen
from tracer.session.minimisation import Minimised
from tracer.session.recording_run import Outcome
from tracer.session.refinement import Refined
from tracer.session.verification import Verdict
from tracer.session.watching import Denial, Losses

Scene = Callable[["Stage"], "list[str]"]
_COMMAND = ("--", "podman", "run", "image")


class Stage:
    """Where a scene makes records, and replaces what a command calls until the scene ends."""

    def __init__(self, random: Random, place: Path, opened: ExitStack) -> None:
        self.random = random
        self.place = place
        self._opened = opened

    def make(self, kind: object) -> typing.Any:
        """Return a record of this type, hostile strings in it."""
        return hostile.build(self.random, kind, FIXED)

    def some(self, kind: object) -> typing.Any:
        """Return several records of this type."""
        return tuple(self.make(kind) for _ in range(self.random.randint(1, 3)))

    def text(self) -> str:
        """Return a hostile string."""
        return hostile.text(self.random)

    def replace(self, name: str, result: object) -> None:
        """Have what has this dotted name return the result, or raise it if it is an error."""
        raised = result if isinstance(result, Exception) else None
        self.put(name, mock.Mock(return_value=result, side_effect=raised))

    def put(self, name: str, function: object) -> None:
        """Put a function, or a value, where this dotted name is."""
        self._opened.enter_context(mock.patch(name, function))

    def profile(self) -> str:
        """Return the path of a profile whose free fields are hostile."""
        path = self.place / "profile.json"
        path.write_text(_profile_text(self.random))
        return str(path)


def _profile_text(random: Random) -> str:
    return sound(random, documents.profiles_given()[0], formats.read)


def sound(random: Random, given: str, read: "Callable[[str, str], object]") -> str:
    """Return a document with hostile strings that is still read, or the given one."""
    for _ in range(5):
        content = hostile.spoiled(random, given).decode("utf-8", "surrogateescape")
        try:
            read(content, "")
        except Exception:
            continue
        return content
    return given


def _recording(random: Random) -> Recording:
    return from_json(sound(random, random.choice(documents.recordings_given()[:2]), from_json), "")


def _head(random: Random) -> wire.Head:
    empty = wire.head(bytes(wire.HEAD.size))
    return dataclasses.replace(empty, born=5, last_exit=7, observations=random.randint(0, 2))


# What the kernel or this program itself chooses; and what has rules of its own.
FIXED: "Mapping[object, Callable[[Random], object]]" = {
    Recording: _recording,
    wire.Head: _head,
    Profile: lambda random: formats.read(_profile_text(random), "profile"),
    "architecture": lambda random: random.choice((syscalls.X86_64, syscalls.X86)),
    "verdict": lambda random: random.choice(("denied", "elsewhere", "by rule", "logged")),
    "numbers": lambda random: (1234, 5),
    "threads": lambda random: (hostile.build(random, Status, FIXED),) * random.randint(1, 6),
    "errno": lambda random: random.choice((None, 1, 38)),
    "syscall": lambda random: random.choice(("mount", "read", hostile.text(random))),
    "arguments": lambda random: random.choice(((), (1, 2, 3, 4, 5, 6))),
}


# --- The scenes, by what they are called in messages ---


def _watch(stage: Stage, *words: str) -> "list[str]":
    def watch(plan: object, signals: object, report: typing.Any, tell: typing.Any) -> Losses:
        report([stage.make(Denial) for _ in range(3)])
        tell(stage.text())
        return typing.cast(Losses, stage.make(Losses))

    stage.put("tracer.session.watching.watch", watch)
    return ["watch", stage.text(), *words]


def _watch_json(stage: Stage) -> "list[str]":
    return _watch(stage, "--format", "json")


def _watch_terminal(stage: Stage) -> "list[str]":
    stage.replace("tracer.cli.watch.is_terminal", True)
    return _watch(stage)


def _outcome(stage: Stage) -> Outcome:
    found: Outcome = stage.make(Outcome)
    recordings = (found.recordings or (stage.make(Recording),))[:1]
    return dataclasses.replace(found, recordings=recordings if stage.random.random() < 0.8 else ())


def _run(stage: Stage) -> "list[str]":
    def record(plan: object, signals: object, show: typing.Any, tell: typing.Any) -> Outcome:
        tell(stage.text())
        return _outcome(stage)

    stage.put("tracer.session.recording_run.record", record)
    kept = ["--recording", str(stage.place / "r.json")]
    return ["run", "-o", str(stage.place / "new.json"), *kept, *_COMMAND]


def _run_fails(stage: Stage) -> "list[str]":
    stage.replace("tracer.session.recording_run.record", HostError(stage.text(), stage.text()))
    return ["run", "-o", str(stage.place / "new.json"), *_COMMAND]


def _attach(stage: Stage) -> "list[str]":
    stage.replace("os.geteuid", 0)
    stage.replace("tracer.session.attachment.container", None)
    stage.replace("tracer.session.attachment.attach", stage.make(Recording))
    return ["attach", stage.text(), "-o", str(stage.place) + "/"]


def _verify(stage: Stage) -> "list[str]":
    def verify(
        bench: object, plan: object, asked: object, signals: object, told: typing.Any
    ) -> Verdict:
        found = stage.make(Verdict)
        for number, trial in enumerate(found.trials):
            told(number, trial, stage.make(typing.Tuple[str, ...]))
        return typing.cast(Verdict, found)

    _with_engine(stage)
    stage.put("tracer.session.verification.verify", verify)
    return ["verify", "--times", "2", stage.profile(), *_COMMAND]


def _problems(stage: Stage) -> "tuple[str, ...]":
    return stage.some(str) if stage.random.random() < 0.2 else ()


def _refine(stage: Stage) -> "list[str]":
    _with_engine(stage)
    found = dataclasses.replace(stage.make(Refined), problems=_problems(stage))
    stage.replace("tracer.session.refinement.strict", found)
    name = f"new{stage.text()[:40]}".replace("/", "")
    return ["refine", "--strict", "-o", f"{stage.place}/{name}", stage.profile(), *_COMMAND]


def _minimise(stage: Stage) -> "list[str]":
    def minimise(*given: typing.Any) -> Minimised:
        given[-1](1, 2, False)
        found: Minimised = stage.make(Minimised)
        return dataclasses.replace(found, problems=_problems(stage))

    _with_engine(stage)
    stage.put("tracer.session.minimisation.minimise", minimise)
    outside = ["podman", "run", "-v", f"/tmp/{stage.text()}:/x", "image"]
    return [
        "refine",
        "--minimise",
        "-o",
        str(stage.place / "new.json"),
        stage.profile(),
        "--",
        *outside,
    ]


def _with_engine(stage: Stage) -> None:
    stage.replace("shutil.which", "/usr/bin/podman")
    stage.replace("tracer.cli.verify.shelf", nullcontext(mock.Mock()))
    stage.replace("tracer.cli.refine.shelf", nullcontext(mock.Mock()))
    bench = mock.Mock(hears_logs=True)
    stage.put("tracer.session.trial.bench", lambda tell: nullcontext(tell(stage.text()) or bench))


def _confirmed(stage: Stage) -> "list[str]":
    found = stage.make(Confirmed)
    for line in confirming.confirmed_lines(found):
        printing.complain(line)
    for line in confirming.ambient_lines(found, 1000, "podman"):
        printing.complain(line)
    return []


def _life(stage: Stage) -> "list[str]":
    from tracer.report.life import line_of

    printing.print_line(line_of(stage.some(Seen)))
    return []


def _recorder(stage: Stage, *words: str) -> "list[str]":
    stage.replace("tracer.cli.recorder.pinned.stamp", stage.make(Stamp))
    stage.replace("tracer.cli.recorder.resident.find", nullcontext(mock.Mock()))
    stage.replace("tracer.cli.recorder.held", list(stage.some(Holding)))
    return ["recorder", *words]


def _ps(stage: Stage) -> "list[str]":
    return _recorder(stage, "ps", *stage.random.choice(((), ("--format", "json"))))


def _status(stage: Stage) -> "list[str]":
    facts = {
        "since": 1,
        "version": stage.text(),
        "containers": {"running": 1, "ended": 1, "dropped": 0},
        "memory": 1 << 20,
        "filled": 0.5,
        "lost": {stage.text(): 1},
        "noted": [stage.text()],
    }
    stage.replace("tracer.cli.recorder._facts", facts)
    return _recorder(stage, "status", *stage.random.choice(((), ("--format", "json"))))


def _collect(stage: Stage) -> "list[str]":
    def recordings_of(found: object, holdings: "list[Holding]") -> "dict[int, Recording]":
        return {holding.container.recording: stage.make(Recording) for holding in holdings[:1]}

    stage.put("tracer.cli.recorder.recordings_of", recordings_of)
    stage.replace("tracer.cli.recorder.unchanged", set())
    choice = stage.random.choice((("--all",), (stage.text(),), ("--name", stage.text())))
    return _recorder(stage, "collect", "-o", str(stage.place), *choice)


def _caps_show(stage: Stage) -> "list[str]":
    found = stage.some(Process)
    running = dataclasses.replace(stage.make(Running), engine="podman")
    stage.replace("tracer.cli.subject.running", running)
    stage.replace("tracer.cli.caps.read_members", found)
    stage.replace("tracer.session.credentials.with_securebits", (found, stage.text()))
    form = stage.random.choice(((), ("--format", "json")))
    return ["caps", "show", "--engine", "podman", "web", *form]


def _doctor(stage: Stage) -> "list[str]":
    stage.replace("tracer.cli.doctor.probe.findings", stage.some(Finding))
    stage.replace("tracer.cli.doctor.survey.findings", stage.some(Finding))
    return ["doctor"]


def _hook(stage: Stage) -> "list[str]":
    stage.replace("os.geteuid", 0)
    stage.replace("tracer.cli.hook.directories.read_by_podman", stage.some(str))
    stage.replace("tracer.cli.hook.directories.hooks_in", {stage.text(): stage.text()})
    stage.replace("tracer.cli.hook.configuration.is_ours", stage.random.random() < 0.5)
    stage.replace("tracer.cli.hook.program.program", ("python3", stage.text()))
    for name in ("_remove", "_make"):
        stage.replace(f"tracer.cli.hook.{name}", None)
    stage.replace("tracer.cli.hook.load", HostError(stage.text(), stage.text()))
    verb = stage.random.choice(("install", "uninstall"))
    return ["hook", verb, "--hooks-dir", f"{stage.place}/{stage.text()}"]


SCENES: "Mapping[str, Scene]" = {
    "watch": _watch,
    "watch, JSON": _watch_json,
    "watch on a terminal": _watch_terminal,
    "run": _run,
    "run that fails": _run_fails,
    "run --confirm-caps": _confirmed,
    "attach": _attach,
    "verify": _verify,
    "refine": _refine,
    "refine --minimise": _minimise,
    "a line of life": _life,
    "recorder ps": _ps,
    "recorder status": _status,
    "recorder collect": _collect,
    "caps show": _caps_show,
    "doctor": _doctor,
    "hook": _hook,
}


def failures(count: int, seed: int, directory: Path) -> Iterator[str]:
    """Play so many scenes and give a description of each whose output would do harm."""
    names = list(SCENES)
    for number in range(count):
        name = names[number % len(names)]
        place = directory / f"scene{number % 50}"
        place.mkdir(exist_ok=True)
        problem = problem_of(SCENES[name], Random(f"{seed} {number}"), place)
        for left in place.iterdir():
            left.unlink()
        if problem:
            yield f"{name}, number {number} of seed {seed}: {problem}"


def problem_of(scene: Scene, random: Random, place: Path) -> str:
    """Play one scene; what its output would do, or nothing."""
    with ExitStack() as opened:
        stage = Stage(random, place, opened)
        return printed_by(lambda: scene(stage)).problem(document=False)
