"""
Live tests of what cannot work: each ends with one clear line, the right exit code, and no loss.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM, SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import allowed_by

NOBODY = pwd.getpwnam("nobody")
# So that the recorder has to be compiled: no image of it is kept there.
NO_CACHE = "mount -t tmpfs none /var/cache"
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
AS_NOBODY = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
# The shape of the unrelated package `bcc` of PyPI (0.1.10): it imports what is not there.
PYPI_BCC = '"""Top-level package for bcc."""\n\nimport not_installed_here\n'


def ended(
    command: Sequence[str], directory: Path, env: Optional[Mapping[str, str]] = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=60
    )


def said_once(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """
    Return the one line that was said; it is ours, harmless, and has these words.
    """
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("seccomp-trace: "), lines[0]
    assert lines[0].isprintable(), lines[0]
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]


@contextlib.contextmanager
def full_disk(directory: Path) -> Iterator[Path]:
    """
    A file system in memory that has room for names but not for another byte.
    """
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(directory)], check=True)
    try:
        with contextlib.suppress(OSError), (directory / "ballast").open("wb", 0) as ballast:
            while True:
                ballast.write(bytes(4096))
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def place_in(line: str) -> Path:
    """
    Return where a line says that something was saved.
    """
    found = re.search(r"saved as (\S+) instead", line)
    assert found, line
    return Path(found[1])


def is_profile(path: Path) -> bool:
    return bool(json.loads(path.read_text())["defaultAction"] == "SCMP_ACT_ERRNO")


def is_recording(path: Path) -> bool:
    return bool(json.loads(path.read_text())["format"] == "seccomp-trace recording")


# --- What the host lacks ---


@pytest.mark.parametrize("less", [AS_NOBODY, NO_CAPABILITIES], ids=["nobody", "root-without"])
def test_without_privilege(less: list[str]):
    """
    Without the privilege to load BPF programs the line says which one is needed.
    """
    done = ended([*less, str(PROGRAM), "run", "--", "true"], Path("/"))

    assert done.returncode == 125
    said_once(done, "BPF", "root", "CAP_BPF")


def test_without_btf(tmp_path: Path):
    """
    On a kernel without BTF the line says what the kernel must be built with.
    """
    command = apart(["mount -t tmpfs none /sys/kernel/btf"], [str(PROGRAM), "run", "--", "true"])

    done = ended(command, tmp_path)

    assert done.returncode == 125
    said_once(done, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")


@pytest.mark.parametrize("content", [PYPI_BCC, "", "raise SystemExit(0)\n"])
def test_with_the_bcc_of_pypi(tmp_path: Path, content: str):
    """
    PyPI's unrelated package `bcc` in front is named, with what to do, whatever happens on import.
    """
    package = tmp_path / "packages" / "bcc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(content)
    command = apart([NO_CACHE], [str(PROGRAM), "run", "--", "true"])

    done = ended(command, tmp_path, env={**os.environ, "PYTHONPATH": str(package.parent)})

    assert done.returncode == 125
    said_once(done, str(package), "PyPI", "pip uninstall bcc", "python3-bpfcc")


def test_without_bcc(tmp_path: Path):
    """
    Without bcc the line says which of the distribution's packages is needed.
    """
    make = ["/usr/bin/python3", "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(make, check=True)
    packages = next((tmp_path / "venv/lib").glob("python3*/site-packages"))
    ours = next(PROGRAM.parents[1].glob("lib/python3*/site-packages"))
    (packages / "ours.pth").write_text(f"{ours}\n{Path(__file__).parents[2]}\n")
    program = [str(tmp_path / "venv/bin/python"), "-m", "tracer", "run", "--", "true"]

    done = ended(apart([NO_CACHE], program), tmp_path)

    assert done.returncode == 125
    said_once(done, "bcc", "python3-bpfcc", "python3-bcc")


def test_without_the_engine(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    Where podman is missing the line says that the command was not found, with 127.
    """
    nothing = {**os.environ, "PATH": str(tmp_path)}

    done = seccomp_trace("run", "--", "podman", "run", "image", env=nothing)

    assert done.returncode == 127
    said_once(done, "podman", "not found")


