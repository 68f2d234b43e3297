"""
What was recorded of a container, from the recorder that stays, after the container's end.

No engine is asked for anything here: podman holds the container's lock while it runs hooks.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import Iterator, Mapping, Optional, Sequence, Tuple

from tracer.container.engines import Named
from tracer.container.podman import read_launch
from tracer.errors import HostError
from tracer.kernel.recorder import Recorder
from tracer.kernel.wire import COMMAND, Head
from tracer.recording import Recording
from tracer.session import holdings, resident


@contextmanager
def fetched(container: str) -> Iterator[Recording]:
    """
    What was recorded of a container that has ended; let go of if nothing goes wrong in the context.

    Raises HostError if there is no recorder, or nothing was recorded.
    """
    with resident.find() as recorder:
        holding = _holding(recorder, container)
        if holding is None:
            raise HostError(
                "the recorder holds nothing of this container",
                "it was stopped, or started anew, while the container ran",
            )
        number = {holding.container.recording}
        if not holdings.has_run(holding):
            recorder.release(number)
            raise HostError("the container never came to run a program: nothing was recorded")
        yield holdings.recording_of(recorder, holding)
        if _is_runs(recorder, holding.container.head):
            recorder.disclaim(holding.container.recording)
        else:
            recorder.release(number)


def _is_runs(recorder: Recorder, head: Head) -> bool:
    """Whether a `run` is recording it too, and lets it go."""
    outer = recorder.heads().get(head.outer)
    return outer is not None and outer.kind == COMMAND


def _holding(recorder: Recorder, container: str) -> Optional[holdings.Holding]:
    heads, launches, claims = recorder.heads(), recorder.launches(), recorder.claims()
    claimed = {number: head for number, head in heads.items() if number in claims}
    number = _newest(recorder, container, claimed)
    for one in holdings.holdings(heads, launches, claims, _nobody_is_asked):
        if one.container.recording == number:
            # From its beginning, that is sure: it waited while it was claimed.
            return replace(one, container=replace(one.container, id=container, late=False))
    return None


def _nobody_is_asked(ids: Sequence[str]) -> Mapping[str, Tuple[str, Named]]:
    return {}


def _newest(recorder: Recorder, container: str, heads: Mapping[int, Head]) -> Optional[int]:
    launches = recorder.launches()
    found = [
        number
        for number, head in heads.items()
        if head.kind != COMMAND
        and container in (head.container, _launched(launches.get(head.launcher, ())))
    ]
    return max(found, default=None)  # ids are times: an earlier one is an earlier run's


def _launched(arguments: Sequence[str]) -> str:
    launch = read_launch(arguments)
    return launch.container if launch and not launch.joins else ""
