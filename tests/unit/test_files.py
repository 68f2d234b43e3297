"""
Files are read without blocking and written whole or not at all, wherever the path may lead.
"""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import List

import pytest

from tracer.errors import InputError, OutputError
from tracer.files import prepare, read_text, write_somewhere

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, other users' files")
NOBODY = 65534


def ours(text: str) -> bool:
    return text.startswith("ours")


def write(path: Path, text: str = "ours, new") -> None:
    with prepare(str(path), ours) as destination:
        destination.write(text)


def refused(path: object) -> str:
    with pytest.raises(OutputError) as caught:
        prepare(str(path), ours).close()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def python(program: str, *arguments: str, wrapper: List[str]) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(params=["unnamed", "named"])
def temporary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to write: a file without a name, and one with where O_TMPFILE is not known."""
    if request.param == "named":
        # What open(2) takes O_TMPFILE for on a kernel without it: opening a directory to write.
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    return str(request.param)


class TestReading:
    def test_a_regular_file_is_read(self, tmp_path: Path):
        """
        The text comes back as it is.
        """
        (tmp_path / "f").write_text("später\n", "utf-8")

        assert read_text(str(tmp_path / "f")) == "später\n"

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/nowhere/at/all", "No such file or directory"),
            ("/", "is a directory"),
            ("/dev/zero", "is a device"),
            ("/proc/self/mem", "cannot be read"),
            ("x\0y", "cannot be read"),
            ("n" * 300, "File name too long"),
        ],
    )
    def test_what_is_no_readable_file_is_refused(self, path: str, message: str):
        """
        Each is one line that says what it is.
        """
        with pytest.raises(InputError) as caught:
            read_text(path)

        assert message in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1

    def test_a_pipe_is_refused_without_waiting(self, tmp_path: Path):
        """
        A fifo that nobody writes to does not block.
        """
        os.mkfifo(tmp_path / "fifo")

        with pytest.raises(InputError, match="is a pipe"):
            read_text(str(tmp_path / "fifo"))

    def test_a_large_file_is_refused(self, tmp_path: Path):
        """
        More than the limit is not read; the limit itself is.
        """
        (tmp_path / "f").write_bytes(b"x" * 11)

        with pytest.raises(InputError, match="larger than 10 bytes"):
            read_text(str(tmp_path / "f"), limit=10)
        assert read_text(str(tmp_path / "f"), limit=11) == "x" * 11

    def test_what_is_not_utf8_is_refused(self, tmp_path: Path):
        """
        The error says at which byte.
        """
        (tmp_path / "f").write_bytes(b"ab\xff")

        with pytest.raises(InputError, match=r"not UTF-8 text \(byte 2\)"):
            read_text(str(tmp_path / "f"))


class TestWriting:
    def test_a_new_file_is_written_whole(self, tmp_path: Path, temporary: str):
        """
        The file has the text, mode 0644 as the umask leaves it, and nothing lies beside it.
        """
        before = os.umask(0o027)
        try:
            write(tmp_path / "f", "text\udcff")
        finally:
            os.umask(before)

        assert (tmp_path / "f").read_bytes() == b"text\xff"
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
        assert os.listdir(tmp_path) == ["f"]

    @pytest.mark.parametrize("content", ["", "ours, old"])
    def test_an_empty_file_and_one_of_ours_are_replaced(
        self, tmp_path: Path, temporary: str, content: str
    ):
        """
        The new file takes the old one's place and mode, and an old one that is open is untouched.
        """
        (tmp_path / "f").write_text(content)
        (tmp_path / "f").chmod(0o600)

        with open(tmp_path / "f") as old:
            write(tmp_path / "f")
            assert old.read() == content

        assert (tmp_path / "f").read_text() == "ours, new"
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
        assert os.listdir(tmp_path) == ["f"]

    def test_a_destination_can_be_written_twice(self, tmp_path: Path):
        """
        The second text replaces the first, if it is of its kind.
        """
        with prepare(str(tmp_path / "f"), ours) as destination:
            destination.write("ours, first")
            destination.write("ours, second")

        assert (tmp_path / "f").read_text() == "ours, second"

    def test_preparing_writes_nothing(self, tmp_path: Path, temporary: str):
        """
        Until there is something to write, the directory stays as it was.
        """
        prepare(str(tmp_path / "f"), ours).close()

        assert os.listdir(tmp_path) == []

    def test_a_file_beside_goes_into_the_same_directory(self, tmp_path: Path):
        """
        The incomplete recording's file is found next to the name that was asked for.
        """
        with prepare(str(tmp_path / "f"), ours) as destination:
            with destination.beside(".incomplete") as beside:
                beside.write("partial")

        assert (tmp_path / "f.incomplete").read_text() == "partial"

    def test_a_relative_path_stays_where_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """
        Changing the directory between preparing and writing makes no difference.
        """
        monkeypatch.chdir(tmp_path)
        with prepare("f", ours) as destination:
            monkeypatch.chdir("/")
            destination.write("text")

        assert (tmp_path / "f").read_text() == "text"


class TestRefusing:
    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/etc/passwd", "nothing that this command writes"),
            ("/dev/null", "is a device"),
            ("/proc/self/fd/1", "is a symbolic link"),
            ("/etc", "is a directory"),
            ("/etc/", "names no file"),
            ("", "names no file"),
            ("..", "names no file"),
            ("/nowhere/f", "create the directory first"),
            ("/etc/passwd/f", "no directory"),
            ("/tmp/x\0y", "NUL"),
            ("/tmp/" + "n" * 300, "File name too long"),
        ],
    )
    def test_a_place_that_must_not_be_written_is_refused(self, path: str, message: str):
        """
        Before anything is recorded there is one line that says why.
        """
        assert message in refused(path)

    def test_a_file_of_another_kind_is_not_replaced(self, tmp_path: Path):
        """
        Neither other text nor binary data is overwritten.
        """
        for content in (b"theirs", b"\xff\xfe"):
            (tmp_path / "f").write_bytes(content)
            assert "choose another name" in refused(tmp_path / "f")
            assert (tmp_path / "f").read_bytes() == content

    def test_a_file_that_appeared_in_the_meantime_is_not_replaced(
        self, tmp_path: Path, temporary: str
    ):
        """
        What is there when it is written counts, not what was there when it was prepared.
        """
        with prepare(str(tmp_path / "f"), ours) as destination:
            (tmp_path / "f").write_text("theirs")
            with pytest.raises(OutputError, match="is there already"):
                destination.write("ours")

        assert (tmp_path / "f").read_text() == "theirs"
        assert os.listdir(tmp_path) == ["f"]

    def test_a_link_planted_in_the_meantime_is_not_followed(self, tmp_path: Path):
        """
        Between preparing and writing nobody can redirect the file.
        """
        (tmp_path / "victim").write_text("")
        with prepare(str(tmp_path / "f"), ours) as destination:
            (tmp_path / "f").symlink_to(tmp_path / "victim")
            with pytest.raises(OutputError, match="symbolic link"):
                destination.write("ours")

        assert (tmp_path / "victim").read_text() == ""

    def test_a_directory_exchanged_in_the_meantime_makes_no_difference(self, tmp_path: Path):
        """
        The directory that was judged is the one that is written to.
        """
        (tmp_path / "d").mkdir()
        (tmp_path / "victim").mkdir()
        with prepare(str(tmp_path / "d" / "f"), ours) as destination:
            (tmp_path / "d").rename(tmp_path / "moved")
            (tmp_path / "d").symlink_to(tmp_path / "victim")
            destination.write("ours")

        assert os.listdir(tmp_path / "victim") == []
        assert os.listdir(tmp_path / "moved") == ["f"]

    def test_a_link_on_the_way_is_followed_where_only_we_can_have_made_it(self, tmp_path: Path):
        """
        A link to a directory, absolute or relative, works in a directory of our own.
        """
        (tmp_path / "d").mkdir()
        (tmp_path / "absolute").symlink_to(tmp_path / "d")
        (tmp_path / "relative").symlink_to("d/../absolute")

        write(tmp_path / "relative" / "f")

        assert (tmp_path / "d" / "f").read_text() == "ours, new"

    @pytest.mark.parametrize("mode", [0o777, 0o1777])
    def test_a_link_on_the_way_is_not_followed_where_anybody_may_write(
        self, tmp_path: Path, mode: int
    ):
        """
        Whoever may write to a directory could have planted a link in it.
        """
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(mode)
        (tmp_path / "shared" / "link").symlink_to(tmp_path)

        assert "is not followed" in refused(tmp_path / "shared" / "link" / "f")

    @AS_ROOT
    def test_a_link_in_another_users_directory_is_not_followed(self, tmp_path: Path):
        """
        The owner of a directory may write to it, whatever its mode says.
        """
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "link").symlink_to(tmp_path)
        os.chown(tmp_path / "home", NOBODY, NOBODY)

        assert "is not followed" in refused(tmp_path / "home" / "link" / "f")

    def test_links_in_a_circle_end(self, tmp_path: Path):
        """
        A link that leads to itself is an error, not an endless walk.
        """
        (tmp_path / "link").symlink_to("link")

        assert "Too many levels of symbolic links" in refused(tmp_path / "link" / "f")

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_a_pipe_or_directory_of_that_name_is_refused(self, tmp_path: Path, make: object):
        """
        Nothing but a regular file is ever replaced, and a pipe does not block.
        """
        assert callable(make)
        make(tmp_path / "f")

        assert "name a file" in refused(tmp_path / "f")

    @AS_ROOT
    def test_a_directory_that_may_not_be_written_is_refused_early(self, tmp_path: Path):
        """
        An ordinary user learns before recording that the directory is not theirs.
        """
        tmp_path.chmod(0o755)
        program = """
            import os, sys
            os.setgroups([]); os.setgid(65534)
            from tracer import errors, files
            directory = os.open(sys.argv[1], os.O_RDONLY)
            os.setuid(65534); os.fchdir(directory)
            try: files.prepare("f", lambda text: True)
            except errors.OutputError as error: print(error)
        """

        done = python(program, str(tmp_path), wrapper=[])

        assert done.stdout == (
            "f: cannot be written: Permission denied; choose a directory that you may write to\n"
        )


def mounted(tmp_path: Path, options: str) -> List[str]:
    """The command prefix that runs a program with a small tmpfs of its own on this directory."""
    script = f'mount -t tmpfs -o {options} none {tmp_path} && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]


@AS_ROOT
class TestFullAndReadOnlyDisks:
    def test_a_full_disk_leaves_the_old_file_and_nothing_else(self, tmp_path: Path):
        """
        Text that does not fit is an error with a hint; the previous file is still whole.
        """
        program = """
            import os, sys
            from tracer import errors, files
            path = sys.argv[1] + "/f"
            with files.prepare(path, lambda text: True) as destination:
                destination.write("old")
                try: destination.write("x" * 1_000_000)
                except errors.OutputError as error: print(error)
            print(open(path).read(), os.listdir(sys.argv[1]))
        """

        done = python(program, str(tmp_path), wrapper=mounted(tmp_path, "size=64k"))

        assert done.stdout.splitlines() == [
            f"{tmp_path}/f: cannot be written: No space left on device; "
            "free some space, or choose another place",
            "old ['f']",
        ]

    def test_a_read_only_disk_is_refused_early(self, tmp_path: Path):
        """
        That nothing can be written is known before anything is recorded.
        """
        program = """
            import sys
            from tracer import errors, files
            try: files.prepare(sys.argv[1] + "/f", lambda text: True)
            except errors.OutputError as error: print(error)
        """

        done = python(program, str(tmp_path), wrapper=mounted(tmp_path, "ro"))

        assert "Read-only file system; the file system is read-only" in done.stdout

    def test_what_does_not_fit_is_saved_somewhere_else(self, tmp_path: Path):
        """
        When the current directory is full, the next place takes the text.
        """
        program = """
            import os, sys
            from tracer import files
            os.chdir(sys.argv[1])
            os.environ["TMPDIR"] = sys.argv[2]
            path = files.write_somewhere("x" * 1_000_000, "f")
            print(path, os.listdir("."))
        """
        (tmp_path / "full").mkdir()
        (tmp_path / "spare").mkdir()

        wrapper = mounted(tmp_path / "full", "size=64k")
        done = python(program, str(tmp_path / "full"), str(tmp_path / "spare"), wrapper=wrapper)

        saved, left = done.stdout.split(maxsplit=1)
        assert Path(saved).read_text() == "x" * 1_000_000
        assert saved.startswith(str(tmp_path / "spare"))
        assert left == "[]\n"


class TestTheLastResort:
    def test_text_is_saved_in_a_private_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """
        Only we can read it, and a name cannot lead out of the directory.
        """
        monkeypatch.chdir(tmp_path)

        saved = Path(write_somewhere("text", "../../web.json"))

        assert saved.read_text() == "text"
        assert saved.name == "web.json"
        assert saved.parent.parent == tmp_path
        assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700

    def test_a_place_that_does_not_exist_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """
        The first place that takes the text is used.
        """
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path))

        assert Path(write_somewhere("text", "f")).parent.parent == tmp_path


def test_a_killed_writer_leaves_the_old_text_or_the_new(tmp_path: Path):
    """
    Whenever SIGKILL comes, the file is whole: all of one text or all of another.
    """
    program = """
        import itertools, sys
        from tracer import files
        with files.prepare(sys.argv[1], lambda text: True) as destination:
            for letter in itertools.cycle("abc"):
                destination.write(letter * 300_000)
                print(letter, flush=True)
    """
    path = tmp_path / "f"
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    for _ in range(12):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None and writer.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
        text = path.read_text()
        assert len(text) == 300_000 and len(set(text)) == 1
        for left in tmp_path.glob(".f.*.tmp"):
            assert left.stat().st_size == 300_000
