"""
`floor`: what it lists, what it forgets, and what measuring prints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Tuple

import pytest
from click.testing import CliRunner

from tests.unit.profile.floor_data import floor, trials
from tracer import host_floors
from tracer.cli.floor import Progress, floor as command, summary
from tracer.container.runtime_file import RuntimeFile
from tracer.errors import HostError, InputError
from tracer.measuring import apart, files
from tracer.profile.floors import Floor

SHIPPED = (floor("crun-1.8.1", "close"), floor("runc-1.1.5+ds1", "close", action="exec"))
OWN = (floor("runc-1.3.6+ds1", samples=20, calls=(("close", 20),), build_ids=("8f1c",)),)
RUNTIME = RuntimeFile("/usr/sbin/runc", "runc", "1.3.6+ds1", "8f1c", True, 7, 1)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in place of this host's, and a package with two measurements."""
    found = tmp_path / "lib"
    found.mkdir()
    monkeypatch.setattr(host_floors, "shipped", lambda: SHIPPED)
    monkeypatch.setattr(host_floors, "_check_owner", lambda path: None)
    for function in (host_floors.measured, host_floors.own, host_floors.keep, host_floors.forget):
        monkeypatch.setattr(function, "__defaults__", (str(found),))
    return found


def said(*words: str) -> str:
    done = CliRunner().invoke(command, words, standalone_mode=False, catch_exceptions=False)
    return done.stdout


def test_a_list_shows_versions_and_who_measured_them():
    """Each version has a line, with the fewest samples and whether this host has measured it."""
    host_floors.keep(OWN)

    lines = said("list").splitlines()

    assert [line.split() for line in lines[1:]] == [
        ["crun-1.8.1", "x86_64", "200", "2026-12-01", "package"],
        ["runc-1.1.5+ds1", "x86_64", "200", "2026-12-01", "package"],
        ["runc-1.3.6+ds1", "x86_64", "20", "2026-12-01", "host"],
    ]


def test_a_list_as_json_says_the_same():
    """The JSON document has the same measurements, and their build ids."""
    host_floors.keep(OWN)

    document = json.loads(said("list", "--format", "json"))

    assert document["problem"] == ""
    assert document["floors"][2] == {
        "runtime": "runc",
        "version": "1.3.6+ds1",
        "architecture": "SCMP_ARCH_X86_64",
        "samples": 20,
        "date": "2026-12-01",
        "by": "host",
        "build_ids": ["8f1c"],
    }


def test_a_damaged_file_is_said_and_the_package_is_listed(
    directory: Path, capsys: pytest.CaptureFixture[str]
):
    """A file of this host's that cannot be read is no reason to list nothing."""
    (directory / host_floors.FILE).write_text("{")

    command(["list"], standalone_mode=False)

    shown = capsys.readouterr()
    assert "only the floors of the package are used" in shown.err
    assert shown.out.count("package") == 2


def test_what_this_host_has_measured_is_forgotten():
    """A measurement of this host's goes by its name, with or without the distribution's part."""
    host_floors.keep(OWN)

    assert said("forget", "runc-1.3.6") == "forgotten: runc-1.3.6\n"
    assert host_floors.own() == ()


def test_what_the_package_brings_cannot_be_forgotten():
    """A name that this host has not measured is an error that says what there is."""
    host_floors.keep(OWN)

    with pytest.raises(InputError, match="has not measured it; it has measured: runc-1.3.6"):
        said("forget", "crun-1.8.1")


def test_a_measurement_is_kept(monkeypatch: pytest.MonkeyPatch):
    """The floors of the named file are kept for this host, and summed up in a line."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(files, "runtime_at", lambda path: RUNTIME)

    def measure(runtime: RuntimeFile, samples: int, progress: Progress) -> Tuple[Floor, ...]:
        assert (runtime, samples) == (RUNTIME, 20)
        return OWN

    monkeypatch.setattr(apart, "measure", measure)

    assert said("measure", "--samples", "20", "/usr/sbin/runc").startswith("runc-1.3.6: 1 calls")
    assert host_floors.own() == OWN


def test_without_a_path_only_unmeasured_runtimes_are_measured(monkeypatch: pytest.MonkeyPatch):
    """A version that the package knows is not measured again unless it is named."""
    known = RuntimeFile("/usr/bin/crun", "crun", "1.8.1", "", True, 8, 1)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(files, "installed", lambda: [RUNTIME, known])
    measured = []
    monkeypatch.setattr(
        apart, "measure", lambda runtime, *_: measured.append(runtime) or OWN  # type: ignore
    )

    said("measure")

    assert measured == [RUNTIME]


def test_measuring_needs_root(monkeypatch: pytest.MonkeyPatch):
    """Another user is told to run it as root before anything is looked at."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(HostError, match="needs root"):
        said("measure")


def test_progress_is_a_line_for_each_phase(capsys: pytest.CaptureFixture[str]):
    """Where standard error is no terminal, a phase is told once."""
    progress = Progress("runc 1.3.6")
    for done in (1, 2):
        progress("starts", done, 2)
    progress("execs", 1, 2)

    assert capsys.readouterr().err == "runc 1.3.6: starts\nrunc 1.3.6: execs\n"


def test_a_summary_counts_the_classes():
    """A line says how many calls there are, and how many are required and survivable."""
    found = floor(
        "runc-1.3.6", "statx", "close", "futex", trials=trials("statx", failed=(3, 3))
    ), floor("runc-1.3.6", "close", action="exec", trials=trials("close"))

    assert summary(found) == (
        "runc-1.3.6: 3 calls, 1 of them required and 1 survivable (200 starts, 200 execs)"
    )
