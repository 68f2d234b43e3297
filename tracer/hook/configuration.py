"""
The files that tell an engine of the hook (oci-hooks(5), schema 1.0.0), and which of them are ours.

Both engines of that schema, podman and CRI-O, read a directory of them. What is in a file is
decided here; where they lie is `directories`', writing and removing them the command line's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import List, Mapping, NamedTuple, Optional, Tuple

from tracer.hook.annotation import KEY

# Unknown members are ignored by whoever reads a hook file; by this one we know our own again.
COMMENT = "written by seccomp-trace hook install; seccomp-trace hook uninstall removes it"
# Neither the caller's PYTHON* variables nor its PATH are root's business. podman runs poststop
# hooks with an empty environment, runtimes run the others with the engine's.
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL=C.UTF-8",
)


class Stage(NamedTuple):
    """
    One of the two hooks: when it runs, what it is told to do, and how long it may take.

    `prestart` is what every runtime knows; newer engines (containers/common from 2023 on) turn it
    into createRuntime themselves, and both run in the runtime's namespaces before the container's
    program, and its filter, exist.
    """

    stage: str
    verb: str
    seconds: int


# The recorder may have to be compiled and loaded before a container begins.
BEGIN, END = "begin", "end"
FILES: Mapping[str, Stage] = {
    "seccomp-trace-begin.json": Stage("prestart", BEGIN, 30),
    "seccomp-trace-end.json": Stage("poststop", END, 60),
}


@dataclass(frozen=True)
class Choices:
    """
    What `hook install` was told: the program (its words, the first an absolute path), the directory
    that outputs are confined to, and whether a container runs though it cannot be recorded.
    """

    program: Tuple[str, ...]
    output_dir: Optional[str] = None
    best_effort: bool = False


def options_of(choices: Choices) -> Tuple[str, ...]:
    """What the program is told in either stage, after the verb."""
    confined = () if choices.output_dir is None else ("--output-dir", choices.output_dir)
    return (*confined, *(("--best-effort",) if choices.best_effort else ()))


def render(stage: Stage, choices: Choices) -> str:
    """The text of one hook file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tracer.hook"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # JSON: every value goes through tojson
    )
    # jinja2's own is JSON that is safe within HTML, which a person cannot read.
    environment.filters["tojson"] = json.dumps
    return environment.get_template("hook.json.j2").render(
        comment=COMMENT,
        program=list(choices.program),
        options=[stage.verb, *options_of(choices)],
        environment=list(ENVIRONMENT),
        seconds=stage.seconds,
        annotation="^{}$".format(KEY.replace(".", "\\.")),
        stage=stage.stage,
    )


def is_ours(text: str) -> bool:
    """Say whether a file's text is one that `hook install` has written."""
    fields = _fields(text)
    return fields is not None and fields.get("comment") == COMMENT


def rivals(texts: Mapping[str, str]) -> List[str]:
    """
    Return the names of those hook files, by name, that are not ours and act on our annotation.

    Their program would write the same output file as we do.
    """
    return sorted(name for name, text in texts.items() if not is_ours(text) and _claims(text))


def _claims(text: str) -> bool:
    fields = _fields(text) or {}
    when = fields.get("when")
    patterns = when.get("annotations") if isinstance(when, dict) else None
    return isinstance(patterns, dict) and any(_matches(pattern) for pattern in patterns)


def _matches(pattern: str) -> bool:
    try:
        return re.search(pattern, KEY) is not None
    except re.error:  # Go's regular expressions are not quite Python's
        return KEY in pattern.replace("\\", "")


def _fields(text: str) -> Optional[Mapping[str, object]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
