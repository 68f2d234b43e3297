"""
Tests of what is pinned, where and by whom. The BPF filesystem is pretended: a directory, and files.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tracer.errors import HostError
from tracer.kernel import bpf, pinned
from tracer.kernel.pinned import Stamp
from tracer.kernel.program import Loaded

STAMP = Stamp("1.2", "sources", 5, True)
LOADED = Loaded({"state": 0, "threads": 0}, {"on_exec": 0}, {"on_exec": 0})
PINS = 5  # of what is loaded, and the stamp


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    The directory for what is pinned, where bpf(2) makes files; a map's value is the file's content.
    """
    values: dict[int, bytes] = {}

    def pin(descriptor: int, path: str) -> None:
        with open(path, "xb") as file:
            file.write(values.get(descriptor, b""))

    def look_up(descriptor: int, key: bytes, size: int) -> bytes:
        return os.pread(descriptor, size, 0)

    monkeypatch.setattr(pinned, "BPFFS", tmp_path)
    monkeypatch.setattr(pinned, "PLACE", tmp_path / "place")
    monkeypatch.setattr(pinned, "LOCK", tmp_path / "lock" / "recorder.lock")
    monkeypatch.setattr(pinned, "_is_bpffs", lambda: True)
    monkeypatch.setattr(bpf, "pin", pin)
    monkeypatch.setattr(bpf, "pinned", lambda path: os.open(path, os.O_RDONLY))
    monkeypatch.setattr(bpf, "lookup", look_up)
    monkeypatch.setattr(bpf, "create_map", lambda *shape: os.open(os.devnull, os.O_RDONLY))
    monkeypatch.setattr(bpf, "update", lambda number, key, value: values.update({number: value}))
    return tmp_path / "place"


def everything(place: Path) -> set[str]:
    """
    The files below a directory.
    """
    return {str(one.relative_to(place)) for one in place.rglob("*") if one.is_file()}


def failing_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """
    Have a pin fail.
    """
    pin, pins = bpf.pin, iter(range(1, 100))

    def counted(descriptor: int, path: str) -> None:
        if next(pins) == number:
            raise error
        pin(descriptor, path)

    monkeypatch.setattr(bpf, "pin", counted)


def test_what_is_kept_is_there_as_a_whole(place: Path):
    """
    Maps, programs and links have a name each, beside the stamp, which says whose they are.
    """
    pinned.keep(LOADED, STAMP)

    assert everything(place) == {
        "recorder/stamp",
        "recorder/maps/state",
        "recorder/maps/threads",
        "recorder/programs/on_exec",
        "recorder/links/on_exec",
    }
    assert pinned.stamp() == STAMP


def test_what_is_kept_is_roots_alone(place: Path):
    """
    Nobody else may enter the directories, so that nobody else can open what is pinned.
    """
    pinned.keep(LOADED, STAMP)

    directories = [place, *(one for one in place.rglob("*") if one.is_dir())]
    assert {one.stat().st_mode & 0o777 for one in directories} == {0o700}


@pytest.mark.parametrize("number", range(1, PINS + 1))
@pytest.mark.parametrize("error", [OSError(errno.ENOMEM, "x"), KeyboardInterrupt()], ids=repr)
def test_a_pin_that_fails_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException
):
    """
    When memory runs out, or Ctrl-C comes, between one pin and the next, nothing of ours is left.
    """
    failing_at(monkeypatch, number, error)

    with pytest.raises((HostError, KeyboardInterrupt)):
        pinned.keep(LOADED, STAMP)

    assert not place.exists()


def test_no_memory_is_said(monkeypatch: pytest.MonkeyPatch):
    """
    What the kernel says of a pin that it refuses is an expected error.
    """
    failing_at(monkeypatch, 1, OSError(errno.ENOMEM, "x"))

    with pytest.raises(HostError, match="place: Cannot allocate memory"):
        pinned.keep(LOADED, STAMP)


def test_what_others_left_half_done_is_in_nobodys_way(place: Path):
    """
    What a killed process was starting, or stopping, goes with the next start.
    """
    for left in ("starting/maps", "stopping/links"):
        (place / left).mkdir(parents=True)
        (place / left / "state").touch()
    place.chmod(0o700)

    pinned.keep(LOADED, STAMP)

    assert {one.name for one in place.iterdir()} == {"recorder"}


def test_a_newer_one_takes_the_place_of_an_older(place: Path):
    """
    What was pinned before goes, what another version pinned under other names too.
    """
    pinned.keep(Loaded({"old": 0}, {}, {}), STAMP)

    pinned.keep(LOADED, Stamp("2", "newer", 6, False))

    assert "recorder/maps/old" not in everything(place)
    assert pinned.stamp() == Stamp("2", "newer", 6, False)


def test_leaving_takes_everything_away(place: Path):
    """
    After `leave` there is nothing of ours; to leave twice is no error.
    """
    pinned.keep(LOADED, STAMP)

    pinned.leave()
    pinned.leave()

    assert not place.exists() and pinned.stamp() is None


