"""
podman: its monitor's command line names a container; its client says what else is known.

conmon is in the process tree of the podman that started it, and its arguments carry the id, the
name and the runtime (conmon(8)): they are there for a container that lived 5 ms and was removed,
for a rootless one, and for one without a cgroup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence

from tracer.container.engines import Ask, Named, fields_of, inspected, named, string_at


@dataclass(frozen=True)
class Launch:
    """What one conmon was started for. `joins`: an exec into a container, not its start."""

    container: str
    name: str
    runtime: str
    joins: bool


# What conmon(8) is told, by either name of the option.
OPTIONS = {
    "-c": "container",
    "--cid": "container",
    "-u": "session",
    "--cuuid": "session",
    "-n": "name",
    "--name": "name",
    "-r": "runtime",
    "--runtime": "runtime",
}

# What follows it is an argument of podman's cleanup, `--runtime` among them.
OF_ANOTHER = "--exit-command-arg"

# Our names for what `podman container inspect` knows.
TEMPLATE = (
    '{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .ImageName}},'
    '"infra":{{json .IsInfra}},"process":{{json .State.Pid}},'
    '"started":{{json .State.StartedAt}},"runtime":{{json .OCIRuntime}},'
    '"labels":{{json .Config.Labels}}}'
)


def read_launch(arguments: Sequence[str]) -> Optional[Launch]:
    """
    The meaning of a conmon's arguments; None if it was not started for a container.

    An exec is told by its session, which is the container itself for a start: --exec comes so late
    that the kernel side has no room for it.
    """
    values = {
        OPTIONS[option]: value
        for before, option, value in zip(("", *arguments), arguments, arguments[1:])
        if option in OPTIONS and before != OF_ANOTHER
    }
    container = values.get("container", "")
    if not container:
        return None
    return Launch(
        container=container,
        name=values.get("name", ""),
        runtime=values.get("runtime", ""),
        joins=values.get("session", container) != container,
    )


class Podman:
    """podman's client: `podman inspect` while the container exists, its events afterwards."""

    name = "podman"

    def look_up(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        """See Engine.look_up."""
        found = self.inspect(client, [reference], ask)
        return found[0] if found else named(self._event(client, reference, since, ask))

    def inspect(self, client: Sequence[str], references: Sequence[str], ask: Ask) -> List[Named]:
        """See Engine.inspect."""
        options = ["container", "inspect", "--format", TEMPLATE, "--"]
        return inspected(ask([*client, *options, *references]))

    def _event(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Mapping[str, object]:
        events = ask(
            [*client, "events", "--stream=false", "--since", str(since)]
            + ["--filter", f"container={reference}", "--format", "{{json .}}"]
        )
        for line in events.splitlines():
            event = fields_of(line)
            if string_at(event, "ID"):
                return {
                    "id": string_at(event, "ID"),
                    "name": string_at(event, "Name"),
                    "image": string_at(event, "Image"),
                }
        return {}
