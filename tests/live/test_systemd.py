"""
Live tests of scripts/install-systemd, and of its unit under a real systemd.

No test needs systemd as the first process: what is installed goes below a directory of the test's,
and the unit is started by a service manager of its own, apart from the host.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.live.command import PROGRAM
from tests.live.installation import CHECKOUT
from tests.live.policy import require_command

UNIT = Path("etc/systemd/system/seccomp-trace-recorder.service")
LINK = Path("etc/systemd/system/multi-user.target.wants/seccomp-trace-recorder.service")
MANAGER = Path("/lib/systemd/systemd")
NOBODY = 65534

# A service manager for one unit: it needs a runtime directory, a cgroup hierarchy that it knows,
# and a sign that systemd is what this host runs. The recorder has to mount bpffs itself: in a mount
# namespace of the service's own that would be seen by nobody else.
APART = """
set -eu
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=0755 none /run
if mountpoint --quiet /sys/fs/bpf; then umount -R /sys/fs/bpf; fi
mkdir -p /run/systemd/system /run/user/systemd/user
cp "$1" /run/user/systemd/user
export XDG_RUNTIME_DIR=/run/user HOME=/run/user SYSTEMD_LOG_TARGET=console
"$0" --user --unit="${1##*/}" &
until systemctl --user --quiet is-active "${1##*/}"; do kill -0 $!; sleep 0.1; done
echo "it runs: $(ls /sys/fs/bpf/seccomp-trace/recorder/links)"
systemctl --user stop "${1##*/}"
echo "it is gone: $(mountpoint /sys/fs/bpf)"
"""

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """
    A directory to install below.
    """
    require_command("systemd-analyze")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def install(root: Path, *arguments: str) -> Done:
    """
    Run the script to its end, whatever the end is.
    """
    script = str(CHECKOUT / "scripts/install-systemd")
    command = [script, "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def files_below(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*") if not path.is_dir()}


def installable(path: Path) -> Path:
    """
    A copy of the program under test; only its place and its owner make it another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PROGRAM.read_bytes())
    path.chmod(0o755)
    return path


def test_a_second_installation_changes_nothing(root: Path) -> None:
    """
    The unit is enabled and in order for systemd, and a second installation leaves it as it is.
    """
    first, second = install(root), install(root)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"which starts {PROGRAM}" in first.stdout
    assert second.stdout.splitlines() == [f"install-systemd: {root / UNIT}: nothing changed"]
    assert files_below(root) == {UNIT, LINK}
    verdict = subprocess.run(
        ["systemd-analyze", "verify", str(root / UNIT)], capture_output=True, text=True
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")


def test_uninstalling_leaves_no_file(root: Path) -> None:
    """
    After --uninstall neither the unit nor the link to it is there, and once more is no failure.
    """
    install(root)

    first, second = install(root, "--uninstall"), install(root, "--uninstall")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert files_below(root) == set()


@pytest.mark.parametrize("arguments", [(), ("--uninstall",)])
def test_a_unit_of_somebody_else_is_left_alone(root: Path, arguments: tuple[str, ...]) -> None:
    """
    A unit of the same name that the script has not written is neither replaced nor removed.
    """
    (root / UNIT).parent.mkdir(parents=True)
    (root / UNIT).write_text("[Service]\nExecStart=/bin/true\n")

    done = install(root, *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert "was not written by this script" in done.stderr
    assert (root / UNIT).read_text() == "[Service]\nExecStart=/bin/true\n"


@pytest.mark.parametrize("spoilt", ["owned", "writable", "beside", "linked"])
def test_a_program_that_others_may_change_is_refused(
    root: Path, tmp_path: Path, spoilt: str
) -> None:
    """
    Neither the program, nor its directory, nor what a link leads to may be somebody else's.
    """
    program = installable(tmp_path / "place/program")
    if spoilt == "writable":
        program.chmod(0o757)
    else:
        os.chown(program.parent if spoilt == "beside" else program, NOBODY, -1)
    if spoilt == "linked":
        (tmp_path / "link").symlink_to("place/program")
        program = tmp_path / "link"

    done = install(root, "--program", str(program))

    assert (done.returncode, done.stdout) == (1, "")
    assert "somebody else than root may change it" in done.stderr
    assert files_below(root) == set()


@pytest.mark.parametrize(
    "program, said",
    [
        ("bin/seccomp-trace", "absolute path"),
        ("/nowhere/seccomp-trace", "no program is there"),
        ("/bin/true", "does not look like a seccomp-trace"),
        ("/tmp/a %h", "characters that are not taken"),
    ],
)
def test_what_is_no_program_of_ours_is_refused(root: Path, program: str, said: str) -> None:
    """
    The unit names an absolute path of an installed seccomp-trace, or there is no unit.
    """
    done = install(root, "--program", program)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert files_below(root) == set()


def test_the_unit_runs_under_a_real_systemd(root: Path) -> None:
    """
    With all its restrictions the unit leaves the recorder where others see it, and takes it away.
    """
    if not MANAGER.exists():
        pytest.skip(f"there is no {MANAGER}")
    install(root)
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    shell = ["sh", "-c", APART, str(MANAGER), str(root / UNIT)]

    done = subprocess.run([*apart, *shell], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
    shown = {line for line in done.stdout.splitlines() if line.startswith("it ")}
    assert "it runs: on_cgroup_attach" in shown
    assert "it is gone: /sys/fs/bpf is not a mountpoint" in shown
