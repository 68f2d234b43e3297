"""
How calls ended, in a recording's document.

What belongs here: an observation's field of that, which came into version 1 of the format later.
The ways in which a call ended stand under each run's id, as a set, so that an older version, which
keeps and joins what it does not know, joins even these.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List

from tracer.document import Node
from tracer.recording.records import Outcomes

_WORD = re.compile(r"[A-Za-z0-9-]{1,32}")


def outcomes_fields(outcomes: Outcomes) -> Dict[str, List[str]]:
    """How the calls of an observation ended, as the document has it."""
    return {run: sorted(words) for run, words in outcomes}


def outcomes_in(node: Node, runs: FrozenSet[str]) -> Outcomes:
    """How the calls of an observation ended in some of its runs, if a document says so."""
    if node.value is None:
        return ()
    found: Dict[str, FrozenSet[str]] = {}
    for run in node.others(()):
        if run not in runs:
            raise node.child(run).wrong("what came of it in a run of the same observation")
        found[run] = frozenset(_word(one) for one in node.child(run).items())
        if not found[run]:
            raise node.child(run).wrong("at least one way in which the call ended")
    return tuple(sorted(found.items()))


def _word(node: Node) -> str:
    if not _WORD.fullmatch(node.text()):
        raise node.wrong("success, the name of an error, or another word")
    return node.text()
