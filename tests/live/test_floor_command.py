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

from tests.live.command import PROGRAM
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.podman import entering_namespace, mount_namespace
from tests.live.policy import require_command
from tracer.container.runtime_file import read_runtime
from tracer.profile import floors
from tracer.profile.floors import (
    GO_OCCASIONAL,
    NEVER,
    Floor,
    read_floors,
    render_floors,
    shipped,
)

SAMPLES = 12
STARTS = 3
MEASURE = "seccomp-trace floor measure"
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


def check_measurement(entering: "tuple[str, ...]") -> None:
    """
    Check that the host's file has a measurement of crun that fits what the package knows.
    """
    measured = kept(entering)
    assert len(measured) == 4
    known = {item.key: item for item in shipped()}
    for item in measured:
        compare(item, known[item.key])
        check_answers(item)
    listed = json.loads(floor(entering, "list", "--format", "json").stdout)["floors"]
    builds = [*measured[0].build_ids]
    assert [entry["by"] for entry in listed if entry["build_ids"] == builds] == ["host"]
    eventually(lambda: not left_behind(), what="the containers of the measurement to end")


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


def check_answers(measured: Floor) -> None:
    """
    Check that each trial of crun had its own answer, although crun keeps compiled filters.

    An exec falls back from statx on ENOSYS alone.
    """
    failed = {trial.answer: trial.failed for trial in measured.trials if trial.calls == ("statx",)}
    if "statx" in measured.names:
        assert failed["EPERM"] and not failed["ENOSYS"], measured.trials


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

        done = floor(entering, "measure", "--samples", "10", str(copy))

    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "others than root could have placed this file" in done.stderr


@pytest.fixture
def unmeasured(entering: "tuple[str, ...]", tmp_path: Path) -> "tuple[str, ...]":
    """
    As `entering`, for a package that does not know the host's crun.
    """
    data = Path(floors.__file__).parent / "data" / "floors.json"
    version = read_runtime(require_command("crun")).version
    others = [item for item in shipped() if (item.runtime, item.version) != ("crun", version)]
    stripped = tmp_path / "floors.json"
    stripped.write_text(render_floors(others))
    subprocess.run([*entering, "mount", "--bind", str(stripped), str(data)], check=True)
    return entering


def test_an_unmeasured_version_is_measured_on_request(
    unmeasured: "tuple[str, ...]", podman_crun: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    Recorded without a filter under a version that nobody has measured, a profile is incomplete, and
    with a filter it has a warning; both name the command, after which neither is so any more.
    """
    image = busybox(podman_crun)

    def trace(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*unmeasured, "--wdns=" + str(tmp_path), str(PROGRAM), *words],
            cwd=tmp_path,
            env=podman_crun.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def record(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        command = podman_crun.command("run", "--rm", *options, image, "ls", "/")
        return trace("run", "-o", f"{name}.json", "--recording", f"{name}.rec", "--", *command)

    filtered = record("filtered")
    assert filtered.returncode == 0, filtered.stderr
    assert "was never measured" in filtered.stderr and MEASURE in filtered.stderr
    open = record("open", "--security-opt", "seccomp=unconfined")
    assert open.returncode == 125, open.stderr
    assert "was never measured" in open.stderr and MEASURE in open.stderr
    assert (tmp_path / "open.json.incomplete").exists()

    measured = trace("floor", "measure", "--samples", str(SAMPLES), require_command("crun"))

    assert measured.returncode == 0, measured.stderr
    check_measurement(unmeasured)
    for name in ("filtered", "open"):
        again = trace("generate", f"{name}.rec", "-o", f"{name}-again.json")
        assert again.returncode == 0, again.stderr
        assert "measured" not in again.stderr
        profile = podman_crun.security(tmp_path / f"{name}-again.json")
        for _ in range(STARTS):
            podman_crun.run("run", "--rm", *profile, image, "ls", "/")
    assert floor(unmeasured, "forget", f"crun-{kept(unmeasured)[0].version}").returncode == 0
    assert kept(unmeasured) == ()
