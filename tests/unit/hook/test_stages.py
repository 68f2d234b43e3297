"""
Tests of what the hook says of a wrong request, and what it leaves beside an output; no recorder
runs here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import List, Optional

import pytest

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.errors import HostError, InputError, OutputError, SeccompTraceError
from tracer.hook import fetching, stages
from tracer.hook.annotation import KEY, RECORDING_KEY
from tracer.hook.stages import Policy
from tracer.hook.state import State
from tracer.kernel import pinned
from tracer.recording import Reason, Recording, Run, from_json

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it writes as root only")

NOBODY = 65534
RUN = Run(
    "run",
    container_name="web",
    architecture=syscalls.X86_64,
    container_id="c" * 64,
    runtime="runc",
    runtime_version="1.1.5",
)
GOOD = recording("read", "write", run=RUN)
LOST = Reason("calls-lost", "calls were seen for which no map had room", 3)
BAD = recording("read", run=dataclasses.replace(RUN, integrity=(LOST,)))
PROFILE = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}\n'


@pytest.fixture(autouse=True)
def no_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whatever runs on this host, no recorder is found, and none can be started.
    """
    (tmp_path / "no-bpffs").touch()
    monkeypatch.setattr(pinned, "BPFFS", tmp_path / "no-bpffs")
    monkeypatch.setattr(pinned, "LOCK", tmp_path / "no-bpffs" / "lock")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """
    A directory for outputs that is root's alone.
    """
    (tmp_path / "place").mkdir(0o755)
    os.chown(tmp_path / "place", 0, 0)
    return tmp_path / "place"


def state(annotation: Optional[str], process: Optional[int] = None) -> State:
    return State("abc", process, "", {} if annotation is None else {KEY: annotation})


def begin(annotation: Optional[str], best_effort: bool = False) -> List[str]:
    """
    Begin a container whose first process we are; what was said.
    """
    said: List[str] = []
    policy = Policy(best_effort=best_effort)
    stages.begin(state(annotation, os.getpid()), policy, lambda line: said.append(str(line)))
    return said


def end(annotation: Optional[str]) -> None:
    stages.end(state(annotation), Policy(), lambda line: None)


def names(place: Path) -> List[str]:
    return sorted(one.name for one in place.iterdir())


def test_who_asks_for_nothing_gets_nothing():
    """
    A container without the annotation begins and ends.
    """
    assert begin(None) == []
    end(None)


def test_what_is_wrong_with_the_request_comes_first(place: Path):
    """
    Before anything is asked of a recorder, and with best effort too.
    """
    with pytest.raises(InputError, match="is no absolute path"):
        begin("of:x", best_effort=True)
    with pytest.raises(InputError, match="does not exist"):
        begin(f"of:{place}/nowhere/p", best_effort=True)
    with pytest.raises(InputError, match="does not exist"):
        begin(f"if:{place}/nowhere;of:{place}/p", best_effort=True)
    assert names(place) == []


