"""
Live tests of `watch`: what containers are denied is told, once each and rightly, and nothing else.
"""

from __future__ import annotations

import platform
from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.watched import deny, profile, watching
from tracer import syscalls

# What busybox is asked to do in turn, and the call that it does it by.
DENIED = {
    "mkdir /d": "mkdir",
    "rmdir /tmp/d": "rmdir",
    "ln -s a /tmp/b": "symlink",
    "ln /tmp/a /tmp/c": "link",
    "mv /tmp/a /tmp/e": "rename",
    "chmod 600 /tmp/a": "chmod",
    "chown 1:1 /tmp/a": "chown",
    "sync": "sync",
    "date -s 2020-01-01": "clock_settime",
    "hostname x": "sethostname",
    "umount /tmp/d": "umount2",
    "touch /tmp/a": "utimensat",
    "mkfifo /tmp/f": "mknodat",
    "chroot / true": "chroot",
    "renice -n 1 -p 1": "setpriority",
    "swapoff /tmp/x": "swapoff",
    "truncate -s 5 /tmp/a": "ftruncate",
    "dmesg": "syslog",
    "setsid true": "setsid",
    "ionice -c 3 true": "ioprio_set",
    "taskset 1 true": "sched_setaffinity",
    "unshare -m true": "unshare",
    "free": "sysinfo",
    "adjtimex": "clock_adjtime",
    "rmmod x": "delete_module",
    "rm /tmp/a": "unlink",
    "fallocate -l 10 /tmp/a": "fallocate",
}
TWICE = ("dmesg", "setsid")  # as busybox does, which asks for the size first, or tries again
QUIET = "/usr/local/bin/quiet"
OPTIONS = ("run", "--rm", "--network", "none")


NATIVE = {"x86_64": syscalls.X86_64, "aarch64": syscalls.AARCH64}[platform.machine()]


def test_each_denied_call_and_nothing_else(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Under a profile that lacks some calls each is told once, with program and container; a hundred
    thousand that are allowed and fail, births, deaths, signals and tracers beside it are silent.
    """
    lacking, full = profile(tmp_path, deny(*DENIED.values())), profile(tmp_path)
    image = busybox(engine)
    script = "; ".join(["> /tmp/a", *(f"/bin/{one} 2>/dev/null" for one in DENIED), "true"])
    rest = ["--cap-add", "SYS_PTRACE", image, QUIET]

    watch = watching(seccomp_trace, "quiet", "denied", env=engine.environment)
    engine.run(*OPTIONS, "--name", "quiet", *engine.security(full), *rest)
    denied = [*OPTIONS, "--name", "denied", "--tmpfs", "/tmp", *engine.security(lacking)]
    engine.run(*denied, image, "sh", "-c", script)
    told = watch.end()

    assert told.said == "" and told.status == 0
    assert {one["name"] for one in told.denials} == {"denied"}
    mine = [one for one in told.denials if one["executable"].startswith("/bin/")]
    seen = {(one["executable"], one["comm"], one["syscall"]): one["count"] for one in mine}
    assert set(seen) == {(f"/bin/{one.split()[0]}", one.split()[0], DENIED[one]) for one in DENIED}
    assert {name for (_, name, _), count in seen.items() if count != 1} == set(TWICE)
    assert {(one["answer"], one["architecture"]) for one in mine} == {("EPERM", NATIVE)}


def test_calls_that_were_under_way_are_not_judged(
    podman: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Calls that were blocked before the watch began, and then fail or never end, are no denials.
    """
    security = podman.security(profile(tmp_path))
    run = [*OPTIONS, "--detach", "--name", "blocked", *security, busybox(podman), QUIET, "blocked"]
    podman.run(*run)
    eventually(lambda: "ready" in podman.run("logs", "blocked").stdout)

    watch = watching(seccomp_trace, "blocked", env=podman.environment)
    podman.run("kill", "--signal", "USR1", "blocked")
    eventually(lambda: not podman.run("ps", "--quiet").stdout)
    told = watch.end()

    assert (told.denials, told.said, told.status) == ([], "", 0)
