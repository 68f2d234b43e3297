"""
`floor measure` with the host's own runtimes: what it finds, what it leaves, and what others use.

Everything happens in a mount namespace with an empty /var/lib/seccomp-trace of its own, so that no
test changes what this host has measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conditions import eventually
from tests.live.podman import entering_namespace, mount_namespace
from tests.live.policy import require_command
from tracer.profile.floors import GO_OCCASIONAL, NEVER, Floor, read_floors, shipped

SAMPLES = 12
LIBRARY = "/var/lib/seccomp-trace"
PREPARATIONS = f"mkdir -p {LIBRARY} && mount -t tmpfs -o mode=0755 none {LIBRARY}"
# Seen in so large a part of the shipped samples, a call shows in every small measurement.
NEARLY_ALWAYS = 0.9


@pytest.fixture
def entering() -> Iterator["tuple[str, ...]"]:
    """
    The beginning of a command line in a mount namespace without measurements of this host's.
    """
    with mount_namespace(PREPARATIONS) as holder:
        yield entering_namespace(holder)


def floor(entering: "tuple[str, ...]", *words: str) -> "subprocess.CompletedProcess[str]":
    command = [*entering, sys.executable, "-m", "tracer", "floor", *words]
    return subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def kept(entering: "tuple[str, ...]") -> "tuple[Floor, ...]":
    """
    What the host's own file has in that namespace.
    """
    shown = subprocess.run(
        [*entering, "cat", f"{LIBRARY}/floors.json"], capture_output=True, text=True, check=True
    )
    return read_floors(shown.stdout, "floors.json")


def test_a_measurement_shows_what_the_package_knows(entering: "tuple[str, ...]"):
    """
    A quick measurement shows every call that nearly all shipped samples show, and no call that none
    does; it leaves no container behind, and can be forgotten.
    """
    runtime = "crun"  # runc's takes a minute

    done = floor(entering, "measure", "--samples", str(SAMPLES), require_command(runtime))

    assert done.returncode == 0, done.stderr
    assert "starts, refused calls" in done.stderr
    measured = kept(entering)
    assert len(measured) == 4 and {item.runtime for item in measured} == {runtime}
    known = {item.key: item for item in shipped()}
    for item in measured:
        compare(item, known[item.key])
    listed = json.loads(floor(entering, "list", "--format", "json").stdout)["floors"]
    assert [entry["by"] for entry in listed if entry["build_ids"] == [*measured[0].build_ids]] == [
        "host"
    ]
    eventually(lambda: not left_behind(), what="the containers of the measurement to end")
    name = f"{runtime}-{measured[0].version}"
    assert floor(entering, "forget", name).returncode == 0
    assert kept(entering) == ()


def compare(measured: Floor, known: Floor) -> None:
    """
    Check that two measurements of the same thing do not contradict each other.
    """
    often = {name for name, count in known.calls if count >= NEARLY_ALWAYS * known.samples}
    occasional = set(GO_OCCASIONAL) if known.runtime == "runc" else set()
    assert often <= measured.names <= known.names | occasional
    for name in often - occasional - NEVER:
        classes = {measured.class_of(name), known.class_of(name)}
        assert classes != {"required", "survivable"}, (measured.key, name)


def left_behind() -> "list[str]":
    """
    The lasting programs and cgroups of a measurement that are still there.
    """
    programs = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/comm")
        if text(path).strip() == "lasts"
    ]
    cgroups = [str(path) for path in Path("/sys/fs/cgroup").glob("**/seccomp-trace-measuring/*/")]
    return programs + cgroups


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_runtime_that_others_could_have_placed_is_not_executed(entering: "tuple[str, ...]"):
    """
    A copy below /tmp, where anybody may write, is refused; one in a directory of root's is not.
    """
    source = require_command("crun")
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        copy = Path(directory) / "crun"
        shutil.copy(source, copy)

        done = floor(entering, "measure", "--samples", "1", str(copy))

    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "others than root could have placed this file" in done.stderr
