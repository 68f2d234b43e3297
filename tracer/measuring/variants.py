"""
What is started and executed to measure a runtime: options that change its calls, as shell scripts.

Tables and text only; nothing here runs anything. A floor has to hold for every option that a user
may start the container with later, so the samples are spread over them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Iterator, Sequence, Tuple

# Everything that a measurement leaves on the engine is found by this.
LABEL = "seccomp-trace-floor"

Options = Tuple[str, ...]

# Of a container: what its first process and the ones executed in it start with.
CONTAINERS: Tuple[Options, ...] = (
    (),
    ("--user", "65534:65534"),
    ("--read-only",),
    ("--cap-drop", "all"),
    ("--tty",),
    ("--group-add", "10"),
    ("--init",),
    ("--user", "4321", "--cap-add", "SYS_ADMIN"),
    ("--workdir", "/tmp"),
    ("--user", "65534", "--group-add", "20", "--cap-drop", "all"),
    ("--env", "GREETING=hello", "--interactive"),
    ("--user", "65534", "--tty", "--workdir", "/etc"),
    ("--cap-add", "all", "--tmpfs", "/run"),
    ("--volume", "/tmp:/mnt:ro", "--pid", "host"),
    ("--uidmap", "0:100000:65536"),  # podman's alone
)

# Ways to start one. `{client}`, `{options}` and `{what}` (image and program) are filled in.
STARTS: Tuple[str, ...] = (
    "{client} run --rm {options} {what} </dev/null",
    "{client} run --rm --detach {options} {what}",
    "echo | {client} run --rm {options} {what}",
    "id=$({client} create {options} {what}) && {client} start $id && {client} wait $id; "
    "{client} rm --force $id",
)

# Of an exec, beside what the container gives it.
EXECS: Tuple[Options, ...] = (
    (),
    ("--user", "65534:65534"),
    ("--tty",),
    ("--workdir", "/tmp"),
    ("--detach",),
    ("--interactive",),
    ("--user", "4321", "--tty", "--workdir", "/tmp"),
    ("--env", "GREETING=hello"),
    ("--user", "0:20"),
)

# A program that is searched for, and one that is not.
PROGRAMS = ("true", "/bin/true")
LASTING = ("sleep", "86400")


@dataclass(frozen=True)
class Target:
    """
    What is measured: an engine with a runtime, with or without no-new-privileges.

    `image` needs `true`, /bin/true and `sleep`.
    """

    engine: str
    runtime: str
    image: str
    no_new_privileges: bool

    @property
    def client(self) -> Tuple[str, ...]:
        """How the engine's client is called: podman takes the runtime from every call."""
        if self.engine == "podman":
            return (self.engine, "--runtime", self.runtime)
        return (self.engine,)

    @property
    def options(self) -> Tuple[str, ...]:
        """Options of run and create that all containers of the measurement have."""
        runtime = () if self.engine == "podman" else ("--runtime", self.runtime)
        privileges = ("--security-opt", "no-new-privileges") if self.no_new_privileges else ()
        return (*runtime, "--label", LABEL, "--network", "none", *privileges)


def start_script(target: Target, numbers: Sequence[int]) -> str:
    """Return a script that starts a container for each number, which chooses the variant."""
    return "".join(f"{line}\n" for line in _starts(target, numbers))


def _starts(target: Target, numbers: Sequence[int]) -> Iterator[str]:
    for number in numbers:
        way = number // len(CONTAINERS)  # so that each way meets each kind of container
        options = (*target.options, *CONTAINERS[number % len(CONTAINERS)])
        yield STARTS[way % len(STARTS)].format(
            client=shlex.join(target.client),
            options=shlex.join(options),
            what=shlex.join((target.image, PROGRAMS[number % len(PROGRAMS)])),
        )


def lasting_script(target: Target, numbers: Sequence[int]) -> str:
    """Return a script that leaves a container running for each number, for execs."""
    detached = ("run", "--detach", "--stop-signal", "KILL")  # sleep ignores the usual one
    lines = []
    for number in numbers:
        options = (*target.options, *CONTAINERS[number % len(CONTAINERS)])
        lines.append(shlex.join((*target.client, *detached, *options, target.image, *LASTING)))
    return "".join(f"{line}\n" for line in lines)


def exec_script(target: Target, containers: Sequence[str], round: int) -> str:
    """Return a script that executes one program in each container, another way in each round."""
    lines = []
    for place, container in enumerate(containers):
        options = EXECS[(place + round) % len(EXECS)]
        program = PROGRAMS[round % len(PROGRAMS)]
        lines.append(shlex.join((*target.client, "exec", *options, container, program)))
    return "".join(f"{line} </dev/null\n" for line in lines)
