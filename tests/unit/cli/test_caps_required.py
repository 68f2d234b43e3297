"""
The command `caps required`: what it writes, in each form, and what it says where it cannot.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest

from tests.unit.recordings import check
from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.capabilities.names import mask_of
from tracer.profile import yaml
from tracer.recording import HOST, Capabilities, Check, Recording, Run, to_json
from tracer.session.checking import NOT_RECORDED

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
BOUNDING = mask_of(["chown", "kill", "net_bind_service"])


def required(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "caps", "required", *arguments], capture_output=True, text=True)


def held(user: int = 0, lost: int = 0) -> Capabilities:
    return Capabilities(user, HOST, 0, BOUNDING, BOUNDING, BOUNDING, 0, lost)


def written(
    directory: Path, *checks: Check, capabilities: Optional[Capabilities] = None, name: str = "r"
) -> str:
    path = directory / f"{name}.json"
    run = Run("run", capabilities=capabilities)
    path.write_text(to_json(Recording({"run": run}, checks=checks)))
    return str(path)


@pytest.fixture
def bound(tmp_path: Path) -> str:
    """
    A recording of a program that binds a low port and is refused the time.
    """
    return written(
        tmp_path,
        check("CAP_NET_BIND_SERVICE", "bind", executable="/sbin/web", caller="inet_bind", count=2),
        check("CAP_SYS_TIME", "settimeofday", executable="/sbin/web", granted=False),
        capabilities=held(),
    )


def test_people_read_who_needs_what(bound: str):
    """
    A line for each capability with its evidence, what was in vain, what is spare, and the flags.
    """
    done = required(bound)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "needed        CAP_NET_BIND_SERVICE      /sbin/web: bind (2)",
        "refused       CAP_SYS_TIME              /sbin/web: settimeofday (1)",
        "unused        CAP_CHOWN, CAP_KILL",
        "flags         --cap-drop=all --cap-add=NET_BIND_SERVICE",
    ]


def test_programs_read_all_of_it(bound: str):
    """
    The document has the evidence with the kernel's functions that asked.
    """
    document = json.loads(required(bound, "--format", "json").stdout)

    assert document["needed"] == [
        {
            "capability": "CAP_NET_BIND_SERVICE",
            "uses": [
                {"executable": "/sbin/web", "call": "bind", "count": 2, "callers": ["inet_bind"]}
            ],
        }
    ]
    assert document["flags"] == ["--cap-drop=all", "--cap-add=NET_BIND_SERVICE"]
    assert (document["unused"], document["checks_lost"]) == (["CAP_CHOWN", "CAP_KILL"], 0)


def test_kubernetes_reads_a_security_context(bound: str):
    """
    Everything is dropped, and what is needed is added, by names without CAP_.
    """
    text = required(bound, "--format", "kubernetes").stdout

    assert yaml.parse_all(text, "text")[0] == {
        "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    }


@pytest.mark.parametrize("user, ambient", [(0, []), (1024, ["CAP_NET_BIND_SERVICE"])])
def test_a_runtime_reads_five_sets(tmp_path: Path, user: int, ambient: list[str]):
    """
    Who is not root keeps by the ambient set, and so the inheritable one, what is needed.
    """
    path = written(tmp_path, check("CAP_NET_BIND_SERVICE", "bind"), capabilities=held(user))

    done = required(path, "--format", "oci")

    sets = json.loads(done.stdout)["process"]["capabilities"]
    assert (sets["ambient"], sets["inheritable"]) == (ambient, ambient)
    for kind in ("bounding", "permitted", "effective"):
        assert sets[kind] == ["CAP_NET_BIND_SERVICE"]
    assert ("setcap" in done.stderr) == bool(ambient)


def test_nothing_is_needed_by_who_asked_for_nothing(tmp_path: Path):
    """
    The flags drop everything and add nothing.
    """
    path = written(tmp_path, capabilities=held())

    assert required(path).stdout.splitlines()[0] == "needed        nothing"
    assert required(path).stdout.splitlines()[-1] == "flags         --cap-drop=all"
    assert "add" not in required(path, "--format", "kubernetes").stdout


def test_what_trials_confirmed_is_told(tmp_path: Path):
    """
    What was missed is named, if by nothing else than that; what was asked for and not missed is not
    in the flags.
    """
    confirmed = replace(held(), confirmed=mask_of(["kill"]))
    done = required(written(tmp_path, check("CAP_CHOWN", "chown"), capabilities=confirmed))

    assert done.stdout.splitlines() == [
        "needed        CAP_KILL                  missed when it was left out",
        "confirmed     CAP_KILL",
        "not missed    CAP_CHOWN                 /bin/ls: chown (1)",
        "unused        CAP_NET_BIND_SERVICE",
        "flags         --cap-drop=all --cap-add=KILL",
    ]


def test_a_recording_without_checks_is_refused(tmp_path: Path):
    """
    That nothing was recorded is not said to be that nothing is needed.
    """
    done = required(written(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert "no capability checks were recorded" in done.stderr


def test_lost_checks_are_told(tmp_path: Path):
    """
    An answer from which something may be missing says so.
    """
    done = required(written(tmp_path, capabilities=held(lost=3)))

    assert "not complete: 3 capability checks could not be kept" in done.stderr


def test_names_from_inside_containers_are_harmless(tmp_path: Path):
    """
    A program's path cannot write to the terminal.
    """
    path = written(tmp_path, check("CAP_CHOWN", executable="/\x1b[2J"), capabilities=held())

    assert "\x1b" not in required(path).stdout


def test_what_no_engine_takes_is_told(tmp_path: Path):
    """
    A capability that has no name here is needed, and flags that lack it do not pass for enough.
    """
    done = required(written(tmp_path, check("63"), capabilities=held()))

    assert done.stdout.startswith("needed        63 ")
    assert "no engine takes a number, so that 63 is not among the flags" in done.stderr


def test_a_baseline_is_needed_whatever_was_seen(bound: str):
    """
    Its capabilities are among those needed and in the flags, and not spare.
    """
    done = required(bound, "--baseline", "chown,net_bind_service", "--baseline", "0x20")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "needed        CAP_CHOWN                 baseline",
        "              CAP_KILL                  baseline",
        "              CAP_NET_BIND_SERVICE      /sbin/web: bind (2), baseline",
        "refused       CAP_SYS_TIME              /sbin/web: settimeofday (1)",
        "flags         --cap-drop=all --cap-add=CHOWN --cap-add=KILL --cap-add=NET_BIND_SERVICE",
    ]


def test_an_engines_default_may_be_the_baseline(bound: str):
    """
    Programs read it apart from what was seen.
    """
    document = json.loads(required(bound, "--baseline", "podman", "--format", "json").stdout)

    assert set(document["baseline"]) == DEFAULT_CAPABILITIES["podman"]
    assert {one["capability"] for one in document["needed"]} == DEFAULT_CAPABILITIES["podman"]
    assert [one["capability"] for one in document["needed"] if one["uses"]] == [
        "CAP_NET_BIND_SERVICE"
    ]


@pytest.mark.parametrize("form", ["kubernetes", "oci"])
def test_every_form_has_the_baseline(bound: str, form: str):
    """
    What is needed in any case is in a pod's and a runtime's words, too.
    """
    assert "KILL" in required(bound, "--baseline", "kill", "--format", form).stdout


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["--baseline", "0xfg"], "'0xfg' is no hexadecimal mask"),
        (["--baseline", "sys_everything"], "'sys_everything' is no capability"),
        (["--baseline", "8000000000000000"], "bits without a name"),
        (["no-such-thing"], "'no-such-thing' is no file: name recordings, or one container"),
        (["./no-such-thing"], "./no-such-thing: cannot be read: No such file"),
        (["-", "-"], "can be read only once"),
    ],
)
def test_what_is_no_recording_and_no_set_is_told_in_a_line(
    bound: str, arguments: list[str], problem: str
):
    """
    Masks that are no numbers, capabilities that nobody knows, and words that are no files.
    """
    done = required(bound, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_path_is_not_said_to_be_a_containers_name(bound: str, monkeypatch: pytest.MonkeyPatch):
    """
    What hint there is, is about the word that is wrong, and not about one beside it.
    """
    monkeypatch.chdir(Path(bound).parent)

    done = required("./no-such-thing", Path(bound).name)

    assert done.stderr.endswith("no-such-thing: cannot be read: No such file or directory\n")


def test_a_duration_is_for_containers(bound: str):
    """
    Of a recording nothing more comes.
    """
    done = required(bound, "--duration", "1")

    assert done.returncode == 2
    assert "--duration is for a container" in done.stderr


def test_why_nothing_was_recorded_is_told_if_it_is_known(tmp_path: Path):
    """
    A recording from a kernel that does not tell of checks says so in its notes.
    """
    run = Run("run", notes=("another note", f"{NOT_RECORDED}: no tracepoint"))
    path = tmp_path / "r.json"
    path.write_text(to_json(Recording({"run": run})))

    done = required(str(path))

    assert done.returncode == 2
    assert done.stderr.startswith(f"seccomp-trace: {NOT_RECORDED}: no tracepoint")