def test_a_rootless_containers_hook_says_who_can_record_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    In a user namespace it does not blame a directory that is not root's there; the end, which tells
    nobody anything, is quiet.
    """
    (place.parent / "uid_map").write_text("         0       1000          1\n")
    monkeypatch.setattr(stages, "UID_MAP", str(place.parent / "uid_map"))

    with pytest.raises(HostError, match="rootless"):
        begin(f"of:{place}/p")
    (said,) = begin(f"of:{place}/p", best_effort=True)
    end(f"of:{place}/p")

    assert "rootless" in said and "runs all the same" in said
    assert names(place) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret\n",
        '{"secret": 1}',
        '{"defaultAction": "secret", "syscalls": []}',
        "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\n",
        '{"kind": "SeccompProfile", "spec": {"defaultAction": "SCMP_ACT_ERRNO"}}',
    ],
)
def test_a_baseline_that_is_none_is_not_quoted(place: Path, text: str):
    """
    It may be a file that the annotation's author cannot read; other forms have to be converted.
    """
    (place / "base").write_text(text)

    with pytest.raises(InputError) as caught:
        begin(f"if:{place}/base;of:{place}/p")

    assert "is no seccomp profile" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_wrong_with_us_fails_the_container(place: Path):
    """
    Nothing is written: podman shows why.
    """
    with pytest.raises(HostError):
        begin(f"of:{place}/p")
    assert names(place) == []


def test_best_effort_says_so_and_leaves_the_reason(place: Path):
    """
    It is still there after the end, which finds no recorder.
    """
    (said,) = begin(f"of:{place}/p", best_effort=True)
    reason = (place / "p.not-recorded").read_text()

    with pytest.raises(HostError):
        end(f"of:{place}/p")

    assert "the container runs all the same" in said
    assert (place / "p.not-recorded").read_text() == reason
    assert names(place) == ["p.not-recorded"]


def test_an_end_without_a_recording_leaves_the_reason(place: Path):
    """
    In place of that of another container; an older profile stays as it is.
    """
    (place / "p").write_text(PROFILE)
    (place / "p.not-recorded").write_text(f"{stages.MARK}\nanother\nfor another reason\n")

    with pytest.raises(HostError, match="no recorder"):
        end(f"of:{place}/p")

    assert "no recorder" in (place / "p.not-recorded").read_text()
    assert "another reason" not in (place / "p.not-recorded").read_text()
    assert (place / "p").read_text() == PROFILE


@pytest.mark.parametrize("suffix", [".incomplete", ".incomplete.reasons", ".not-recorded"])
@pytest.mark.parametrize(("text", "owner"), [("theirs", 0), (stages.MARK, NOBODY)])
def test_what_could_not_be_said_beside_is_known_at_the_beginning(
    place: Path, suffix: str, text: str, owner: int
):
    """
    A file that is not ours, by what it says or whose it is, is not replaced.
    """
    path = place / f"p{suffix}"
    path.write_text(text)
    os.chown(path, owner, owner)

    with pytest.raises(OutputError):
        begin(f"of:{place}/p")

    assert path.read_text() == text


@contextmanager
def recorded(recording: Recording) -> Iterator[None]:
    """
    In place of the kernel: this is what was recorded of any container.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "fetched", lambda container: nullcontext(recording))
        yield


def test_a_complete_recording_is_written_and_earlier_notes_go(place: Path):
    """
    Only those that are ours: the profile stands alone, and the recording where it was asked for.
    """
    (place / "p.incomplete").write_text(PROFILE)
    (place / "p.not-recorded").write_text(stages.MARK)
    (place / "p.incomplete.reasons").write_text("theirs")
    annotations = {KEY: f"of:{place}/p", RECORDING_KEY: f"{place}/r"}

    with recorded(GOOD):
        stages.end(State("abc", None, "", annotations), Policy(), lambda line: None)

    assert names(place) == ["p", "p.incomplete.reasons", "r"]
    assert "read" in (place / "p").read_text()
    assert from_json((place / "r").read_text(), "r") == GOOD


def test_an_incomplete_recording_never_gets_the_name_asked_for(place: Path):
    """
    It stands beside it, with the reasons; an older profile stays.
    """
    (place / "p").write_text(PROFILE)

    with recorded(BAD), pytest.raises(HostError, match="not complete: calls were seen"):
        end(f"of:{place}/p")

    assert names(place) == ["p", "p.incomplete", "p.incomplete.reasons"]
    assert (place / "p").read_text() == PROFILE
    assert "no map had room (3)" in (place / "p.incomplete.reasons").read_text()


def test_a_baseline_is_extended(place: Path):
    """
    And is read again at the end: one that is gone leaves the reason.
    """
    (place / "base").write_text(PROFILE)

    with recorded(GOOD):
        end(f"if:{place}/base;of:{place}/p")
        (place / "base").unlink()
        with pytest.raises(InputError):
            end(f"if:{place}/base;of:{place}/q")

    assert "read" in (place / "p").read_text()
    assert names(place) == ["p", "q.not-recorded"]


def test_a_beginning_without_a_process_is_refused(place: Path):
    """
    The hook was put into the wrong stage.
    """
    with pytest.raises(SeccompTraceError, match="names no process"):
        stages.begin(state(f"of:{place}/p"), Policy(), lambda line: None)