def test_what_is_pinned_can_be_opened():
    """
    Each map, program and link is opened by its name.
    """
    pinned.keep(LOADED, STAMP)

    loaded = pinned.opened()

    assert loaded is not None
    assert [set(one) for one in (loaded.maps, loaded.programs, loaded.links)] == [
        {"state", "threads"},
        {"on_exec"},
        {"on_exec"},
    ]
    loaded.close()


def test_what_is_being_removed_cannot_be_opened(place: Path):
    """
    Where something is missing there is nothing, and no descriptor stays open.
    """
    pinned.keep(LOADED, STAMP)
    (place / "recorder/links/on_exec").unlink()
    (place / "recorder/links").rmdir()
    before = len(os.listdir("/proc/self/fd"))

    assert pinned.opened() is None
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"started": "soon"}',
        b'{"started": null}',
        b"[" * 9999,
    ],
)
def test_a_stamp_that_says_nothing_is_another_versions(place: Path, value: bytes):
    """
    Whatever another version has written, it is not ours, and no error.
    """
    pinned.keep(LOADED, STAMP)
    (place / "recorder/stamp").write_bytes(value)

    found = pinned.stamp()

    assert found is not None and found.sources == ""


def test_a_stamp_may_say_more(place: Path):
    """
    What a later version adds to its stamp is overlooked.
    """
    pinned.keep(LOADED, STAMP)
    (place / "recorder/stamp").write_text(json.dumps({"version": "9", "sources": "s", "more": 1}))

    assert pinned.stamp() == Stamp("9", "s", 0, False)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_directory_that_others_could_write_is_refused(place: Path, mode: int):
    """
    Where others could have put something, nothing is looked for, and nothing is put.
    """
    place.mkdir()
    place.chmod(mode)

    for use in (pinned.stamp, lambda: pinned.keep(LOADED, STAMP)):
        with pytest.raises(HostError, match="others can write there"):
            use()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("make", [Path.touch, lambda one: one.symlink_to("/tmp")])
def test_what_is_no_directory_is_refused(place: Path, make):
    """
    A file or a link in the place of the directory is not followed.
    """
    make(place)

    with pytest.raises(HostError, match="others can write there"):
        pinned.keep(LOADED, STAMP)


def test_two_cannot_hold_the_lock(tmp_path: Path):
    """
    Who wants the lock that another process has waits for it.
    """
    code = (
        "import fcntl, sys\n"
        "with open(sys.argv[1]) as lock: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    try_it = [sys.executable, "-c", code, str(tmp_path / "lock" / "recorder.lock")]

    with pinned.lock():
        held = subprocess.run(try_it, stderr=subprocess.DEVNULL).returncode

    assert (held, subprocess.run(try_it).returncode) == (1, 0)


def test_a_lock_that_was_removed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Who waited for a lock whose file is gone when it comes does not hold it: it would be alone.
    """
    real, inodes = fcntl.flock, []

    def removed_meanwhile(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        inodes.append(os.fstat(descriptor).st_ino)
        if len(inodes) == 1:
            os.unlink(tmp_path / "lock" / "recorder.lock")

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)

    with pinned.lock():
        assert (tmp_path / "lock" / "recorder.lock").exists()
    assert len(inodes) == 2


def test_a_directory_that_was_removed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Who wants the lock while another one's `stop` removes its directory makes that anew.
    """
    real, opened = os.open, []

    def removed_meanwhile(*arguments: Any, **options: Any) -> int:
        opened.append(arguments)
        if len(opened) == 1:
            os.rmdir(tmp_path / "lock")
        return real(*arguments, **options)

    monkeypatch.setattr(os, "open", removed_meanwhile)

    with pinned.lock():
        assert (tmp_path / "lock" / "recorder.lock").exists()


def test_a_lock_is_not_followed_elsewhere(tmp_path: Path):
    """
    A link in the place of the lock, or of its directory, is refused.
    """
    (tmp_path / "lock").mkdir(mode=0o755)
    (tmp_path / "lock" / "recorder.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(HostError, match="recorder.lock"), pinned.lock():
        pass

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_lack_of_privilege_is_said(monkeypatch: pytest.MonkeyPatch, number: int):
    """
    What bpf(2) refuses to a user is explained as that.
    """

    def refuse(path: str) -> NoReturn:
        raise OSError(number, "x")

    pinned.keep(LOADED, STAMP)
    monkeypatch.setattr(bpf, "pinned", refuse)

    with pytest.raises(HostError, match="run as root"):
        pinned.stamp()


def test_what_another_version_has_pinned_beside_goes_too(place: Path):
    """
    A newer version may pin more than this one knows of: nothing of it is left.
    """
    with pinned.lock():
        pinned.keep(LOADED, STAMP)
        more = place / "recorder" / "more" / "deeper"
        more.mkdir(parents=True)
        (more / "map").touch()

        pinned.leave()

    assert not place.exists()
