"""
Tests of where root writes and reads because an annotation says so, on a real file system.

Everything is laid out in a directory that only root can write to, below /tmp, as another user of
the host would lay it out.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable, Optional

import pytest

from tracer.errors import InputError, OutputError, SeccompTraceError
from tracer.hook import places

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is about root's files")

NOBODY = 65534
OURS = "{}"


@pytest.fixture(autouse=True)
def roots_own(tmp_path: Path) -> None:
    """
    Whatever umask and group the tests run with, the test's directory is root's alone.
    """
    os.chown(tmp_path, 0, 0)
    tmp_path.chmod(0o755)


def write(path: Path, below: Optional[Path] = None, text: str = OURS) -> None:
    confined = None if below is None else str(below)
    with places.output(str(path), lambda found: found == OURS, confined) as destination:
        destination.check()
        destination.write(text)


def refused(path: object, below: Optional[Path] = None) -> str:
    """
    What is said of a place that is not written to; the directory holds what it held.
    """
    with pytest.raises(SeccompTraceError) as caught:
        write(Path(str(path)), below)
    return one_line(caught.value)


def unread(path: object) -> str:
    with pytest.raises(InputError) as caught:
        places.baseline(str(path))
    return one_line(caught.value)


def one_line(error: SeccompTraceError) -> str:
    assert len(str(error).splitlines()) == 1
    return str(error)


def directory(path: Path, mode: int, owner: int = 0, group: int = 0) -> Path:
    path.mkdir()
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def file(path: Path, text: str = "", owner: int = 0, mode: int = 0o644) -> Path:
    path.write_text(text)
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


class TestWriting:
    def test_a_new_file_is_written(self, tmp_path: Path):
        """
        Where only root may write, below the sticky /tmp.
        """
        write(tmp_path / "profile.json")

        assert (tmp_path / "profile.json").read_text() == OURS

    @pytest.mark.parametrize("text", ["", OURS])
    def test_an_empty_file_and_one_of_the_kind_are_replaced(self, tmp_path: Path, text: str):
        """
        As mktemp leaves it, or an earlier run; its mode stays.
        """
        path = file(tmp_path / "profile.json", text, mode=0o600)

        write(path, text="new")

        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_directory_of_a_user_takes_a_new_file(self, tmp_path: Path):
        """
        What a user could put in its place would be the user's own.
        """
        home = directory(tmp_path / "home", 0o755, NOBODY)

        write(home / "profile.json")

        assert (home / "profile.json").stat().st_uid == 0

    @pytest.mark.parametrize(
        ("mode", "owner", "group"),
        [(0o777, 0, 0), (0o775, 0, 50), (0o777, NOBODY, 0), (0o1777, NOBODY, 0)],
    )
    def test_a_directory_that_others_write_to_is_refused(
        self, tmp_path: Path, mode: int, owner: int, group: int
    ):
        """
        Writable by everybody or by a group, unless it is root's and sticky.
        """
        open_ = directory(tmp_path / "open", mode, owner, group)
        inner = directory(open_ / "inner", 0o755)

        assert "others may write to this directory" in refused(open_ / "profile.json")
        assert "others may write to this directory" in refused(inner / "profile.json")
        assert list(open_.iterdir()) == [inner]

    @pytest.mark.parametrize("mode", [0o1777, 0o1775])
    def test_a_sticky_directory_of_root_takes_a_new_file(self, tmp_path: Path, mode: int):
        """
        Nobody else can put something in its place there.
        """
        shared = directory(tmp_path / "shared", mode, group=50)

        write(shared / "profile.json")

        assert (shared / "profile.json").read_text() == OURS

    def test_another_users_directory_in_a_shared_one_is_refused(self, tmp_path: Path):
        """
        Somebody may have laid it out for root to walk into.
        """
        shared = directory(tmp_path / "shared", 0o1777)
        trap = directory(shared / "out", 0o755, NOBODY)

        assert "belongs to another user" in refused(trap / "profile.json")

    @pytest.mark.parametrize("text", ["", OURS])
    @pytest.mark.parametrize("mode", [0o1777, 0o755])
    def test_another_users_file_is_never_replaced(self, tmp_path: Path, mode: int, text: str):
        """
        Neither an empty one nor a profile, whoever's the directory is.
        """
        place = directory(tmp_path / "place", mode, 0 if mode == 0o1777 else NOBODY)
        path = file(place / "profile.json", text, NOBODY)

        assert "belongs to another user" in refused(path)
        assert path.read_text() == text

    def test_no_link_is_followed(self, tmp_path: Path):
        """
        Neither on the way nor at the end, not even root's own.
        """
        real = directory(tmp_path / "real", 0o755)
        (tmp_path / "link").symlink_to(real)
        (real / "end").symlink_to(tmp_path / "elsewhere")

        assert "link: is a symbolic link" in refused(tmp_path / "link" / "profile.json")
        assert "is a symbolic link" in refused(real / "end")
        assert not (tmp_path / "elsewhere").exists()

    def test_a_second_name_is_left_alone(self, tmp_path: Path):
        """
        A hard link may be another file's name that only looks like an output.
        """
        path = file(tmp_path / "profile.json", OURS)
        os.link(path, tmp_path / "other")

        assert "hard link" in refused(path)

    def test_what_is_no_profile_is_left_alone(self, tmp_path: Path):
        """
        A file of root's keeps its content.
        """
        path = file(tmp_path / "shadow", "root:*:19000:0:99999:7:::\n")

        assert "nothing that this command writes" in refused(path)
        assert path.read_text().startswith("root:")

    @pytest.mark.parametrize(
        ("make", "what"),
        [
            (os.mkdir, "is a directory"),
            (os.mkfifo, "is a pipe"),
            (lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)), "is a device"),
            (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "is a socket"),
        ],
        ids=["directory", "fifo", "device", "socket"],
    )
    def test_only_a_regular_file_is_replaced(
        self, tmp_path: Path, make: Callable[[Path], None], what: str
    ):
        """
        Everything else is refused without being opened.
        """
        make(tmp_path / "it")

        assert what in refused(tmp_path / "it")

    @pytest.mark.parametrize(
        "path",
        [
            "/profile.json",
            "/etc/shadow",
            "/etc/cron.d/profile",
            "/usr/share/containers/new.json",
            "/run/nologin",
            "/dev/null",
            "/dev/shm/profile.json",
            "/proc/sys/kernel/core_pattern",
            "/sys/kernel/uevent_helper",
            "/proc/self/cwd/profile.json",
        ],
    )
    def test_the_systems_own_directories_are_not_written_to(self, path: str):
        """
        Neither new files nor what is there.
        """
        before = os.path.lexists(path)

        assert len(refused(path)) > 0
        assert os.path.lexists(path) == before

    def test_a_system_directory_is_known_by_another_name(self, tmp_path: Path):
        """
        What is mounted elsewhere too is still the system's.
        """
        program = (
            "import sys; from tracer.hook import places; from tracer.errors import InputError\n"
            "try: places.output(sys.argv[1], lambda found: True)\n"
            "except InputError as error: print(error)\n"
        )
        mount = f'mount --bind /etc {tmp_path} && exec "$@"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", program]
            + [str(tmp_path / "new.json")],
            capture_output=True,
            text=True,
        )

        assert "the system's own directories" in done.stdout, done.stderr
        assert not Path("/etc/new.json").exists()

    def test_a_directory_that_is_not_there_is_said(self, tmp_path: Path):
        """
        In words that podman does not take for another fault.
        """
        assert "does not exist" in refused(tmp_path / "nowhere" / "profile.json")

    def test_what_has_changed_since_the_check_is_seen_again(self, tmp_path: Path):
        """
        A file of another user that comes between the check and the write is left alone.
        """
        with places.output(str(tmp_path / "p"), lambda found: True) as destination:
            file(tmp_path / "p", OURS, NOBODY)

            with pytest.raises(OutputError, match="belongs to another user"):
                destination.write("new")

    def test_a_directory_swapped_for_a_link_leads_nowhere(self, tmp_path: Path):
        """
        What was checked is what is written to, wherever it may be called meanwhile.
        """
        place = directory(tmp_path / "place", 0o755, NOBODY)
        target = directory(tmp_path / "target", 0o755)
        with places.output(str(place / "p"), lambda found: True) as destination:
            place.rename(tmp_path / "away")
            place.symlink_to(target)
            destination.write(OURS)

        assert list(target.iterdir()) == []
        assert (tmp_path / "away" / "p").read_text() == OURS


class TestConfined:
    def test_what_lies_below_is_written(self, tmp_path: Path):
        """
        In the directory itself, or deeper, and however the paths are spelled.
        """
        place = directory(tmp_path / "profiles", 0o755)
        directory(place / "deeper", 0o755)

        write(place / "p", place)
        write(Path(f"{place}//./deeper/p"), Path(f"{place}/"))

        assert {one.name for one in place.rglob("*")} == {"p", "deeper"}

    @pytest.mark.parametrize("name", ["profiles-too/p", "p", "profiles/../p"])
    def test_nothing_else_is_written(self, tmp_path: Path, name: str):
        """
        Not beside it, not in one whose name begins like it.
        """
        place = directory(tmp_path / "profiles", 0o755)
        directory(tmp_path / "profiles-too", 0o755)

        assert refused(f"{tmp_path}/{name}", place)
        assert [one for one in tmp_path.rglob("p")] == []

    def test_the_system_may_be_confined_to(self, tmp_path: Path):
        """
        An administrator may name a directory that would be refused otherwise.
        """
        with places.output("/run/p.json", lambda found: True, "/run") as destination:
            assert destination.path == "/run/p.json"


class TestReading:
    def test_a_file_of_roots_is_read(self, tmp_path: Path):
        """
        Even one that nobody else may read, as mktemp makes it.
        """
        assert places.baseline(str(file(tmp_path / "b", OURS, mode=0o600))) == OURS

    def test_the_systems_profile_is_read(self, tmp_path: Path):
        """
        Reading below /etc and /usr is as good as anywhere.
        """
        assert places.baseline("/etc/passwd")

    @pytest.mark.parametrize(
        ("directory_mode", "mode", "is_read"),
        [(0o755, 0o644, True), (0o755, 0o600, False), (0o1777, 0o644, False)],
    )
    def test_another_users_file_is_read_if_everybody_may(
        self, tmp_path: Path, directory_mode: int, mode: int, is_read: bool
    ):
        """
        But never from a directory where somebody may have laid it out.
        """
        owner = 0 if directory_mode == 0o1777 else NOBODY
        path = file(directory(tmp_path / "d", directory_mode, owner) / "b", OURS, NOBODY, mode)

        if is_read:
            assert places.baseline(str(path)) == OURS
        else:
            assert "belongs to another user" in unread(path)

    @pytest.mark.parametrize(("owner", "is_read"), [(0, True), (NOBODY, False)])
    def test_a_hard_link_is_read_where_only_root_makes_them(
        self, tmp_path: Path, owner: int, is_read: bool
    ):
        """
        A user could give root's file a name of the user's own.
        """
        place = directory(tmp_path / "d", 0o755, owner)
        os.link(file(tmp_path / "secret", OURS, mode=0o600), place / "b")

        if is_read:
            assert places.baseline(str(place / "b")) == OURS
        else:
            assert "hard link" in unread(place / "b")

    def test_links_and_open_directories_are_refused(self, tmp_path: Path):
        """
        As for outputs.
        """
        (tmp_path / "link").symlink_to(file(tmp_path / "b", OURS))
        open_ = directory(tmp_path / "open", 0o777)
        file(open_ / "b", OURS)

        assert "is a symbolic link" in unread(tmp_path / "link")
        assert "others may write" in unread(open_ / "b")

    def test_a_pipe_does_not_block(self, tmp_path: Path):
        """
        It is refused without being opened.
        """
        os.mkfifo(tmp_path / "fifo")

        assert "no regular file" in unread(tmp_path / "fifo")

    @pytest.mark.parametrize(
        "path", ["/dev/zero", "/proc/kmsg", "/sys/kernel/notes", "/proc/1/mem"]
    )
    def test_the_kernels_files_are_not_read(self, path: str):
        """
        Reading some of them waits, or does something.
        """
        assert unread(path)

    def test_a_large_file_is_refused(self, tmp_path: Path):
        """
        The limit itself is read.
        """
        path = file(tmp_path / "b", " " * places.BASELINE_LIMIT)
        assert len(places.baseline(str(path))) == places.BASELINE_LIMIT

        path.write_text(" " * (places.BASELINE_LIMIT + 1))

        assert "larger than" in unread(path)

    def test_what_is_no_text_is_refused_without_being_quoted(self, tmp_path: Path):
        """
        The message says nothing of the content.
        """
        (tmp_path / "b").write_bytes(b"secret\xff")

        assert "not UTF-8" in unread(tmp_path / "b")
        assert "secret" not in unread(tmp_path / "b")
