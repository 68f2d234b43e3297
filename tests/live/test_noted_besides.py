"""
Live tests of what recordings have besides system calls, whoever made them: capability checks and
denials, from the recorder that stays and from `attach` as from `run`.
"""

from __future__ import annotations

from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conditions import eventually
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import PROFILE, RECORDING, making, record
from tests.live.recorder import Place
from tests.live.watched import deny, profile
from tracer.capabilities.required import required
from tracer.recording import Recording, from_json

# A capability that is needed, and calls that the profile denies, by another program.
SCRIPT = "; ".join(
    [
        "touch /tmp/own; chown 5:5 /tmp/own",
        f"calls {' '.join(making('getsid'))}",
        f"calls {' '.join(making('swapoff'))}",
        "true",
    ]
)


def denied_in(recording: Recording) -> set[tuple[str, object, str, int]]:
    """
    Who was denied which call, how, and how often.
    """
    return {(one.executable, one.name, one.answer, one.count) for one in recording.denials}


DENIED = {
    ("/usr/local/bin/calls", "getsid", "EPERM", 1),
    ("/usr/local/bin/calls", "swapoff", "kill", 1),
}


def options_of(engine: Engine, directory: Path) -> list[str]:
    """
    The options of a container in which one call is denied, and another one kills.
    """
    killing = deny("swapoff", action="SCMP_ACT_KILL_PROCESS")
    return engine.security(profile(directory, deny("getsid"), killing))


def test_the_recorder_notes_what_run_notes(
    engine: Engine, busybox: ImageLoader, place: Place, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Who holds which capabilities, which were asked for, and what was denied: the same as in a `run`
    with a recorder of its own, and nothing of it is left when it has been collected.
    """
    run = (*options_of(engine, tmp_path), busybox(engine), "sh", "-c", SCRIPT)
    started = place.seccomp_trace("recorder", "start", "--denials")
    alone = record(seccomp_trace, engine, "run", "--rm", *run).recording
    assert started.returncode == 0, started.stderr

    name = f"noted-{engine.name}-{engine.runtime}"  # tests beside this one have others
    engine.run("run", "--name", name, *run)
    eventually(lambda: bool(place.ps(engine.environment)[name]["ended"]), what="it has ended")
    found = place.collected(name, env=engine.environment)[name].recording

    (one,), (other,) = found.runs.values(), alone.runs.values()
    assert one.capabilities and one.capabilities.lost == 0
    assert one.capabilities == other.capabilities
    assert required(found).capabilities == required(alone).capabilities == ("CAP_CHOWN",)
    assert denied_in(found) == denied_in(alone) == DENIED
    assert place.status()["noted"] == ["capability checks", "denials"]


def test_without_being_asked_the_recorder_counts_no_denials_and_says_so(
    podman: Engine, busybox: ImageLoader, resident: Place, tmp_path: Path
):
    """
    Counting them would cost every call on the host: checks cost nothing there.
    """
    given = options_of(podman, tmp_path)
    podman.run("run", "--name", "unasked", *given, busybox(podman), "sh", "-c", SCRIPT)
    env = podman.environment
    eventually(lambda: bool(resident.ps(env)["unasked"]["ended"]), what="it has ended")

    found = resident.collected("unasked", env=env)["unasked"].recording

    (run,) = found.runs.values()
    assert not found.denials and any("without --denials" in note for note in run.notes)
    assert required(found).capabilities == ("CAP_CHOWN",)


def test_who_is_attached_to_is_asked_what_it_holds(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace, tmp_path: Path
):
    """
    Checks and denials are noted from then on; the sets are those that /proc tells of.
    """
    waiting = f"while ! [ -e /data/end ]; do sleep 0.05; done; {SCRIPT}"
    given = [*options_of(engine, tmp_path), "--volume", f"{seccomp_trace.directory}:/data"]
    engine.run("run", "-d", "--name", "lasting", *given, busybox(engine), "sh", "-c", waiting)
    first = engine.run("inspect", "--format", "{{.State.Pid}}", "lasting").stdout.strip()
    status = Path(f"/proc/{first}/status").read_text()

    process = seccomp_trace.start(
        *("attach", "lasting", "--since-now", "-o", PROFILE, "--recording", RECORDING),
        env=engine.environment,
    )
    assert process.stderr and "recording" in process.stderr.readline()
    (seccomp_trace.directory / "end").touch()
    _, said = process.communicate(timeout=30)

    assert process.returncode == 0, said
    found = from_json((seccomp_trace.directory / RECORDING).read_text(), RECORDING)
    (run,) = found.runs.values()
    assert run.capabilities and run.capabilities.lost == 0
    for name in ("permitted", "bounding", "ambient"):
        field = {"permitted": "CapPrm", "bounding": "CapBnd", "ambient": "CapAmb"}[name]
        assert f"{field}:\t{getattr(run.capabilities, name):016x}\n" in status
    assert required(found).capabilities == ("CAP_CHOWN",)
    assert denied_in(found) == DENIED
