"""
Measuring runtime floors with real engines: what it writes, and that the package's data holds here.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.installation import CHECKOUT
from tracer.profile.floors import floor_for, read_floors

SAMPLES = 4
EMPTY = '{"version": 1, "floors": []}'


def measure(engine: Engine, image: str, data: Path) -> "subprocess.CompletedProcess[str]":
    script = CHECKOUT / "scripts" / "measure-floor"
    options = ["--samples", str(SAMPLES), "--data", str(data)]
    return subprocess.run(
        [str(script), *options, engine.name, engine.runtime, image],
        env=dict(engine.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_a_new_measurement_shows_nothing_new(engine: Engine, busybox: ImageLoader, tmp_path: Path):
    """
    What a runtime calls in a few starts and execs is in the floor that comes with the package, and
    the measurement leaves no container behind.
    """
    data = tmp_path / "floors.json"
    data.write_text(EMPTY)

    done = measure(engine, busybox(engine), data)

    assert done.returncode == 0, done.stderr
    floors = read_floors(data.read_text(), "floors.json")
    assert len(floors) == 4
    for floor in floors:
        assert floor.samples >= SAMPLES
        assert {name for name, _ in floor.calls} <= floor_for(
            floor.runtime, floor.no_new_privileges
        )
    assert engine.run("ps", "--all", "--quiet").stdout == ""


def test_an_image_that_is_not_there_is_said(podman: Engine, tmp_path: Path):
    """
    Without a single sample the data stays as it is, and the engine's own words are the reason.
    """
    data = tmp_path / "floors.json"
    data.write_text(EMPTY)

    done = measure(podman, "localhost/absent", data)

    assert done.returncode == 1
    assert "0 of 4 samples" in done.stderr and "localhost/absent" in done.stderr
    assert data.read_text() == EMPTY
