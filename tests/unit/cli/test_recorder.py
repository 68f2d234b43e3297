"""
Tests of what `recorder` prints and how it ends; what there is to tell is pretended.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn, Optional

import click
import pytest

from tests.unit.recordings import recording
from tracer import cli, files
from tracer.cli import recorder
from tracer.errors import OutputError
from tracer.kernel import pinned, wire
from tracer.kernel.pinned import Stamp
from tracer.kernel.program import Loaded
from tracer.recording import Reason, Recording, Run
from tracer.session import resident
from tracer.session.belonging import Container
from tracer.session.holdings import Holding
from tracer.text import printable

ID = "ab" * 32
HEAD = dataclasses.replace(
    wire.head(bytes(wire.HEAD.size)),
    kind=wire.CGROUP,
    container=ID,
    born=5_000_000_000,
    last_exit=7_000_000_000,
    observations=42,
    executables=1,
)
HOSTILE = "\x1b[2J\n\u202e"


def holding(name: str = "web", number: int = 1, running: bool = False, **fields: object) -> Holding:
    """
    A container that a recorder holds, and that has ended.
    """
    container = Container(number, HEAD, "podman", ID, name, "nginx", "runc", False, False)
    given = {"labels": (), "running": running, "claimed": False}
    holds = {one: fields.pop(one) for one in tuple(fields) if one in given}
    container = dataclasses.replace(container, **fields)  # type: ignore[arg-type]
    return Holding(container, **{**given, **holds})  # type: ignore[arg-type]


class Found:
    """
    A recorder with containers, that remembers which it was told to release.
    """

    def __init__(self, *held: Holding) -> None:
        self.held = held
        self.released: list[int] = []
        self.counters = wire.State(0, 0, 0, 0, 3)
        self.loaded = Loaded({"checks": 3}, {}, {})

    def __enter__(self) -> "Found":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def heads(self) -> dict[int, wire.Head]:
        return {one.container.recording: one.container.head for one in self.held}

    def release(self, ended: "set[int]") -> None:
        self.released += ended

    def state(self) -> wire.State:
        return self.counters

    def recursion_misses(self) -> dict[str, int]:
        return {"on_exec": 2}

    def memory(self) -> int:
        return 53 << 20

    def room(self, name: str) -> int:
        return {"recordings": 100, "observations": 84, "executables": 10}[name]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Found]:
    """
    The recorder that is running; `held` may be given anew.
    """
    one = Found(holding())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resident, "find", lambda: one)
    monkeypatch.setattr(recorder, "held", lambda found: one.held)
    monkeypatch.setattr(recorder, "recordings_of", lambda found, held: all_recorded(held))
    monkeypatch.setattr(pinned, "stamp", lambda: Stamp("1.2", "sources", 5, False))
    yield one


def all_recorded(held: Sequence[Holding], *reasons: Reason) -> dict[int, Recording]:
    return {one.container.recording: recorded(one, *reasons) for one in held}


def recorded(held: Holding, *reasons: Reason) -> Recording:
    """
    A recording of a container, complete unless there are reasons.
    """
    run = Run(
        "run",
        container_name=held.container.name,
        architecture="SCMP_ARCH_X86_64",
        integrity=reasons,
    )
    return recording("read", run=run)


@dataclasses.dataclass(frozen=True)
class Done:
    """
    How a command ended.
    """

    status: int
    stdout: str
    stderr: str


def call(*arguments: str) -> Done:
    """
    Run `recorder` with these arguments.
    """
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        status = cli.cli(["recorder", *arguments], standalone_mode=False)
    return Done(status, stdout.getvalue(), stderr.getvalue())


def test_start_says_which_it_was(found: Found, monkeypatch: pytest.MonkeyPatch):
    """
    `start` tells a recorder that it started from one that was running.
    """
    monkeypatch.setattr(resident, "start", lambda replace, with_denials: replace)

    assert call("start", "--replace").stdout.startswith("every container")
    assert call("start").stdout == "running already\n"


def test_start_asks_for_denials(found: Found, monkeypatch: pytest.MonkeyPatch):
    """
    One that is running and counts no denials is left as it is, and is no success.
    """
    asked: list[bool] = []

    def start(replace: bool, with_denials: bool) -> bool:
        asked.append(with_denials)
        return False

    monkeypatch.setattr(resident, "start", start)

    refused = call("start", "--denials")
    found.loaded.maps["denials"] = 4

    assert refused.status == 2 and "counts no denials" in refused.stderr
    assert call("start", "--denials").stdout == "running already\n"
    assert asked == [True, True]


@pytest.mark.parametrize(
    "left, words",
    [
        (None, "nothing to stop"),
        (resident.Left(0, 0), ""),
        (resident.Left(3, 1), "nobody had collected are gone: 3, of running containers: 1"),
    ],
)
def test_stop_says_what_went(monkeypatch: pytest.MonkeyPatch, left: object, words: str):
    """
    `stop` is silent unless there was nothing to stop, or something was lost.
    """
    monkeypatch.setattr(resident, "stop", lambda: left)

    done = call("stop")

    assert done.status == 0
    assert words in done.stderr and bool(words) == bool(done.stderr)


def test_status_says_that_nothing_is_running(monkeypatch: pytest.MonkeyPatch):
    """
    Without a recorder `status` ends with 1, in either form.
    """
    monkeypatch.setattr(pinned, "stamp", lambda: None)

    text, document = call("status"), call("status", "--format", "json")

    assert (text.status, text.stdout) == (1, "not running\n")
    assert (document.status, json.loads(document.stdout)) == (1, {"running": False})


def test_status_tells_everything(found: Found):
    """
    `status` counts what runs, has ended, was dropped or lost, and how full the fullest map is.
    """
    found.held = (holding(running=True), holding("other", 2))
    found.counters = wire.State(1, 4, 0, 5, 3)

    facts = json.loads(call("status", "--format", "json").stdout)
    text = call("status").stdout

    assert facts["containers"] == {"running": 1, "ended": 1, "dropped": 3}
    assert facts["memory"] == 53 << 20 and facts["filled"] == 1.0
    assert facts["noted"] == ["capability checks"] and "capability checks\n" in text
    assert facts["lost"] == {"programs-skipped": 2, "recordings-lost": 4, "requests-lost": 5}
    for words in (
        "1 running, 1 ended",
        "53 MiB",
        "100% filled",
        "recordings-lost 4",
        "(version 1.2)",
    ):
        assert words in text


def test_ps_lists_a_container_a_line(found: Found):
    """
    `ps` has a line for each container, with what is known of it.
    """
    found.held = (holding(), holding("", 2, running=True, image="", late=True, id=""))

    lines = call("ps").stdout.splitlines()

    assert lines[0].split() == ["CONTAINER", "NAME", "IMAGE", "STARTED", "ENDED", "CALLS"]
    assert lines[1].split()[:3] == [ID[:12], "web", "nginx"] and lines[1].endswith(" 42")
    assert lines[2].split()[:3] == ["-", "-", "-"] and lines[2].endswith(" late")
    assert len(lines) == 3


def test_ps_describes_a_container_as_json(found: Found):
    """
    What ended has an end; what runs has none.
    """
    found.held = (holding(), holding("on", 2, running=True))

    ended, running = json.loads(call("ps", "--format", "json").stdout)

    assert (ended["id"], ended["name"], ended["calls"], ended["late"]) == (ID, "web", 42, False)
    assert ended["ended"] - ended["started"] == pytest.approx(2_000_000_000, abs=10**8)
    assert running["ended"] is None


def test_ps_is_harmless(found: Found):
    """
    Id, name and image are others' words: none of them steers a terminal.
    """
    found.held = (holding(HOSTILE, image=HOSTILE, id=HOSTILE),)

    shown = call("ps").stdout

    assert shown.count(printable(HOSTILE)) == 3
    assert not set(HOSTILE[:1] + HOSTILE[-1:]) & set(shown) and shown.count("\n") == 2


def test_collect_writes_and_lets_go(found: Found, tmp_path: Path):
    """
    What has ended is written and released; what runs is written and kept.
    """
    found.held = (holding(), holding("on", 2, running=True))

    done = call("collect", "--all", "-o", ".")

    assert done.status == 0
    assert found.released == [1]
    assert {one.name for one in tmp_path.iterdir()} == {
        f"{name}.{kind}.json" for name in ("web", "on") for kind in ("seccomp", "recording")
    }


def test_collect_gives_the_name_to_roots(found: Found, tmp_path: Path):
    """
    Of two containers with one name root's has the files of that name, though a user's is older.
    """
    users = dataclasses.replace(HEAD, user=1000)
    found.held = (holding(head=users), holding(number=2))

    call("collect", "--all", "-o", ".")

    assert set(found.released) == {1, 2}
    assert {"web.seccomp.json", "web-2.seccomp.json"} < {one.name for one in tmp_path.iterdir()}


def test_collect_leaves_alone_what_is_claimed(found: Found, tmp_path: Path):
    """
    What a hook or a `run` is going to fetch is neither written nor released, and that is said.
    """
    found.held = (holding(claimed=True),)

    done = call("collect", "web", "-o", ".")

    assert (done.status, found.released) == (0, [])
    assert "left to" in done.stderr and list(tmp_path.iterdir()) == []


def test_collect_lets_go_of_what_never_ran(found: Found, tmp_path: Path):
    """
    A container whose program was never executed has no recording, and is forgotten.
    """
    head = dataclasses.replace(HEAD, executables=0)
    found.held = (holding(head=head),)

    done = call("collect", "web", "-o", ".")

    assert (done.status, found.released) == (0, [1])
    assert "never came to run" in done.stderr and list(tmp_path.iterdir()) == []


def test_collect_ends_with_one_for_what_is_incomplete(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A recording that is not complete gets another name, and is released: it will not become so.
    """
    lost = Reason("calls-lost", "calls were lost", 3)
    monkeypatch.setattr(recorder, "recordings_of", lambda found, held: all_recorded(held, lost))

    done = call("collect", "web", "-o", ".")

    assert (done.status, found.released) == (1, [1])
    assert {one.suffix for one in tmp_path.iterdir()} == {".incomplete"}


