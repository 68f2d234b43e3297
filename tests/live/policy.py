"""
What a live test needs of the host, and what happens when it is not there.

The one place that decides it: a host that lacks something skips, with the reason, and
`SECCOMP_TRACE_LIVE=1` turns each skip into a failure, so that none goes unseen where live tests
must run. What an engine of its own needs is asked by its fixture, through `require_command`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Optional, Union

import pytest

BTF = Path("/sys/kernel/btf/vmlinux")
SKIPS_FAIL = os.environ.get("SECCOMP_TRACE_LIVE") == "1"


def missing_on_this_host() -> Optional[str]:
    """
    Return what keeps every live test from running here, or None.
    """
    if os.geteuid() != 0:
        return "live tests need root"
    if not BTF.exists():
        return f"live tests need a kernel with BTF: there is no {BTF}"
    if importlib.util.find_spec("bcc") is None:
        return "live tests need the distribution's bcc (python3-bpfcc, python3-bcc)"
    return None


def require_command(name: str) -> str:
    """
    Return the path of a command, or skip the test for want of it.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (scripts/setup --tests installs it)")
    return path


def judge(report: Union[pytest.TestReport, pytest.CollectReport]) -> None:
    """
    Make the report of a skip that of a failure where skips fail; expected failures are no skips.
    """
    if not SKIPS_FAIL or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason} (a failure because SECCOMP_TRACE_LIVE=1)"
