"""
The fixtures of the live tests: engines, images, and the command line under test.

Engines live as long as the session, in directories of their own; the fixtures that tests ask for
(`podman`, `podman_crun`, `docker`, or `engine` for each in turn) remove a test's containers after
it. `busybox` and `servers` take an engine and return an image's name in it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import images, policy
from tests.live.command import SeccompTrace
from tests.live.docker import docker_in
from tests.live.engines import Engine, image_loader, remove_containers
from tests.live.podman import podman_with
from tests.live.recorder import place, resident  # noqa: F401: fixtures
from tests.live.scratch import scratch_directory
from tests.live.turns import turn

ENGINES = ("podman", "podman_crun", "docker")
ImageLoader = Callable[[Engine], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    policy.judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    policy.judge(report)
    return report


@pytest.fixture(scope="session", autouse=True)
def host() -> None:
    """
    A host that can run live tests at all.
    """
    reason = policy.missing_on_this_host()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def scratch(host: None) -> Iterator[Path]:
    """
    The session's directory; SIGTERM unwinds the session as Ctrl-C does, so that it is removed.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with scratch_directory() as directory:
        yield directory
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def podman_session(scratch: Path) -> Iterator[Engine]:
    with podman_with("runc", scratch / "podman") as engine:
        yield engine


@pytest.fixture(scope="session")
def podman_crun_session(scratch: Path) -> Iterator[Engine]:
    with podman_with("crun", scratch / "crun") as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_session(scratch: Path) -> Iterator[Engine]:
    with docker_in(scratch / "docker") as engine:
        yield engine


@pytest.fixture
def podman(podman_session: Engine) -> Iterator[Engine]:
    """
    Podman with runc.
    """
    yield podman_session
    remove_containers(podman_session)


@pytest.fixture
def podman_crun(podman_crun_session: Engine) -> Iterator[Engine]:
    """
    Podman with crun.
    """
    yield podman_crun_session
    remove_containers(podman_crun_session)


@pytest.fixture
def docker(docker_session: Engine) -> Iterator[Engine]:
    """
    Docker with runc.
    """
    yield docker_session
    remove_containers(docker_session)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    """
    Each engine in turn.
    """
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def busybox(scratch: Path) -> ImageLoader:
    """
    The image `busybox`: call it with an engine for the image's name.
    """
    return image_loader(images.busybox_archive(scratch), images.BUSYBOX)


@pytest.fixture(scope="session")
def servers(scratch: Path) -> ImageLoader:
    """
    The image `servers`: call it with an engine for the image's name.
    """
    return image_loader(images.servers_archive(scratch), images.SERVERS)


@pytest.fixture
def seccomp_trace(tmp_path: Path) -> Iterator[SeccompTrace]:
    """
    The command line under test, started in the test's own directory.
    """
    command = SeccompTrace(tmp_path)
    yield command
    command.end()
