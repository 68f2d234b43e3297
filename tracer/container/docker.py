"""
docker: its containers are no children of its client, and its daemon knows what they are called.
"""

from __future__ import annotations

import time
from typing import Optional, Sequence

from tracer.container.engines import Ask, Named, fields_of, string_at


class Docker:
    """docker's client: `docker inspect` while the container exists, its events afterwards."""

    name = "docker"

    def look_up(
        self, client: Sequence[str], reference: str, since: int, ask: Ask
    ) -> Optional[Named]:
        """See Engine.look_up."""
        template = '{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}}}'
        inspect = [*client, "container", "inspect", "--format", template, "--", reference]
        found = fields_of(ask(inspect))
        if string_at(found, "id"):
            name = string_at(found, "name").lstrip("/")
            return Named(string_at(found, "id"), name, string_at(found, "image"))
        return self._event(client, reference, since, ask)

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
