"""
Live tests of hostile annotations: each is refused with a line that podman shows, and no file is
touched.

Whoever sets them is a user of the host who is not root, and has laid out files and links in places
that are that user's, or everybody's.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.hooked import ANNOTATION, Hooked, hooked
from tests.live.recorder import OWN_LOCK

NOBODY = 65534
PROFILE = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}\n'
OPEN_LOCK = OWN_LOCK.replace("mode=0755", "mode=1777")
# What a command line cannot hold: MAX_ARG_STRLEN is 128 KiB. A configuration file can.
HUGE = "of:/" + "a" * 10_000_000


@pytest.fixture(scope="module", params=["podman_session", "podman_crun_session"])
def hook(request: pytest.FixtureRequest, scratch: Path, busybox: ImageLoader) -> Iterator[Hooked]:
    """
    The hook in podman, with runc and with crun.
    """
    engine: Engine = request.getfixturevalue(request.param)
    with hooked(engine, busybox(engine), scratch / f"hostile-{engine.runtime}") as it:
        yield it
    shutil.rmtree(it.outputs.parent)


def lay_out(place: Path) -> None:
    """
    Make what annotations point at: a directory of root's, one of everybody's, and a user's files.
    """
    for name, mode in (("shared", 0o1777), ("directory", 0o755), ("writable", 0o777)):
        (place / name).mkdir()
        (place / name).chmod(mode)
    (place / "link").symlink_to(place / "directory")
    (place / "shared" / "end").symlink_to(place / "planted")
    (place / "shared" / "theirs").write_text(PROFILE)
    os.chown(place / "shared" / "theirs", NOBODY, NOBODY)
    os.mknod(place / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(place / "fifo")
    (place / "secret").write_text("root's own\n")


HOSTILE = {
    "of:relative": "is no absolute path",
    "of:{place}/directory/../new": "has a .. in it",
    "of:{place}/link/new": "is a symbolic link",
    "of:{place}/shared/end": "is a symbolic link",
    "of:{place}/shared/theirs": "belongs to another user",
    "of:/etc/shadow": "the system's own directories",
    "of:{place}/secret": "nothing that this command writes",
    "of:{place}/directory": "is a directory",
    "of:{place}/device": "is a device",
    "of:{place}/writable/new": "others may write to this directory",
    "of:{place}/new\n": "has control characters",
    "if:{place}/fifo;of:{place}/new": "is no regular file",
    "if:{place}/secret;of:{place}/new": "is no seccomp profile",
    HUGE: "shorten the container's annotations",
}


def test_a_hostile_annotation_is_refused_and_no_file_touched(hook: Hooked):
    """
    Fourteen of them, one line each; the container does not run.
    """
    lay_out(hook.outputs)
    before = everything(hook.outputs)

    for annotation, reason in HOSTILE.items():
        annotation = annotation.format(place=hook.outputs)
        done = annotated(hook, annotation).run("", "echo", "it ran", check=False)

        said = [line for line in done.stderr.splitlines() if "seccomp-trace: " in line]
        assert len(said) == 1, f"{annotation[:100]!r}: {done.stderr}"
        assert reason in said[0]
        assert (done.returncode != 0, done.stdout) == (True, ""), annotation[:100]
        assert everything(hook.outputs) == before, annotation[:100]


def annotated(hook: Hooked, annotation: str) -> Hooked:
    """
    The same podman, which gives each container the annotation by its configuration.
    """
    variable = "CONTAINERS_CONF"
    own = hook.outputs.parent / "annotated.conf"
    quoted = f"{ANNOTATION}={annotation}".replace("\n", "\\n")
    given = f'[containers]\nannotations = ["{quoted}"]\n'
    text = Path(hook.engine.environment[variable]).read_text()
    own.write_text(text.replace("[containers]\n", given, 1))
    environment = {**hook.engine.environment, variable: str(own)}
    return dataclasses.replace(
        hook, engine=dataclasses.replace(hook.engine, environment=environment)
    )


def everything(place: Path) -> dict[str, object]:
    """
    What is below a place, and root's secrets: what each is, whose, how long, and when it changed.
    """
    paths = [*place.rglob("*"), Path("/etc/shadow")]
    kept = ("st_mode", "st_uid", "st_ino", "st_nlink", "st_size", "st_mtime_ns")
    return {str(path): [getattr(path.lstat(), field) for field in kept] for path in sorted(paths)}


def test_what_is_wrong_with_us_fails_the_container(podman: Engine, busybox: ImageLoader, scratch):
    """
    An unrecorded run does not look recorded: the recorder cannot start, and podman shows why.
    """
    place = scratch / "no-recorder"
    with hooked(podman, busybox(podman), place, lock=OPEN_LOCK) as hook:
        done = hook.run(f"of:{hook.outputs}/p", "echo", "it ran", check=False)

    assert (done.returncode, done.stdout) == (126, "")
    assert "seccomp-trace: /run/seccomp-trace: others can write there" in done.stderr
    assert list(hook.outputs.iterdir()) == []
    shutil.rmtree(place)


def test_best_effort_lets_it_run_and_leaves_a_marker(podman: Engine, busybox: ImageLoader, scratch):
    """
    The reason stands beside the output, and goes with the next recording that goes well.
    """
    place = scratch / "best-effort"
    with hooked(podman, busybox(podman), place, "--best-effort", lock=OPEN_LOCK) as hook:
        done = hook.run(f"of:{hook.outputs}/p", "echo", "it ran")

        assert done.stdout == "it ran\n"
        assert {one.name for one in hook.outputs.iterdir()} == {"p.not-recorded"}
        assert "others can write there" in (hook.outputs / "p.not-recorded").read_text()
        hook.within("chmod", "0755", "/run/seccomp-trace")
        hook.run(f"of:{hook.outputs}/p", "true")
        assert {one.name for one in hook.outputs.iterdir()} == {"p"}
    shutil.rmtree(place)


def test_outputs_are_confined(podman: Engine, busybox: ImageLoader, scratch: Path):
    """
    With --output-dir nothing is written but below that directory.
    """
    place = scratch / "confined"
    inside = scratch / "confined-profiles"
    inside.mkdir()
    with hooked(podman, busybox(podman), place, "--output-dir", str(inside)) as hook:
        done = hook.run(f"of:{hook.outputs}/p", "true", check=False)
        hook.run(f"of:{inside}/p", "true")

    assert f"is not below {inside}" in done.stderr
    assert list(hook.outputs.iterdir()) == []
    assert (inside / "p").exists()
    shutil.rmtree(place)
    shutil.rmtree(inside)
