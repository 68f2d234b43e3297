"""
What engines' own readers understand of profiles, beside what ours does.

`main.go` links moby's, containers-common's and runtime-spec's code from Debian's packages. It is
built once into .venv, again if it changes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from tracer.errors import InputError
from tracer.profile import formats, model
from tracer.profile.model import Profile, Rule
from tracer.profile.resolve import resolve

SOURCE = Path(__file__).parent / "main.go"
CODE = Path("/usr/share/gocode")
_BUILT = Path(__file__).parents[2] / ".venv" / "share" / "readers"
CAPABILITIES = ("CAP_CHOWN", "CAP_SYS_CHROOT")
_MAJOR, _MINOR = os.uname().release.split("-")[0].split(".")[:2]
KERNEL = (int(_MAJOR), int(_MINOR))
HOST = "SCMP_ARCH_X86_64"
OCI = "oci"
# Docker before 23 has no such fields (see `resolve`).
_UNREAD = {model.DOCKER: ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")}
# runc refuses a config.json for what is beside the profile, which is not ours to read.
_ELSEWHERE = re.compile(r"field Spec\.(?!linux)")

Answers = Dict[str, Dict[str, Any]]


@dataclass(frozen=True)
class Disagreement:
    """A text that we accept, and which one engine takes for something else."""

    text: bytes
    engine: str
    ours: object
    theirs: object


def why_not() -> str:
    """Return why the readers cannot be built here; empty if they can."""
    needed = ("docker/docker", "containers/common", "opencontainers/runtime-spec")
    missing = [name for name in needed if not (CODE / "src" / "github.com" / name).is_dir()]
    if missing:
        return f"there is no source of {', '.join(missing)} in {CODE}"
    return "" if Path("/usr/bin/go").exists() else "there is no go"


def build() -> Path:
    """Return the program, built from Debian's packages if it is not there yet."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    program = _BUILT / f"readers-{digest}"
    if not program.exists():
        _BUILT.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        environment = {
            **os.environ,
            "GOPATH": str(CODE),
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "GOCACHE": str(_BUILT / "cache"),
        }
        command = ["/usr/bin/go", "build", "-tags", "seccomp", "-o", str(unfinished), SOURCE.name]
        subprocess.run(command, check=True, env=environment, cwd=SOURCE.parent)
        unfinished.rename(program)
    return program


def understood(texts: Sequence[bytes]) -> List[Answers]:
    """Return what each reader hands to the runtime for each text."""
    lines = b"".join(base64.b64encode(text) + b"\n" for text in texts)
    command = [str(build()), *CAPABILITIES]
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(texts: Sequence[bytes]) -> Tuple[int, List[Disagreement]]:
    """Return how many of the texts we accept, and which of these an engine takes otherwise."""
    some = list(_accepted(texts))
    return len(some), [found for read in some for found in _disagreements(*read)]


def _disagreements(text: bytes, profile: Profile, answers: Answers) -> Iterator[Disagreement]:
    engines = (OCI,) if profile.dialect == model.OCI else model.ENGINES
    for engine in engines:
        if _ELSEWHERE.search(answers[engine].get("error", "")):
            continue
        ours, theirs = _ours(profile, engine), _theirs(answers[engine], engine)
        if ours != theirs:
            yield Disagreement(text, engine, ours, theirs)


def _accepted(texts: Sequence[bytes]) -> Iterable[Tuple[bytes, Profile, Answers]]:
    for text, answers in zip(texts, understood(texts)):
        try:
            profile = formats.read(text.decode("utf-8", "surrogateescape"), "profile")
        except InputError:
            continue
        if profile.dialect != model.SPO:
            yield text, profile, answers


def _ours(profile: Profile, engine: str) -> Optional[Dict[str, object]]:
    """Return the flat profile as plain values; None if the engine would refuse it."""
    asked = None if engine == OCI else engine
    try:
        flat = resolve(profile, HOST, frozenset(CAPABILITIES), KERNEL, engine=asked)
    except InputError:
        return None
    return _comparable(
        {
            "defaultAction": flat.default_action,
            "defaultErrnoRet": flat.default_errno,
            "architectures": list(flat.architectures),
            "flags": list(flat.flags),
            "listenerPath": flat.listener_path,
            "listenerMetadata": flat.listener_metadata,
            "syscalls": [_rule(rule) for rule in flat.rules if rule.names],
        },
        engine,
    )


def _rule(rule: Rule) -> Dict[str, object]:
    return {
        "names": list(rule.names),
        "action": rule.action,
        "errnoRet": rule.errno,
        "args": [
            {
                "index": condition.index,
                "value": condition.value,
                "valueTwo": condition.value_two,
                "op": condition.operator,
            }
            for condition in rule.conditions
        ],
    }


def _theirs(answer: Dict[str, Any], engine: str) -> Optional[Dict[str, object]]:
    if "error" in answer:
        return None
    profile = answer.get("profile", {})
    rules = [_their_rule(rule) for rule in profile.get("syscalls") or () if rule["names"]]
    filled = {"defaultErrnoRet": None, "architectures": [], "flags": [], **profile}
    return _comparable(
        {"listenerPath": "", "listenerMetadata": "", **filled, "syscalls": rules}, engine
    )


def _their_rule(rule: Dict[str, Any]) -> Dict[str, object]:
    arguments = [{"valueTwo": 0, **argument} for argument in rule.get("args", ())]
    return {"errnoRet": None, **rule, "args": arguments}


def _comparable(profile: Dict[str, object], engine: str) -> Dict[str, object]:
    return {key: value for key, value in profile.items() if key not in _UNREAD.get(engine, ())}
