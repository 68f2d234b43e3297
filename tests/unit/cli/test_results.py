"""
Tests of where results go: the name asked for, another one, or elsewhere, but never nowhere.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import sys
from pathlib import Path
from typing import Optional

import pytest

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.cli.given import text_of
from tracer.cli.results import Results, Written, incomplete_lines
from tracer.errors import InputError, OutputError
from tracer.profile.floor_choice import NONE, FloorChoice
from tracer.profile.making import Wanted, make
from tracer.recording import Reason, Recording, Run, to_json

RUN = Run("run", container_name="web", architecture=syscalls.X86_64, command=("podman",))
GOOD = recording("read", "write", run=RUN)
LOST = Reason("calls-lost", "calls were seen for which no map had room", 3)
BAD = recording("read", run=dataclasses.replace(RUN, integrity=(LOST,)))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    A current directory of the test's own.
    """
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(one: Recording, output: Optional[str] = None, kept: Optional[str] = None) -> Written:
    with Results(output, kept) as results:
        return results.write(one, make(one, Wanted(FloorChoice(NONE))))


def names(place: Path) -> set[str]:
    return {one.name for one in place.iterdir()}


def is_profile(path: Path) -> bool:
    return "defaultAction" in json.loads(path.read_text())


def saved_elsewhere(said: str) -> Path:
    found = re.search(r"saved as (\S+) instead", said)
    assert found, said
    return Path(found[1])


def test_a_file_gets_the_profile(here: Path):
    """
    -o FILE is the profile, --recording FILE the recording.
    """
    assert write(GOOD, "p.json", "r.json") == Written("p.json", "r.json", True)

    assert is_profile(here / "p.json")
    assert (here / "r.json").read_text() == to_json(GOOD)


def test_a_directory_gets_both_under_the_containers_name(here: Path):
    """
    -o DIR/ takes a profile and a recording for each container.
    """
    (here / "all").mkdir()

    write(GOOD, "all/")

    assert names(here / "all") == {"web.seccomp.json", "web.recording.json"}


def test_without_o_the_profile_has_the_containers_name(here: Path):
    """
    The default is NAME.seccomp.json in the current directory, and no recording.
    """
    assert write(GOOD) == Written("web.seccomp.json", "", True)
    assert names(here) == {"web.seccomp.json"}


def test_without_o_nothing_is_replaced(here: Path, capsys: pytest.CaptureFixture[str]):
    """
    What has the default name already stays, be it a profile, and the new one gets a number.
    """
    write(GOOD)
    before = (here / "web.seccomp.json").read_text()

    second, third = write(GOOD), write(GOOD)

    assert (second.profile, third.profile) == ("web-2.seccomp.json", "web-3.seccomp.json")
    assert (here / "web.seccomp.json").read_text() == before
    assert "web.seccomp.json is there already and was left alone" in capsys.readouterr().err


def test_a_name_with_a_path_in_it_stays_in_the_directory(here: Path):
    """
    A hostile container's name cannot lead out of the directory.
    """
    hostile = recording("read", run=dataclasses.replace(RUN, container_name="../../etc/\x1bx"))

    write(hostile)

    assert names(here) == {"_.._etc_x.seccomp.json"}


def test_standard_output_gets_the_profile_alone(here: Path, capfd: pytest.CaptureFixture[str]):
    """
    -o - prints the profile and leaves no file.
    """
    assert write(GOOD, "-").profile == "standard output"

    assert json.loads(capfd.readouterr().out)["defaultAction"] == "SCMP_ACT_ERRNO"
    assert names(here) == set()


@pytest.mark.parametrize(
    "output, kept, expected",
    [
        ("p.json", "r.json", {"p.json.incomplete", "r.json.incomplete"}),
        (None, None, {"web.seccomp.json.incomplete"}),
        ("-", None, {"web.seccomp.json.incomplete"}),
        ("./", None, {"web.seccomp.json.incomplete", "web.recording.json.incomplete"}),
    ],
)
def test_what_is_incomplete_never_has_the_name_asked_for(
    here: Path,
    capfd: pytest.CaptureFixture[str],
    output: Optional[str],
    kept: Optional[str],
    expected: set[str],
):
    """
    An incomplete recording and its profile are NAME.incomplete, wherever they go.
    """
    write(BAD, output, kept)

    assert names(here) == expected
    assert capfd.readouterr().out == ""


def test_a_reason_is_said_in_a_line():
    """
    Each reason has the recording's name, its sentence and its count.
    """
    assert incomplete_lines(BAD) == [f"web: {LOST.text} (3)"]
    assert incomplete_lines(GOOD) == []


