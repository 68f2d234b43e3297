"""
Tests of what a recording says of the filter that its container ran under.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import calls_of, making, record
from tests.live.test_watch_answers import ANSWERS, SCRIPT, TOLD
from tests.live.watched import deny, profile

TIMES = 7
FILTER = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}],
}


def test_what_the_present_filter_denies_is_in_the_recording_apart_from_the_calls(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    A call that is answered with an error is told with its program, answer and number of times; it
    is no observation, and so in no profile.
    """
    limits = seccomp_trace.directory / "filter.json"
    limits.write_text(json.dumps(FILTER))
    own = ["--rm", *engine.security(limits)]
    script = (
        f"for one in $(seq {TIMES}); do calls {' '.join(making('getsid', 'times'))}; done; true"
    )

    recorded = record(seccomp_trace, engine, "run", *own, busybox(engine), "sh", "-c", script)

    (denial,) = (one for one in recorded.recording.denials if one.name == "getsid")
    assert (denial.answer, denial.count) == ("EACCES", TIMES)
    assert denial.executable == "/usr/local/bin/calls"
    assert "times" in calls_of(recorded.recording)
    assert "getsid" not in calls_of(recorded.recording) | recorded.allowed()
    assert f"getsid by {denial.executable}: EACCES, {TIMES} times" in recorded.done.stderr


def test_who_was_trapped_or_killed_is_in_the_recording(
    engine: Engine, busybox: ImageLoader, seccomp_trace: SeccompTrace
):
    """
    As often as `watch` tells of the same; but what was logged was made, and is no denial.
    """
    rules = [deny(name, action=action) for name, action in ANSWERS.items()]
    own = ["--rm", *engine.security(profile(seccomp_trace.directory, *rules))]

    recording = record(
        seccomp_trace, engine, "run", *own, busybox(engine), "sh", "-c", SCRIPT
    ).recording

    assert {
        (Path(one.executable).name, one.name or str(one.number), one.answer): one.count
        for one in recording.denials
        if Path(one.executable).name in ("calls", "denied")
    } == {
        (program, call, answer.partition("-")[0]): count
        for (program, call, answer), count in TOLD.items()
        if answer != "log"
    }
    assert "getpgid" in calls_of(recording)
