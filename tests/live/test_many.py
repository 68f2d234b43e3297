"""
Live test of many containers at once, under several tracers: nobody's calls are anybody else's.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import calls_of, making, read_complete

# Calls that neither busybox, nor the C library's start, nor a runtime makes of itself.
TELLING = (
    "times",
    "getpriority",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getitimer",
    "inotify_init",
    "epoll_create",
    "getpgid",
    "getsid",
)
# podman runs of six containers each, docker runs of seven: 50 containers.
SIZES = {"podman": (6, 6, 6, 6, 6, 6), "docker": (7, 7)}

# Each container says that it runs, and goes on when the test says so: so all run at once.
SCRIPT = """
while read -r name calls; do
    {engine} run --rm --name "$name" -v {gate}:/gate {image} sh -c '
        touch "/gate/$0"
        until [ -e /gate/open ]; do sleep 0.2; done
        exec calls "$@"
    ' "$name" $calls </dev/null &
    started="$started $!"
done
for one in $started; do wait "$one" || exit 1; done
"""

Signatures = dict[str, frozenset[str]]


def signatures() -> Iterator[frozenset[str]]:
    """
    Sets of four of the telling calls, each a different one.
    """
    yield from map(frozenset, itertools.combinations(TELLING, 4))


def test_fifty_containers_at_once(
    podman: Engine,
    docker: Engine,
    busybox: ImageLoader,
    seccomp_trace: SeccompTrace,
    tmp_path: Path,
):
    """
    Of 50 containers that run at once under eight tracers, each recording, and there are no others,
    holds exactly the calls that its own container made.
    """
    gate = tmp_path / "gate"
    gate.mkdir()
    fresh = signatures()
    runs: list[tuple[Path, Signatures, subprocess.Popen[str]]] = []
    for engine in (podman, docker):
        script = SCRIPT.format(engine=engine.name, gate=gate, image=busybox(engine))
        for number, size in enumerate(SIZES[engine.name]):
            results = tmp_path / f"{engine.name}-{number}"
            results.mkdir()
            names = [f"{results.name}-{one}" for one in range(size)]
            own: Signatures = dict(zip(names, fresh))
            command = ["run", "-o", f"{results}/", "--", "sh", "-c", script]
            tracer = seccomp_trace.start(*command, env=engine.environment)
            assert tracer.stdin
            lines = [f"{name} {' '.join(making(*calls))}\n" for name, calls in own.items()]
            tracer.stdin.write("".join(lines))
            tracer.stdin.close()
            tracer.stdin = None
            runs.append((results, own, tracer))
    everyone = {name for _, own, _ in runs for name in own}
    assert len(everyone) == 50

    eventually(lambda: {one.name for one in gate.iterdir()} == everyone, within=180, what="all run")
    (gate / "open").touch()

    for results, own, tracer in runs:
        _, stderr = tracer.communicate(timeout=120)
        assert tracer.returncode == 0, stderr
        recordings = {one.name.split(".")[0]: one for one in results.glob("*.recording.json")}
        assert set(recordings) == set(own), stderr
        for name, path in recordings.items():
            recording = read_complete(path)
            (run,) = recording.runs.values()
            assert run.container_name == name
            assert calls_of(recording) & set(TELLING) == own[name]


def test_a_tracer_sees_nothing_of_another_command(seccomp_trace: SeccompTrace):
    """
    Two plain commands recorded at the same time have each their own calls only.
    """
    scripts = {"first": "os.getsid(0)", "second": "os.times()"}
    tracers = {
        name: seccomp_trace.start(
            *("run", "-o", f"{name}.json", "--recording", f"{name}.rec", "--"),
            *("python3", "-c", f"import os; print('ready', flush=True); input(); {scripts[name]}"),
        )
        for name in scripts
    }
    for tracer in tracers.values():
        assert tracer.stdout and tracer.stdout.readline() == "ready\n"

    for tracer in tracers.values():
        _, stderr = tracer.communicate("\n", timeout=60)
        assert tracer.returncode == 0, stderr

    calls = {
        name: calls_of(read_complete(seccomp_trace.directory / f"{name}.rec"))
        for name in scripts
    }
    assert ("getsid" in calls["first"], "times" in calls["first"]) == (True, False)
    assert ("getsid" in calls["second"], "times" in calls["second"]) == (False, True)
