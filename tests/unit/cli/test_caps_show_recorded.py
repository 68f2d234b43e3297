"""
`caps show` of recordings, and how it tells a recording from a container.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest

from tracer.capabilities.defaults import default_sets
from tracer.capabilities.sets import KINDS, Sets
from tracer.cli.subject import is_recording
from tracer.recording import CONTAINER, HOST, Capabilities, Circumstances, Recording, Run, to_json

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
ROOT = default_sets("docker", root=True)
USER = default_sets("docker", root=False)


def run(id: str, sets: Sets, user: int = 0, namespace: str = HOST, **fields: Any) -> Run:
    inheritable, permitted, effective, bounding, ambient = (sets.of(kind) for kind in KINDS)
    held = Capabilities(user, namespace, inheritable, permitted, effective, bounding, ambient)
    given = {"engine": "docker", "container_id": "c0ffee" * 10, "container_name": id, **fields}
    return Run(id, capabilities=held, **given)


def show(place: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "caps", "show", *arguments],
        cwd=place,
        input=given,
        capture_output=True,
        text=True,
    )


def written(place: Path, *runs: Run) -> str:
    (place / "web").write_text(to_json(Recording({one.id: one for one in runs})))
    return "web"


def test_the_sets_of_each_run_are_shown(tmp_path: Path):
    """
    A block for each, with whose it was, its user, and how it differs from its engine's default.
    """
    more = Sets(0, ROOT.permitted | 1 << 12, ROOT.effective | 1 << 12, ROOT.bounding | 1 << 12, 0)
    path = written(
        tmp_path, run("admin", more, image="image:1", no_new_privileges=True), run("plain", ROOT)
    )

    done = show(tmp_path, path)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "admin: recorded, docker container c0ffeec0ffee, image image:1",
        "user              uid 0",
        "no_new_privs      yes",
        "securebits        not recorded",
        "user namespace    the host's",
        "executable        not recorded",
    ]
    assert lines.count("its execve gave   not recorded") == 2
    defaults = [line for line in lines if line.startswith("docker's default")]
    assert defaults == [
        "docker's default  permitted, effective, bounding +cap_net_admin",
        "docker's default  the same",
    ]
    assert (
        "  cap_net_admin           -            yes          yes          yes          -" in lines
    )


MAPPED = ((0, 100000, 5000),)
BIND = 1 << 10


def executed(sets: Sets, user: int, path: str = "/bin/web", **known: Any) -> Run:
    """
    A run whose first program's execve was seen.
    """
    of_host = known.get("uid_map") is None
    one = run("web", sets, user, HOST if of_host else CONTAINER)
    given = {"real_user": user, "securebits": 0, **known}
    assert one.capabilities is not None
    held = replace(one.capabilities, circumstances=Circumstances(path, **given))
    return replace(one, capabilities=held, no_new_privileges=False)


@pytest.mark.parametrize(
    "one, lines",
    [
        (
            executed(Sets(0, BIND, BIND, ROOT.bounding), 1024, securebits=0x4C),
            [
                "user              uid 1024",
                "securebits        no-setuid-fixup no-setuid-fixup-locked no-cap-ambient-raise",
                "executable        /bin/web, file capabilities gave cap_net_bind_service",
                "its execve gave   permitted and effective NET_BIND_SERVICE: uid 1024, granted by "
                "the file's capabilities",
            ],
        ),
        (
            executed(Sets(bounding=BIND), 1024),
            [
                "executable        /bin/web, file capabilities gave nothing",
                "its execve gave   permitted and effective empty: uid 1024, ambient empty; "
                "NET_BIND_SERVICE is in the bounding set, so file capabilities could grant it",
            ],
        ),
        (
            executed(ROOT, 100000, uid_map=MAPPED),
            [
                "user              uid 0 (100000 outside)",
                "securebits        none",
                "user namespace    its own: uid 0 is 100000 outside, 5000 of them",
                "executable        /bin/web, file capabilities not recorded",
                "its execve gave   permitted and effective 14 capabilities: uid 0 gets all of the "
                "bounding set",
                "docker's default  the same",
            ],
        ),
        (
            executed(Sets(0, BIND, BIND, 0), 1024),
            [
                "executable        /bin/web, file capabilities not recorded",
                "its execve gave   what is above, which the rules for an execve alone do not "
                "explain",
            ],
        ),
        (
            executed(Sets(0, 0, 0, (1 << 64) - 1), 100000, uid_map=()),
            [
                "user              uid unmapped (100000 outside)",
                "user namespace    its own: uid map empty",
                f"  mask                    {'0            ' * 3}ffffffffffffffff 0",
            ],
        ),
        (
            executed(ROOT, 0, path="", securebits=1),
            ["securebits        noroot", "executable        not recorded"],
        ),
    ],
)
def test_what_its_execve_gave_is_explained(tmp_path: Path, one: Run, lines: list[str]):
    """
    As far as it is known: what nobody saw is not recorded, what no rule explains is not explained.
    """
    shown = show(tmp_path, written(tmp_path, one)).stdout.splitlines()

    assert set(lines) <= set(shown)


def test_programs_read_what_its_execve_gave(tmp_path: Path):
    """
    The rule, the sets and the line, and what of it the file gave.
    """
    path = written(tmp_path, executed(Sets(0, BIND, BIND, BIND), 100007, uid_map=MAPPED))

    (one,) = json.loads(show(tmp_path, path, "--format", "json").stdout)["runs"]

    names = ["CAP_NET_BIND_SERVICE"]
    mask = {"mask": f"0x{BIND:016x}", "names": names}
    assert one["executable"] == {"path": "/bin/web", "granted": mask}
    assert (one["execve"]["rule"], one["execve"]["sets"]["effective"]) == ("file", mask)
    assert one["execve"]["explanation"].endswith("uid 7, granted by the file's capabilities")
    assert one["user_namespace"]["uid_map"] == [{"inside": 0, "outside": 100000, "count": 5000}]
    assert (one["real_user"], one["securebits"]) == (100007, 0)


@pytest.mark.parametrize(
    "one, text",
    [
        (run("user", USER, 1024), "the same"),
        (run("mapped", ROOT, 100000, CONTAINER), "the same"),
        (run("mapped", USER, 101024, CONTAINER), "the same"),
        (run("user", ROOT, 1024), "permitted, effective +cap_chown"),
    ],
)
def test_the_default_is_that_of_root_or_of_another_user(tmp_path: Path, one: Run, text: str):
    """
    In a user namespace of its own the host's number does not tell; what it holds does.
    """
    assert f"docker's default  {text}" in show(tmp_path, written(tmp_path, one)).stdout


def test_programs_read_masks_and_names(tmp_path: Path):
    """
    The same as JSON; what was not recorded of a run is null.
    """
    path = written(tmp_path, run("one", ROOT), Run("two", command=("ls", "/")))

    document = json.loads(show(tmp_path, path, "--format", "json").stdout)

    one, two = document["runs"]
    assert one["sets"]["bounding"]["mask"] == f"0x{ROOT.bounding:016x}"
    assert "CAP_CHOWN" in one["sets"]["effective"]["names"]
    assert (one["user"], one["securebits"], one["differences"]) == (0, None, {})
    assert one["user_namespace"] == {"initial": True, "uid_map": None}
    assert one["execve"] is one["executable"] is None
    assert (two["run"], two["sets"], two["command"]) == ("two", None, ["ls", "/"])


def test_a_run_without_is_told_beside_others(tmp_path: Path):
    """
    And a plain command has no engine to compare with.
    """
    command = run("ls", ROOT, engine="", container_id="", container_name="", command=("ls", "/"))

    done = show(tmp_path, written(tmp_path, command, Run("other")))

    assert done.stdout.startswith("ls /: recorded, a command\n")
    assert "default" not in done.stdout
    assert done.stdout.endswith("\n\nother: recorded, a command\ncapabilities      not recorded\n")


def test_a_recording_that_knows_nothing_is_refused(tmp_path: Path):
    """
    One line, and exit code 2.
    """
    done = show(tmp_path, written(tmp_path, Run("old")))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("seccomp-trace: no capability checks were recorded;")


def test_a_recording_may_come_from_standard_input(tmp_path: Path):
    """
    As everywhere, by a dash.
    """
    text = to_json(Recording({"one": run("one", ROOT)}))

    assert show(tmp_path, "-", given=text).stdout.startswith("one: recorded")


def test_names_from_inside_containers_are_harmless(tmp_path: Path):
    """
    What somebody called a container, its image and its command is shown as text.
    """
    evil = run("a", ROOT, container_name="\x1b[2J\n", image="\x1b]0;x\x07")
    assert evil.capabilities is not None
    named = replace(evil.capabilities, circumstances=Circumstances("/\x1b[2J", 0))
    evil = replace(evil, capabilities=named)

    done = show(tmp_path, written(tmp_path, evil))

    assert "\x1b" not in done.stdout and "\x07" not in done.stdout
    assert len(done.stdout.split("user ")[0].splitlines()) == 1


@pytest.mark.parametrize(
    "word, engine, recording",
    [
        ("web", None, True),
        ("web", "podman", False),
        ("other", None, False),
        ("./other", None, True),
        ("/dev/fd/63", None, True),
        ("-", None, True),
        ("folder", None, False),
        ("c0ffee", None, False),
    ],
)
def test_a_recording_is_told_from_a_container(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    engine: Optional[str],
    recording: bool,
):
    """
    By a slash, or by being a file; a named engine makes it a container.
    """
    written(tmp_path, run("one", ROOT))
    os.mkdir(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)

    assert is_recording(word, engine) is recording


def test_what_is_no_recording_says_how_to_name_a_container(tmp_path: Path):
    """
    A file that only has a container's name is named in what is wrong.
    """
    (tmp_path / "web").write_text("an executable, say")

    done = show(tmp_path, "web")

    assert done.returncode == 2
    assert done.stderr.startswith("seccomp-trace: web: ") and "--engine" in done.stderr
    assert len(done.stderr.splitlines()) == 1