# --- Commands that do not start ---


def program_file(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_command_that_does_not_exist(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    A command that is not found ends with 127, and leaves no file.
    """
    done = seccomp_trace("run", "-o", "p.json", "--", "no-such-command")

    assert done.returncode == 127
    said_once(done, "no-such-command", "not found")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content, mode, words",
    [
        (b"#!/bin/sh\n", 0o644, "not executable"),
        (b"#!/no/such/interpreter\n", 0o755, "interpreter"),
        (b"no line that begins so\n", 0o755, "#!"),
        (b"\x7fELF\x02\x01\x01" + bytes(57), 0o755, "cannot be executed"),
    ],
    ids=["mode", "interpreter", "no-shebang", "broken-elf"],
)
def test_a_command_that_cannot_be_executed(
    seccomp_trace: SeccompTrace, tmp_path: Path, content: bytes, mode: int, words: str
):
    """
    A file that is no executable program ends with 126, and the line says why.
    """
    program = program_file(tmp_path / "program", content, mode)

    done = seccomp_trace("run", "-o", "p.json", "--", program)

    assert done.returncode == 126
    said_once(done, program, words)
    assert not (tmp_path / "p.json").exists()


def test_a_directory_is_no_command(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    A directory given as the command ends with 126.
    """
    done = seccomp_trace("run", "--", str(tmp_path))

    assert done.returncode == 126
    said_once(done, str(tmp_path), "not executable")


def test_a_name_that_could_steer_the_terminal_is_said_harmlessly(seccomp_trace: SeccompTrace):
    """
    Control characters in the command's name do not reach the terminal.
    """
    done = seccomp_trace("run", "--", "evil\x1b[2J\nname")

    assert done.returncode == 127
    said_once(done, r"evil\x1b[2J\x0aname")


def test_a_container_that_fails_to_start(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A container whose program does not exist ends with the engine's code, and without a profile.
    """
    command = podman.command("run", "--rm", "--name", "failing", busybox(podman), "/no/such")

    done = seccomp_trace("run", "-o", "p.json", "--", *command, env=podman.environment)

    ours = [line for line in done.stderr.splitlines() if line.startswith("seccomp-trace: ")]
    assert done.returncode == 127, done.stderr
    assert len(ours) == 1 and "failing" in ours[0] and "nothing was recorded" in ours[0]
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_starts_nothing(podman: Engine, seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    An engine that succeeds without a container ends with 125: there is nothing to write.
    """
    done = seccomp_trace("run", "-o", "p", "--", *podman.command("ps"), env=podman.environment)

    assert done.returncode == 125
    said_once(done, "no container")
    assert list(tmp_path.iterdir()) == []


# --- Places that cannot be written ---


@pytest.mark.parametrize("option", ["-o", "--recording"])
def test_a_full_disk_loses_nothing(seccomp_trace: SeccompTrace, tmp_path: Path, option: str):
    """
    What does not fit on the disk asked for is saved elsewhere, and the line says where.
    """
    other = {"-o": "--recording", "--recording": "-o"}[option]
    with full_disk(tmp_path / "full") as full:
        arguments = [option, str(full / "wanted.json"), other, "other.json"]

        done = seccomp_trace("run", *arguments, "--", "true")

        assert [one.name for one in full.iterdir()] == ["ballast"]
    line = next(line for line in done.stderr.splitlines() if "No space left" in line)
    assert done.returncode == 125
    judge = {"-o": is_profile, "--recording": is_recording}
    assert judge[option](place_in(line))
    assert judge[other](tmp_path / "other.json")


@pytest.mark.parametrize("command", ["run", "generate"])
def test_a_full_standard_output_loses_nothing(
    seccomp_trace: SeccompTrace, tmp_path: Path, command: str
):
    """
    A profile that standard output does not take is saved elsewhere.
    """
    seccomp_trace("run", "-o", "p.json", "--recording", "r.json", "--", "true")
    arguments = {"run": ["-o", "-", "--", "true"], "generate": ["r.json"]}[command]

    with open("/dev/full", "wb") as full:
        tracer = seccomp_trace.start(command, *arguments, stdout=full)
        _, stderr = tracer.communicate(timeout=60)

    assert tracer.returncode == 125
    assert "Traceback" not in stderr
    line = next(line for line in stderr.splitlines() if "No space left" in line)
    assert is_profile(place_in(line))


def test_standard_streams_that_are_closed(tmp_path: Path):
    """
    Without any standard stream open the command runs and its profile is written.
    """
    script = 'exec "$@" <&- >&- 2>&-'
    command = [str(PROGRAM), "run", "-o", "p.json", "--recording", "r.json", "--", "true"]

    done = ended(["sh", "-c", script, "sh", *command], tmp_path)

    assert done.returncode == 0
    assert is_profile(tmp_path / "p.json")
    assert is_recording(tmp_path / "r.json")


def refused(seccomp_trace: SeccompTrace, *options: str) -> str:
    """
    Return what a run said that must be refused before its command is started.
    """
    done = seccomp_trace("run", *options, "--", "touch", "started")

    assert done.returncode == 125, done.stderr
    assert not (seccomp_trace.directory / "started").exists()
    return said_once(done, options[1])


@pytest.mark.parametrize("option", ["-o", "--recording"])
@pytest.mark.parametrize(
    "place, words",
    [
        ("missing/wanted.json", "create the directory"),
        ("/etc/passwd", "nothing that this command writes"),
        ("/dev/null", "device"),
        ("/proc/wanted.json", "cannot be written"),
    ],
)
def test_a_place_that_must_not_be_written(
    seccomp_trace: SeccompTrace, option: str, place: str, words: str
):
    """
    A place that cannot or must not be written is refused before anything runs.
    """
    before = Path("/etc/passwd").read_bytes()

    assert words in refused(seccomp_trace, option, place)

    assert Path("/etc/passwd").read_bytes() == before


def test_a_missing_directory(seccomp_trace: SeccompTrace):
    """
    `-o DIR/` without such a directory is refused before anything runs, with what to do.
    """
    assert "mkdir" in refused(seccomp_trace, "-o", "missing/")


@pytest.mark.parametrize("option", ["-o", "--recording"])
@pytest.mark.parametrize("leads_to", ["target", "/etc/cron.d/planted"])
def test_a_planted_link_is_not_followed(
    seccomp_trace: SeccompTrace, tmp_path: Path, option: str, leads_to: str
):
    """
    A symbolic link that somebody else has put where the file is to be is not followed.
    """
    place = tmp_path / "everybodys"
    place.mkdir()
    place.chmod(0o1777)
    (place / "wanted.json").symlink_to(leads_to)
    os.chown(place / "wanted.json", NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)

    assert "symbolic link" in refused(seccomp_trace, option, "everybodys/wanted.json")

    assert not (place / leads_to).exists()


def test_a_planted_link_among_the_results_is_not_followed(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    A link planted under the name that a container's profile will get loses nothing and is left.
    """
    place = tmp_path / "results"
    place.mkdir()
    (place / "named.seccomp.json").symlink_to(tmp_path / "target")
    command = podman.command("run", "--rm", "--name", "named", busybox(podman), "true")

    done = seccomp_trace("run", "-o", "results/", "--", *command, env=podman.environment)

    line = next(line for line in done.stderr.splitlines() if "symbolic link" in line)
    assert done.returncode == 125
    assert is_profile(place_in(line))
    assert is_recording(place / "named.recording.json")
    assert not (tmp_path / "target").exists()


def test_one_file_cannot_be_both(seccomp_trace: SeccompTrace):
    """
    The same path for the profile and for the recording is refused before anything runs.
    """
    assert "both" in refused(seccomp_trace, "-o", "one.json", "--recording", "./one.json")


def test_a_profile_of_that_name_is_left_alone(seccomp_trace: SeccompTrace, tmp_path: Path):
    """
    Without -o a profile that is there already stays as it is, and the new one has a number.
    """
    (tmp_path / "true.seccomp.json").write_text("mine")

    done = seccomp_trace("run", "--", "true")

    assert done.returncode == 0
    assert (tmp_path / "true.seccomp.json").read_text() == "mine"
    assert is_profile(tmp_path / "true-2.seccomp.json")
    assert "left alone" in done.stderr


def test_containers_of_one_name(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Two containers that had the same name one after the other have a profile and recording each.
    """
    (tmp_path / "results").mkdir()
    image = busybox(podman)
    script = f"for call in 100 140; do podman run --rm --name same {image} calls $call; done"

    done = seccomp_trace(
        "run", "-o", "results/", "--", "sh", "-c", script, env=podman.environment
    )

    assert done.returncode == 0, done.stderr
    first, second = (
        allowed_by(tmp_path / "results" / f"{name}.seccomp.json") for name in ("same", "same-2")
    )
    assert ("times" in first, "getpriority" in first) == (True, False)
    assert ("times" in second, "getpriority" in second) == (False, True)
    assert is_recording(tmp_path / "results/same-2.recording.json")


def test_more_containers_than_one_file_takes(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    `-o FILE` with two containers lists them, and both recordings are kept where the line says.
    """
    image = busybox(podman)
    script = f"for name in one two; do podman run --rm --name $name {image} true; done"

    done = seccomp_trace("run", "-o", "p.json", "--", "sh", "-c", script, env=podman.environment)

    line = next(line for line in done.stderr.splitlines() if "do not fit" in line)
    assert done.returncode == 125
    assert "one, two" in line
    kept = [Path(word.strip(",;")) for word in line.split() if word.startswith("/")]
    assert len(kept) == 2 and all(map(is_recording, kept))
    assert not (tmp_path / "p.json").exists()


# --- Documents that are none, and wrong usage ---

DEEP = "[" * 100000
TRUNCATED = '{"format": "seccomp-trace recording", "version": 1, "runs": ['
MALFORMED = {
    "empty": "",
    "text": "no JSON at all",
    "deep": DEEP,
    "truncated": TRUNCATED,
    "twice": '{"format": 1, "format": 2}',
    "array": "[]",
    "other": "{}",
    "nan": '{"version": NaN}',
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_baseline(seccomp_trace: SeccompTrace, tmp_path: Path, content: str):
    """
    A baseline that is no profile is refused before anything runs.
    """
    (tmp_path / "baseline.json").write_text(content)

    refused(seccomp_trace, "--baseline", "baseline.json")


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_recording(seccomp_trace: SeccompTrace, tmp_path: Path, content: str):
    """
    `generate` refuses what is no recording, and writes nothing.
    """
    (tmp_path / "recording.json").write_text(content)

    done = seccomp_trace("generate", "recording.json", "-o", "p.json")

    assert done.returncode == 2
    said_once(done, "recording.json")
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize(
    "place, words",
    [("missing", "No such file"), ("/dev/zero", "device"), (".", "directory")],
)
def test_a_recording_that_cannot_be_read(seccomp_trace: SeccompTrace, place: str, words: str):
    """
    `generate` says why a recording cannot be read.
    """
    done = seccomp_trace("generate", place)

    assert done.returncode == 2
    said_once(done, words)


WRONG = [
    [],
    ["no-such-command"],
    ["--no-such-option"],
    ["run"],
    ["run", "--"],
    ["run", "--no-such-option", "--", "true"],
    ["run", "--duration", "0", "--", "true"],
    ["run", "--duration", "nan", "--", "true"],
    ["run", "--duration", "soon", "--", "true"],
    ["run", "--runtime-floor", "nonsense", "--", "true"],
    ["run", "-o"],
    ["generate"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage(seccomp_trace: SeccompTrace, arguments: list[str]):
    """
    Wrong usage ends with 2, a message and no traceback.
    """
    done = seccomp_trace(*arguments)

    assert done.returncode == 2, done.stderr
    assert done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
