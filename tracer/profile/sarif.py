"""
Remarks about profiles as SARIF 2.1.0, which code hosts show beside the file.

Only the form; what there is to say is `lint`'s.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Tuple

from tracer import __version__
from tracer.profile.lint import CHECKS
from tracer.profile.lint_keys import CODES
from tracer.profile.remarks import Remark

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(remarks: Mapping[str, Iterable[Remark]]) -> Dict[str, object]:
    """Return the log of one run of the tool, as a JSON value: remarks by file."""
    results = [_result(path, one) for path, some in remarks.items() for one in some]
    codes = sorted(
        {*CHECKS, *CODES, *(remark.code for some in remarks.values() for remark in some)}
    )
    driver = {
        "name": "seccomp-trace",
        "version": __version__,
        "rules": [{"id": code} for code in codes],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(path: str, remark: Remark) -> Dict[str, object]:
    places: List[Dict[str, object]] = [
        {
            "physicalLocation": {"artifactLocation": {"uri": _uri(path)}},
            "logicalLocations": [{"fullyQualifiedName": remark.place}],
        }
    ]
    return {
        "ruleId": remark.code,
        "level": remark.severity,
        "message": {"text": f"{remark.message}. Remedy: {remark.remedy}."},
        "locations": places,
    }


# Only what may not stand in a URI; a path is shown, not followed.
def _uri(path: str) -> str:
    escaped: Tuple[str, ...] = tuple(
        character if character.isalnum() and character.isascii() or character in "-._~/"
        else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in path
    )
    return "".join(escaped)