def test_collect_keeps_what_it_could_not_read(found: Found, monkeypatch: pytest.MonkeyPatch):
    """
    What somebody else takes meanwhile is said, and the others are collected all the same.
    """
    found.held = (holding(), holding("second", 2))

    def but_web(found: object, held: Sequence[Holding]) -> dict[int, Recording]:
        return all_recorded([one for one in held if one.name != "web"])

    monkeypatch.setattr(recorder, "recordings_of", but_web)

    done = call("collect", "--all", "-o", ".")

    assert (done.status, found.released) == (1, [2])
    assert "web: it is not held any more" in done.stderr


def test_collect_keeps_what_it_could_not_write(found: Found, monkeypatch: pytest.MonkeyPatch):
    """
    Where there is no room anywhere nothing is released.
    """

    def full(text: str, name: str) -> NoReturn:
        raise OutputError("no room anywhere")

    monkeypatch.setattr(files, "prepare", lambda path, objection: full("", path))
    monkeypatch.setattr(files, "write_somewhere", full)

    done = call("collect", "web", "-o", ".")

    assert (done.status, found.released) == (1, [])
    assert "no room anywhere" in done.stderr


def test_collect_keeps_what_was_started_again(found: Found, monkeypatch: pytest.MonkeyPatch):
    """
    What has begun anew since it was looked at is written and kept.
    """
    anew = dataclasses.replace(HEAD, alive=1)
    monkeypatch.setattr(found, "heads", lambda: {1: anew})

    done = call("collect", "web", "-o", ".")

    assert (done.status, found.released) == (0, [])


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (["-o", "."], click.UsageError, "Name containers"),
        (["web", "other", "-o", "."], None, "other: nothing is recorded"),
        (["web", "-o", "nowhere"], None, "nowhere: is no directory"),
        (["web", "-o", "-"], None, "-: is no directory"),
    ],
    ids=["nothing said", "not there", "no directory", "standard output"],
)
def test_collect_says_what_is_wrong(
    found: Found, arguments: list[str], error: Optional[type[Exception]], words: str
):
    """
    Wrong usage and what is not there are said, and nothing is released.
    """
    with pytest.raises(error, match=words) if error else nullcontext():
        done = call("collect", *arguments)

        assert (done.status, words in done.stderr) == (2, True)
    assert found.released == []


def test_collect_says_that_nothing_fits(found: Found):
    """
    A script that waits for a recording must not take none for one.
    """
    done = call("collect", "--name", "other", "-o", ".")

    assert (done.status, found.released) == (1, [])
    assert "no container was recorded that fits" in done.stderr
