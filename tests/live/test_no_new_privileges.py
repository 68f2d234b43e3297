"""
no_new_privs as the runtime set it decides which floor a profile gets.
"""

from __future__ import annotations

from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tracer.recording import Run, from_json


def recorded(seccomp_trace: SeccompTrace, engine: Engine, kept: Path, *arguments: str) -> Run:
    """The one run of a recording of `engine run ARGUMENTS`."""
    output = str(kept.with_suffix(".json"))
    command = engine.command("run", "--rm", *arguments)
    done = seccomp_trace(
        *("run", "-o", output, "--recording", str(kept), "--", *command), env=engine.environment
    )
    assert done.returncode == 0, done.stderr
    (run,) = from_json(kept.read_text(), str(kept)).runs.values()
    return run


def test_the_runtime_sets_it(
    seccomp_trace: SeccompTrace, engine: Engine, busybox: ImageLoader, tmp_path: Path
) -> None:
    """A container started with no-new-privileges is recorded as such."""
    run = recorded(
        seccomp_trace,
        engine,
        tmp_path / "kept",
        *("--security-opt", "no-new-privileges", busybox(engine), "true"),
    )

    assert run.no_new_privileges is True


def test_a_program_that_sets_it_for_itself_does_not_count(
    seccomp_trace: SeccompTrace, engine: Engine, servers: ImageLoader, tmp_path: Path
) -> None:
    """The runtime's floor is that of a container without it, whatever a program does later."""
    run = recorded(
        seccomp_trace,
        engine,
        tmp_path / "kept",
        *(servers(engine), "setpriv", "--no-new-privs", "true"),
    )

    assert run.no_new_privileges is False
