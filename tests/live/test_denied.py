"""
Tests of what a recording says of the filter that its container ran under.
"""

from __future__ import annotations

import json

from tests.live.command import SeccompTrace
from tests.live.conftest import ImageLoader
from tests.live.engines import Engine
from tests.live.recorded import calls_of, making, record

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
    profile = seccomp_trace.directory / "filter.json"
    profile.write_text(json.dumps(FILTER))
    own = ["--rm", *engine.security(profile)]
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
