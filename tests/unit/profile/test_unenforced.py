"""
What is said of calls that a profile allows and this host's libseccomp does not know.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Tuple

import pytest

from tests.unit.recordings import recording
from tracer import syscalls
from tracer.errors import HostError
from tracer.profile import libseccomp, model
from tracer.profile.floor_choice import FloorChoice
from tracer.profile.making import Wanted, make
from tracer.profile.model import Profile, Rule
from tracer.profile.unenforced import unenforced
from tracer.recording import Recording, Run

NEW = {"mseal", "setxattrat"}


@pytest.fixture
def old_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A libseccomp 2.5.4 that knows neither mseal nor setxattrat.
    """
    number, native_number = libseccomp._number, libseccomp._native_number
    monkeypatch.setattr(
        libseccomp, "_number", lambda token, name: -1 if name in NEW else number(token, name)
    )
    monkeypatch.setattr(
        libseccomp, "_native_number", lambda name: -1 if name in NEW else native_number(name)
    )
    monkeypatch.setattr(libseccomp, "version", lambda: (2, 5, 4))


def recorded(*names: str, runtime: str = "runc") -> Recording:
    run = Run("run", runtime=runtime, runtime_version="1.1.5", architecture=syscalls.X86_64)
    return recording(*names, run=run)


def messages(whole: Recording, baseline: Tuple[Rule, ...] = ()) -> Tuple[str, ...]:
    given = Profile(model.ERRNO, baseline) if baseline else None
    made = make(whole, Wanted(FloorChoice("none"), baseline=given))
    return tuple(message for message in made.messages if "libseccomp" in message)


@pytest.mark.parametrize(
    "runtime, answer", [("runc", "ENOSYS"), ("crun", "EPERM"), ("", "ENOSYS or EPERM")]
)
def test_the_calls_the_release_and_the_answer_are_named(old_host: None, runtime: str, answer: str):
    """
    One line says what is not known, to which libseccomp, and what the container gets.
    """
    words = " or ".join(sorted(answer.split(" or ")))

    assert messages(recorded("read", "mseal", "setxattrat", runtime=runtime)) == (
        "libseccomp 2.5.4 of this host does not know mseal, setxattrat: runtimes that use it "
        f"ignore the rule for them, and containers get {words}; libseccomp 2.5.6 knows them",
    )


def test_a_profile_of_known_calls_has_no_message(old_host: None):
    """
    Nothing is said of calls that the libseccomp knows, nor of ENOSYS rules.
    """
    assert messages(recorded("read", "close_range", "futex_waitv")) == ()


def test_calls_that_the_baseline_denies_or_nobody_recorded_have_no_message(old_host: None):
    """
    The message is about calls that were recorded and that the profile allows.
    """
    denied = (Rule(("mseal",), model.ERRNO), Rule(("setxattrat", "read"), model.ALLOW))

    assert messages(recorded("read", "mseal"), denied) == ()


def test_without_a_libseccomp_nothing_is_said(monkeypatch: pytest.MonkeyPatch):
    """
    Where pyseccomp cannot be loaded nobody knows what runtimes ignore.
    """

    def fail(name: str) -> bool:
        raise HostError("libseccomp cannot be used")

    monkeypatch.setattr(libseccomp, "knows", fail)

    assert messages(recorded("mseal")) == ()


def test_a_profile_that_no_runtime_loads_has_no_message(old_host: None):
    """
    What such a profile answers is not asked.
    """
    profile = Profile(
        model.ERRNO, (Rule(("mseal",), model.ALLOW),), architectures=("SCMP_ARCH_NONE",)
    )

    assert unenforced(["mseal"], (), lambda: profile) == ()


def test_a_call_that_the_default_lets_through_has_no_message(old_host: None):
    """
    Under a default of LOG the call is made all the same.
    """
    profile = Profile(model.LOG, (Rule(("mseal",), model.ALLOW),), architectures=(syscalls.X86_64,))

    assert unenforced(["mseal"], (), lambda: profile) == ()


def test_libseccomp_is_loaded_only_for_new_calls():
    """
    The OCI hook makes usual profiles without loading pyseccomp.
    """
    code = (
        "import sys\n"
        "from tests.unit.recordings import recording\n"
        "from tracer.profile.making import Wanted, make\n"
        "make(recording('read', 'close_range', 'clone3', 'statx'), Wanted())\n"
        "assert 'pyseccomp' not in sys.modules\n"
        "assert 'tracer.profile.libseccomp' not in sys.modules\n"
        "make(recording('mseal'), Wanted())\n"
        "assert 'pyseccomp' in sys.modules\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
