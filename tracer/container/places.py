"""
Where a container can write that is there before it and after it, by its engine's command line.

What one run leaves in such a place the next one finds. What is the container's own (its layer,
volumes without a name, tmpfs) is not meant here, and neither is what it can only read.
"""

from __future__ import annotations

from typing import Dict, Optional, Sequence, Tuple

from tracer.container.arguments import NO_WORDS, EngineCall, image_of, named_options

READ_ONLY = frozenset({"ro", "readonly"})
OVERLAY = "O"  # podman: what is written goes with the container,
UPPER = "upperdir="  # unless it is said where it is to be kept
OUTSIDE = frozenset({"bind", "volume", "glob"})


def lasting_places(command: Sequence[str], call: EngineCall) -> Tuple[str, ...]:
    """What outlives a container of this `run` and can be written by it, as the command names it."""
    found = [_place(name, value) for name, value in named_options(command, call)]
    found.append(_root(command, call))
    return tuple(dict.fromkeys(place for place in found if place))


def _place(name: str, value: str) -> Optional[str]:
    if name in ("-v", "--volume"):
        return _volume(value)
    if name == "--mount":
        return _mount(value)
    if name == "--volumes-from":
        container, _, options = value.partition(":")
        return None if READ_ONLY & set(options.split(",")) else f"the volumes of {container}"
    return None


def _volume(value: str) -> Optional[str]:
    """Of [SOURCE:]PLACE[:OPTIONS]."""
    source, *rest = value.split(":")
    options = rest[1].split(",") if len(rest) > 1 else []
    kept = any(one.startswith(UPPER) for one in options)
    if not rest or READ_ONLY & set(options) or (OVERLAY in options and not kept):
        return None
    return source


def _mount(value: str) -> Optional[str]:
    """Of type=TYPE,source=SOURCE,..."""
    fields: Dict[str, str] = {}
    for field in value.split(","):
        name, _, said = field.partition("=")
        fields[name] = said
    read_only = any(name in fields and fields[name] not in NO_WORDS for name in READ_ONLY)
    if read_only or fields.get("rw") in NO_WORDS or fields.get("type", "volume") not in OUTSIDE:
        return None
    return fields.get("source", fields.get("src"))


def _root(command: Sequence[str], call: EngineCall) -> Optional[str]:
    """With podman's --rootfs, the directory that stands where the image does."""
    said = [value for name, value in named_options(command, call) if name == "--rootfs"]
    place = command[image_of(command, call) :][:1]
    if not said or said[-1] in NO_WORDS or not place:
        return None
    return None if place[0].endswith(f":{OVERLAY}") else place[0]
