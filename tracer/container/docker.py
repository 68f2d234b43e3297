"""
docker: its containers are no children of its client, and its daemon knows what they are called.
"""

from __future__ import annotations

import time
from typing import List, Optional, Sequence

from tracer.container.engines import Ask, Named, fields_of, inspected, string_at

# Our names for what `docker container inspect` knows.
TEMPLATE = (
    '{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},'
    '"process":{{json .State.Pid}},"started":{{json .State.StartedAt}},'
    '"runtime":{{json .HostConfig.Runtime}},"labels":{{json .Config.Labels}}}'
)


class Docker:
    """docker's client: `docker inspect` while the container exists, its events afterwards."""

    name = "docker"

    def look_up(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        """See Engine.look_up."""
        found = self.inspect(client, [reference], ask)
        return found[0] if found else self._event(client, reference, since, ask)

    def inspect(self, client: Sequence[str], references: Sequence[str], ask: Ask) -> List[Named]:
        """See Engine.inspect."""
        options = ["container", "inspect", "--format", TEMPLATE, "--"]
        return inspected(ask([*client, *options, *references]))

    def _event(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        events = ask(
            [*client, "events", "--since", str(since), "--until", f"{time.time():.9f}"]
            + ["--filter", f"container={reference}", "--format", "{{json .}}"]
        )
        for line in events.splitlines():
            event = fields_of(line)
            if string_at(event, "id") and string_at(event, "Type") == "container":
                attributes = ("Actor", "Attributes")
                return Named(
                    string_at(event, "id"),
                    string_at(event, *attributes, "name"),
                    string_at(event, *attributes, "image"),
                )
        return None
