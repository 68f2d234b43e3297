"""
All commands about profiles, over damaged files: each ends with an exit code, never a traceback.

The files are those of tests/cases, with tokens and bytes changed, and documents of `hostile`, as
JSON and within YAML. Commands run in this process, since starting each would take far longer.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Iterator, List, Sequence, Tuple

import click
from click.testing import CliRunner

from tests.readers import hostile
from tracer.cli import cli
from tracer.errors import SeccompTraceError
from tracer.profile.convert import TARGETS

CASES = Path(__file__).parents[1] / "cases"
_TOKEN = re.compile(rb'"[^"]*"|-?\d+|[{}\[\],:]|\w+')
_TOKENS = (
    *(b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b'""', b"0", b"1.0", b"-1", b"1e999"),
    *(b"18446744073709551616", b'"\\u0000"', b'"\\ud800"', b'"SCMP_ACT_ALLOW"', b'"read"', b"\xff"),
    *(b'"SCMP_ARCH_NATIVE"', b'"SCMP_CMP_MASKED_EQ"', b"\n---\n", b"&a", b"*a", b"!!int", b"- "),
    *(b'"args"', b'"includes"', b'"name"', b'"names"', b'"\xc5\xbfyscalls"', b"9" * 50, b"\x1b[2J"),
)
_MARKERS = ("PROFILE", "RECORDING", "OTHER", "SOUND")
_PATTERNS = (
    "lint PROFILE",
    "lint --format sarif PROFILE --caps none",
    "lint PROFILE --recording RECORDING",
    "diff PROFILE OTHER",
    "diff SOUND PROFILE --format json",
    "merge PROFILE OTHER",
    "merge SOUND PROFILE",
    "merge PROFILE",
    "check PROFILE RECORDING",
    "check --engine containerd PROFILE RECORDING",
    "check --engine podman --caps none PROFILE RECORDING",
    "generate RECORDING --baseline PROFILE",
    *(f"convert PROFILE --lossy --to {target}" for target in TARGETS),
    *(f"convert PROFILE --to {target} --capabilities docker" for target in TARGETS),
)


@dataclass(frozen=True)
class Failure:
    """A command that ended in an exception that is not expected, and what it was given."""

    command: str
    contents: Tuple[bytes, ...]
    trace: str


def failures(count: int, seed: int) -> Iterator[Failure]:
    """Run so many commands, each over damaged files of its own, and give those that failed."""
    random = Random(seed)
    profiles, recordings = _given("*profile*", "*.json", "*.yaml"), _given("*.rec*")
    with tempfile.TemporaryDirectory() as directory:
        for number in range(count):
            pattern = _PATTERNS[number % len(_PATTERNS)]
            contents = {
                "PROFILE": _profile(random, profiles),
                "OTHER": _profile(random, profiles),
                "SOUND": random.choice(profiles),
                "RECORDING": _recording(random, recordings),
            }
            trace = _trace_of(_arguments(pattern, contents, Path(directory)))
            if trace:
                yield Failure(pattern, tuple(contents[key] for key in _MARKERS), trace)


def _given(*patterns: str) -> List[bytes]:
    paths = {path for pattern in patterns for path in CASES.glob(f"*/given-{pattern}")}
    return [path.read_bytes() for path in sorted(paths)]


def _profile(random: Random, given: Sequence[bytes]) -> bytes:
    kind = random.random()
    if kind < 0.4:
        return hostile.text(random)
    if kind < 0.55:
        head = b"apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\n"
        return head + b"spec: " + hostile.text(random)
    return _damaged(random, random.choice(given))


# Half of them are sound, so that a command comes to judge the profile.
def _recording(random: Random, given: Sequence[bytes]) -> bytes:
    content = random.choice(given)
    return content if random.random() < 0.5 else _damaged(random, content)


def _damaged(random: Random, content: bytes) -> bytes:
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        tokens = list(_TOKEN.finditer(content))
        if not tokens:
            break
        token, other = random.choice(tokens), random.choice(tokens)
        new = random.choice((*_TOKENS, other.group(), token.group() * 2, b""))
        content = content[: token.start()] + new + content[token.end() :]
    return content if random.random() < 0.95 else content[: random.randrange(len(content) + 1)]


def _arguments(pattern: str, contents: dict[str, bytes], directory: Path) -> List[str]:
    arguments = []
    for word in pattern.split():
        if word in contents:
            path = directory / word.lower()
            path.write_bytes(contents[word])
            word = str(path)
        arguments.append(word)
    return arguments


def _trace_of(arguments: Sequence[str]) -> str:
    with _unprinted():
        result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    problem = result.exception
    if problem is None or isinstance(problem, (click.ClickException, SeccompTraceError)):
        return ""
    return "".join(traceback.format_exception(type(problem), problem, problem.__traceback__))


@contextmanager
def _unprinted() -> Iterator[None]:
    """Keep from the terminal what commands write to the descriptor of standard output."""
    sys.stdout.flush()
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


def main(count: int, seed: int) -> int:
    """Print every failure and figures; return 1 if there was one."""
    found = 0
    for failure in failures(count, seed):
        found += 1
        print(f"{failure.command}\n{failure.trace}")
        for content in failure.contents:
            print(f"  {content!r}")
    print(f"{count} commands over damaged files, {found} tracebacks")
    return 1 if found else 0


if __name__ == "__main__":
    os.chdir(tempfile.gettempdir())
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [30_000, 1][len(numbers) :])))
