"""
Tests of which signals end a trial.
"""

from __future__ import annotations

import signal

import pytest

from tracer.session.trial import Watchful


@pytest.mark.parametrize(
    ("number", "ends", "parts"),
    [
        (signal.SIGINT, True, False),
        (signal.SIGQUIT, True, False),
        (signal.SIGTERM, True, True),
        (signal.SIGHUP, True, True),
        (signal.SIGUSR1, False, False),
        (signal.SIGUSR2, False, False),
    ],
)
def test_who_wants_an_end_says_so_by_a_signal(number: signal.Signals, ends: bool, parts: bool):
    """
    Who sends it twice insists; but signals that programs give a meaning are the container's alone.
    """
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it
    with Watchful() as signals:
        said = []
        for _ in range(2):
            signal.raise_signal(number)
            signals.next(10)
            said.append((signals.interrupted, signals.insisted, signals.parted))
    signal.signal(number, before)

    assert said == [(ends, False, parts), (ends, ends, parts)]
