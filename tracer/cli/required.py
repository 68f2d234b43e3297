"""
What capabilities recordings need, as text and as engines, Kubernetes and the OCI want to be told.

What belongs here: how `caps required` writes what `tracer.capabilities.required` has found.
"""

from __future__ import annotations

import json
from typing import Callable, Dict, Iterator, List, Mapping, Tuple

from tracer.capabilities.names import NAMES, flags, short_name
from tracer.capabilities.required import Demand, Required, Use
from tracer.profile import yaml
from tracer.text import printable

_USES_AT_MOST = 6
MISSED = "missed when it was left out"
BASELINE = "baseline"
_WIDTH = 26  # of the longest capability's name, and a blank


def lines(found: Required) -> Iterator[str]:
    """For people: what is needed and by whom, what is not, and the options that say so."""
    yield from _needed_lines(found) if found.needed else ("needed        nothing",)
    if found.tried:
        yield f"{'confirmed':14}{', '.join(found.confirmed) or 'nothing'}"
    yield from _demand_lines("not missed", found.unmissed)
    yield from _demand_lines("refused", found.refused)
    yield from _demand_lines("out of reach", found.out_of_reach)
    yield from _demand_lines("inside", found.inner)
    if found.unused:
        yield f"{'unused':14}{', '.join(found.unused)}"
    yield f"{'flags':14}{' '.join(flags(found.capabilities))}"


def incomplete_lines(found: Required, runs: int) -> Iterator[str]:
    """Why more may be needed by these recordings of so many runs, a line each."""
    if found.unknown:
        yield f"{len(found.unknown)} of {runs} runs have no capability checks"
    if found.lost:
        yield f"{found.lost} capability checks could not be kept"


def document(found: Required) -> str:
    """All of it as JSON."""
    whole = {
        "needed": [_demand_document(one) for one in found.needed],
        "baseline": list(found.baseline),
        "confirmed": list(found.confirmed),
        "runs_tried": list(found.tried),
        "not_missed": [_demand_document(one) for one in found.unmissed],
        "refused": [_demand_document(one) for one in found.refused],
        "out_of_reach": [_demand_document(one) for one in found.out_of_reach],
        "inside": [_demand_document(one) for one in found.inner],
        "unused": list(found.unused),
        "flags": list(flags(found.capabilities)),
        "ambient": found.ambient,
        "runs_without_checks": list(found.unknown),
        "checks_lost": found.lost,
    }
    return json.dumps(whole, indent=1)


def kubernetes(found: Required) -> str:
    """The `securityContext` of a container in a pod: names without CAP_."""
    names = [short_name(name) for name in found.capabilities if name in NAMES]
    capabilities: Dict[str, List[str]] = {"drop": ["ALL"]}
    if names:
        capabilities["add"] = names
    return yaml.render({"securityContext": {"capabilities": capabilities}}).rstrip("\n")


def oci(found: Required) -> str:
    """The `process.capabilities` of a runtime's config.json; ambient for who is not root."""
    names = [name for name in found.capabilities if name in NAMES]
    ambient = names if found.ambient else []
    sets: Dict[str, List[str]] = {
        "bounding": names,
        "effective": names,
        "inheritable": ambient,
        "permitted": names,
        "ambient": ambient,
    }
    return json.dumps({"process": {"capabilities": sets}}, indent=1)


FORMATS: Mapping[str, Callable[[Required], str]] = {
    "json": document,
    "kubernetes": kubernetes,
    "oci": oci,
}


def _needed_lines(found: Required) -> Iterator[str]:
    title = "needed"
    for demand in found.needed:
        reasons = [_evidence(demand.uses)] if demand.uses else []
        reasons += [MISSED] if demand.capability in found.confirmed and not demand.uses else []
        reasons += [BASELINE] if demand.capability in found.baseline else []
        yield f"{title:14}{demand.capability:{_WIDTH}}{', '.join(reasons)}"
        title = ""


def _demand_lines(title: str, demands: Tuple[Demand, ...]) -> Iterator[str]:
    for demand in demands:
        yield f"{title:14}{demand.capability:{_WIDTH}}{_evidence(demand.uses)}"
        title = ""


def _evidence(uses: Tuple[Use, ...]) -> str:
    told = [
        f"{printable(one.executable, 80)}: {printable(one.call or 'no call', 64)} ({one.count})"
        for one in uses[:_USES_AT_MOST]
    ]
    more = len(uses) - _USES_AT_MOST
    return ", ".join(told + [f"{more} more"] * (more > 0))


def _demand_document(demand: Demand) -> Dict[str, object]:
    uses = [
        {
            "executable": one.executable,
            "call": one.call,
            "count": one.count,
            "callers": list(one.callers),
        }
        for one in demand.uses
    ]
    return {"capability": demand.capability, "uses": uses}
