"""
Engines enforce what `decide` says of a profile that we accept; of one that we refuse, another.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.live import containerd
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tracer import syscalls
from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.errors import DocumentError
from tracer.profile import formats, model
from tracer.profile.decide import CRUN, RUNC, Answer, decide

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="asks.c is for x86-64")

# Calls without an effect, that succeed where no filter denies them, and that no runtime makes.
CALLS = (
    "alarm",
    "getpgrp",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getpriority",
    "inotify_init",
    "times",
)


def denying(names: List[str], number: int, **more: object) -> Dict[str, Any]:
    return {"names": names, "action": model.ERRNO, "errnoRet": number, **more}


# A number for each: what is conditional, and what only some engines read.
ACCEPTED = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        denying(["alarm"], 71),
        denying(["getpgrp"], 72, includes={"caps": ["CAP_CHOWN"]}),
        denying(["sched_getscheduler"], 73, excludes={"caps": ["CAP_CHOWN"]}),
        denying(["sched_get_priority_max"], 74, includes={"arches": ["arm64"]}),
        denying(["sched_get_priority_min"], 75, includes={"minKernel": "99.0"}),
        denying(["getpriority"], 76, errno="EXDEV"),
        {"name": "inotify_init", "action": model.ERRNO, "errnoRet": 77},
    ],
    "archMap": [{"architecture": syscalls.X86_64, "subArchitectures": [syscalls.X86]}],
}
REFUSED = {
    "case": '"names": ["alarm"], "Names": ["times"]',
    "unicode": '"name\u017f": ["times"]',
    "nul": '"names": ["times\\u0000x"]',
}


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _asked(engine: Engine, image: str, profile: Path) -> Dict[str, str]:
    options = ["--rm", *engine.security(profile)]
    return _outcomes(engine.run("run", *options, image, "asks", *_asks()).stdout)


def _asks() -> List[str]:
    return [f"x86_64 {syscalls.number_of(syscalls.X86_64, name)}" for name in CALLS]


def _outcomes(output: str) -> Dict[str, str]:
    lines = output.splitlines()
    assert len(lines) == len(CALLS), output
    return dict(zip(CALLS, lines))


def _decided(text: str, engine: str, runtime: str) -> Dict[str, Answer]:
    profile = formats.read(text, "profile.json")
    usual = DEFAULT_CAPABILITIES["podman" if engine == model.PODMAN else "docker"]
    release = os.uname().release.split(".")
    return {
        name: decide(
            profile,
            syscalls.X86_64,
            name,
            capabilities=usual,
            kernel=(int(release[0]), int(release[1].split("-")[0])),
            engine=engine,
            runtime=runtime,
        )
        for name in CALLS
    }


def _wrong(decided: Dict[str, Answer], outcomes: Dict[str, str]) -> List[str]:
    return [
        f"{name}: decided {answer}, came to {outcomes[name]}"
        for name, answer in decided.items()
        if (outcomes[name] != f"-{answer.errno}" if answer.errno else int(outcomes[name]) < 0)
    ]


def test_an_engine_enforces_what_is_decided_of_an_accepted_profile(
    engine: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    Conditions, old names and errno names come to what `decide` says of the engine.
    """
    text = json.dumps(ACCEPTED)
    decided = _decided(text, engine.name, CRUN if engine.runtime == "crun" else RUNC)

    outcomes = _asked(engine, busybox(engine), _written(tmp_path / "profile.json", text))

    assert _wrong(decided, outcomes) == []


def test_containerd_enforces_what_is_decided_of_an_accepted_profile(
    docker: Engine, busybox: ImageLoader, tmp_path: Path
):
    """
    containerd's conditional rules hold for every container, and what it does not read is nothing.
    """
    if shutil.which("ctr") is None:
        pytest.skip("containerd's ctr is not installed")
    busybox(docker)
    text = json.dumps(ACCEPTED)
    decided = _decided(text, model.CONTAINERD, RUNC)
    root = _root(docker, busybox(docker), tmp_path / "root")
    profile = _written(tmp_path / "profile.json", text)

    output = containerd.run_under(
        docker, profile, root, tmp_path.name, "/usr/local/bin/asks", *_asks()
    )

    assert _wrong(decided, _outcomes(output)) == []
    assert decided["sched_getscheduler"].errno == 73 and decided["inotify_init"].lets_through


def _root(docker: Engine, image: str, root: Path) -> Path:
    root.mkdir()
    archive = root.parent / "root.tar"
    container = docker.run("create", image, "true").stdout.strip()
    docker.run("export", "--output", str(archive), container)
    docker.run("rm", container)
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={root}"], check=True)
    return root


@pytest.mark.parametrize("kind", REFUSED)
def test_an_engine_obeys_what_is_refused(
    engine: Engine, busybox: ImageLoader, tmp_path: Path, kind: str
):
    """
    A key that folds and a name behind which a NUL stands deny a call that nobody sees denied.
    """
    rule = '{%s, "action": "SCMP_ACT_ERRNO", "errnoRet": 78}' % REFUSED[kind]
    text = '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [%s]}' % rule

    outcomes = _asked(engine, busybox(engine), _written(tmp_path / "profile.json", text))

    assert outcomes["times"] == "-78"
    with pytest.raises(DocumentError):
        formats.read(text, "profile.json")