@pytest.mark.parametrize("which", ["p.json", "r.json"])
def test_what_cannot_be_written_in_the_end_is_saved_elsewhere(
    here: Path, capsys: pytest.CaptureFixture[str], which: str
):
    """
    A destination that somebody has taken meanwhile loses neither of the two results.
    """
    with Results("p.json", "r.json") as results:
        (here / which).write_text("somebody else's")

        written = results.write(GOOD, make(GOOD, Wanted(FloorChoice(NONE))))

    assert not written.as_asked
    assert (here / which).read_text() == "somebody else's"
    place = saved_elsewhere(capsys.readouterr().err)
    assert str(place) in (written.profile, written.recording)
    assert is_profile(Path(written.profile))
    assert Path(written.recording).read_text() == to_json(GOOD)


@pytest.mark.parametrize("output", ["p.json", "./p.json"])
def test_one_file_cannot_be_both(output: str):
    """
    The same file for profile and recording is refused at once.
    """
    with pytest.raises(OutputError, match="both"):
        Results(output, "p.json")


@pytest.mark.parametrize("output", ["missing/", "missing/p.json"])
def test_a_missing_directory_is_refused_at_once(output: str):
    """
    Where the results could not be written is known before anything is recorded.
    """
    with pytest.raises(OutputError):
        Results(output)


def test_several_recordings_do_not_fit_in_a_file(here: Path):
    """
    More recordings than -o FILE takes are all kept, and the error says where.
    """
    other = recording("read", run=dataclasses.replace(RUN, id="other", container_name="db"))

    with Results("p.json") as results, pytest.raises(OutputError, match="web, db") as caught:
        results.check_number([GOOD, other])

    kept = re.findall(r"(/\S+\.recording\.json)", str(caught.value))
    assert [Path(one).read_text() for one in kept] == [to_json(GOOD), to_json(other)]
    assert not (here / "p.json").exists()


@pytest.mark.parametrize("output", [None, "-", "./"])
def test_several_recordings_fit_elsewhere(output: Optional[str]):
    """
    A directory, the default names and standard output take any number.
    """
    with Results(output) as results:
        results.check_number([GOOD, GOOD])


def test_a_text_is_read_from_a_file_and_from_standard_input(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A file and `-` are read alike, up to a limit.
    """
    (here / "file").write_text("text")
    monkeypatch.setattr(sys, "stdin", io.StringIO("text"))

    assert (text_of("file"), text_of("-")) == ("text", "text")


def test_standard_input_has_a_limit(monkeypatch: pytest.MonkeyPatch):
    """
    What is too large on standard input is refused before it fills the memory.
    """
    monkeypatch.setattr(sys, "stdin", io.StringIO("12345"))

    with pytest.raises(InputError, match="too large"):
        text_of("-", 4)


MORE = recording("read", "mkdir", run=RUN)


@pytest.mark.parametrize(
    "output, kept, profile, recorded",
    [
        ("p.json", "r.json", "p.json", "r.json"),
        ("several/", None, "several/web.seccomp.json", "several/web.recording.json"),
        ("alone.json", None, "alone.json", None),
        (None, None, "web.seccomp.json", None),
    ],
)
def test_a_recording_that_knows_more_takes_its_own_place(
    here: Path, output: Optional[str], kept: Optional[str], profile: str, recorded: Optional[str]
):
    """
    What is written again replaces what was written before, the profile too, wherever that was; a
    recording that was not kept is not written.
    """
    (here / "several").mkdir()
    made = make(MORE, Wanted(FloorChoice(NONE)))

    with Results(output, kept) as results:
        first = results.write(GOOD, make(GOOD, Wanted(FloorChoice(NONE))))
        before = names(here)
        again = results.rewrite(MORE, made, first)

    assert again == first and names(here) == before
    assert (here / profile).read_text() == made.text
    assert recorded is None or (here / recorded).read_text() == to_json(MORE)


@pytest.mark.parametrize("first, left", [(GOOD, True), (BAD, False)])
def test_what_has_lost_its_completeness_does_not_get_the_name(
    here: Path, first: Recording, left: bool
):
    """
    The complete one stays, if there is one, and what is not complete is beside it once.
    """
    made = make(GOOD, Wanted(FloorChoice(NONE)))

    with Results("p.json", "r.json") as results:
        written = results.rewrite(BAD, make(BAD, Wanted()), results.write(first, made))

    assert not written.as_asked and not written.complete
    assert (written.profile, written.recording) == ("p.json.incomplete", "r.json.incomplete")
    assert (here / "r.json.incomplete").read_text() == to_json(BAD)
    assert (here / "p.json").exists() == (here / "r.json").exists() == left
