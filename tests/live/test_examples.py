"""
Each example runs, and does what its first lines say.
"""

from __future__ import annotations

import configparser
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.live.apart import apart
from tests.live.command import PROGRAM
from tests.live.engines import Engine
from tests.live.conftest import ImageLoader
from tests.live.hooked import hooked
from tests.live.policy import require_command
from tests.live.recorder import OWN_BPFFS, OWN_LOCK
from tracer.hook import annotation, directories

EXAMPLES = Path(__file__).parents[2] / "examples"


# What of a quadlet becomes which option of podman run: podman-systemd.unit(5), since podman 4.4.
QUADLET_OPTIONS = {"ContainerName": "--name", "Annotation": "--annotation"}


class Examples:
    """The examples, run with an engine's busybox image and this checkout's seccomp-trace."""

    def __init__(self, engine: Engine, image: str) -> None:
        self.image = image
        path = f"{PROGRAM.parent}{os.pathsep}{engine.environment['PATH']}"
        self.environment = {**engine.environment, "PATH": path}

    def __call__(self, name: str, *arguments: str) -> str:
        """What an example prints on standard output; it must end with 0."""
        process = self.start(name, *arguments)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        return stdout

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """An example that runs, where no recorder stays but its own."""
        return subprocess.Popen(
            apart((OWN_LOCK, OWN_BPFFS), [str(EXAMPLES / name), self.image, *arguments]),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def example(podman: Engine, busybox: ImageLoader) -> Examples:
    """The examples, ready to run."""
    return Examples(podman, busybox(podman))


@pytest.fixture
def docker_example(docker: Engine, busybox: ImageLoader) -> Examples:
    """Those for docker, ready to run."""
    return Examples(docker, busybox(docker))


def allowed(profile: str) -> set[str]:
    """The calls that a profile's ALLOW groups name."""
    rules = json.loads(profile)["syscalls"]
    return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_record_and_enforce_runs_the_container_twice(example: Examples) -> None:
    """The container says the same while it is recorded and under its profile."""
    assert example("record-and-enforce", "echo", "hello") == "hello\nhello\n"


def test_two_recordings_make_one_profile(example: Examples) -> None:
    """The profile allows what either command alone needed."""
    profile = example("two-recordings", "mkdir /tmp/x", "ln -s a /tmp/y")

    assert {"mkdir", "symlink"} <= allowed(profile)


def test_a_profile_for_each_container(example: Examples, tmp_path: Path) -> None:
    """Both containers of the script have a profile and a recording, named after them."""
    example("a-profile-for-each", str(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.{kind}.json" for name in ("first", "second") for kind in ("recording", "seccomp")
    ]


def test_what_the_default_profile_denies_is_recorded_without_it(example: Examples) -> None:
    """The profile allows a call (acct) that podman's default profile denies."""
    profile = example("without-the-default-profile", "calls", "163")

    assert "acct" in allowed(profile)


def test_podman_hook_runs_the_container_twice(example: Examples) -> None:
    """The container says the same while the hook has it recorded and under its profile."""
    assert example("podman-hook", "echo", "hello") == "hello\nhello\n"


def test_crio_is_told_of_the_annotation() -> None:
    """CRI-O's configuration has our directory of hooks and our annotation, as TOML has it."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later read TOML")
    runtime = tomllib.loads((EXAMPLES / "50-seccomp-trace.conf").read_text())["crio"]["runtime"]

    assert directories.OVERRIDE in runtime["hooks_dir"]
    (handler,) = runtime["runtimes"].values()
    assert handler["allowed_annotations"] == [annotation.KEY]


def test_docker_attach_records_what_comes_after(docker: Engine, docker_example: Examples) -> None:
    """The profile allows what the container did after it had been attached to, and it is gone."""
    waits = "until [ -e /go ]; do sleep 0.1; done; mkdir /tmp/x"
    process = docker_example.start("docker-attach", "sh", "-c", waits)
    assert process.stderr  # docker warns of the host's settings there, too
    assert any("until it ends" in line for line in iter(process.stderr.readline, ""))
    docker.run("exec", docker.run("ps", "--quiet").stdout.strip(), "touch", "/go")

    profile, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    assert "mkdir" in allowed(profile)
    assert docker.run("ps", "--all", "--quiet").stdout == ""


def test_docker_collect_runs_the_container_twice(docker_example: Examples) -> None:
    """The container says the same while the recorder records it and under its profile."""
    assert docker_example("docker-collect", "echo", "hello") == "hello\nhello\n"


def quadlet(name: str) -> dict[str, dict[str, str]]:
    """The sections of a quadlet."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((EXAMPLES / name).read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_quadlet_is_recorded(podman: Engine, busybox: ImageLoader, tmp_path: Path) -> None:
    """
    What podman's generator would make of the quadlet leaves a profile behind.

    The generator, which podman has since 4.4, is not needed: its part is played here.
    """
    container = quadlet("web.container")["Container"]
    del container["Image"]
    with hooked(podman, busybox(podman), tmp_path) as hook:
        place = Path(container["Annotation"].partition("=of:")[2])
        profile = hook.outputs / place.name
        container["Annotation"] = container["Annotation"].replace(str(place), str(profile))
        options = [f"{QUADLET_OPTIONS[key]}={value}" for key, value in container.items()]
        hook.run("", "mkdir", "/tmp/x", options=("--replace", *options))

        assert "mkdir" in allowed(profile.read_text())


def test_systemd_takes_the_rest_of_the_quadlet(tmp_path: Path) -> None:
    """The sections that the generator passes on are in order for systemd."""
    require_command("systemd-analyze")
    service = tmp_path / "web.service"
    for section, settings in quadlet("web.container").items():
        lines = [f"{key}={value}" for key, value in settings.items() if section != "Container"]
        head = f"[{section}]" if section != "Container" else "[Service]\nExecStart=/bin/true"
        with service.open("a") as text:
            print(head, *lines, sep="\n", file=text)

    done = subprocess.run(
        ["systemd-analyze", "verify", str(service)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_example_is_run_here() -> None:
    """No example is without a test in this file, but for the unit, which test_systemd.py runs."""
    names = {path.name for path in EXAMPLES.iterdir() if path.suffix not in (".md", ".service")}
    here = Path(__file__).read_text(encoding="utf-8")

    assert {name for name in names if f'"{name}"' in here} == names
