"""
Profiles as bytes, sound and hostile, by the thousand: the same for the same seed.

A document is drawn whole, and then often damaged: in its tree (keys that fold to others, keys
twice, odd values, fields of other places) or in its bytes (what surrounds JSON, or is no UTF-8).
Hypothesis would take ten times as long for as many.
"""

from __future__ import annotations

import json
from random import Random
from typing import Callable, Dict, List, Tuple

Member = Tuple[str, object]


class Members(List[Member]):
    """An object of JSON, in which a key may appear twice."""


class Raw(str):
    """A text that stands in JSON as it is."""


ACTIONS = [f"SCMP_ACT_{word}" for word in "KILL KILL_PROCESS ERRNO TRACE LOG ALLOW TRAP".split()]
OPERATORS = [f"SCMP_CMP_{word}" for word in "NE LT LE EQ GE GT MASKED_EQ".split()]
NAMES = ["read", "write", "clone", "mount", "kcmp", "socket", "no_such_call"]
ARCHITECTURES = [f"SCMP_ARCH_{word}" for word in "X86_64 X86 X32 AARCH64".split()]
CAPABILITIES = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]
KEYS = (
    "defaultAction defaultErrnoRet defaultErrno architectures archMap flags listenerPath "
    "listenerMetadata syscalls baseProfileName names name action errnoRet errno args comment "
    "includes excludes index value valueTwo op caps arches minKernel architecture subArchitectures "
    "linux seccomp kind spec process disabled sycalls x-ours"
).split()
ODD: List[object] = [
    *(None, True, "", "1", "38", "EPERM", "no such word", [], Members(), [None], ["read"], 0, 1, 5),
    *(6, -1, 65535, 65536, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 10**30),
    *map(Raw, ("1.0", "1e2", "-0", "0.0", "1E400", "NaN", "01", "+1", "0x1", "1_0", ".5")),
    *("kcmp\0x", "\ud800", "\udc80", "\ud83d\ude00", "4.8", "0.0", "99.0", "5", "4.8.1", "x\x7f"),
    *("SCMP_ACT_ALLOW", "scmp_act_allow", "SCMP_ARCH_X86", "SCMP_CMP_EQ", [["read"]], [Members()]),
]


def text(random: Random) -> bytes:
    """Return one document: Docker's or podman's, sometimes a config.json, sometimes damaged."""
    document = profile(random)
    if random.random() < 0.2:
        document = Members(
            [("ociVersion", "1.0.2"), ("linux", Members([("seccomp", document)])), ("hooks", None)]
        )
    for _ in range(random.choice((0, 0, 0, 1, 1, 1, 2, 3))):
        random.choice(_DAMAGES)(random, document)
    content = render(document, random).encode("utf-8", "surrogatepass")
    return _damaged_bytes(random, content) if random.random() < 0.05 else content


def profile(random: Random) -> Members:
    """Return a sound profile that uses some of all fields."""
    members: List[Member] = [
        ("defaultAction", random.choice(ACTIONS)),
        ("syscalls", [_rule(random) for _ in range(random.randrange(4))]),
    ]
    optional: Dict[str, Callable[[], object]] = {
        "defaultErrnoRet": lambda: random.choice((None, 0, 1, 38)),
        "defaultErrno": lambda: random.choice(("", "ENOSYS", "13")),
        "flags": lambda: random.choice(([], ["SECCOMP_FILTER_FLAG_LOG"])),
        "listenerPath": lambda: random.choice(("", "/run/listener")),
        "x-ours": lambda: random.choice(ODD[:12]),
    }
    members += _some(random, optional, 0.15)
    if random.random() < 0.5:
        members.append(("architectures", _pick(random, ARCHITECTURES)))
    elif random.random() < 0.5:
        members.append(("archMap", [_family(random) for _ in range(random.randrange(3))]))
    random.shuffle(members)
    return Members(members)


def _rule(random: Random) -> Members:
    members: List[Member] = [("action", random.choice(ACTIONS))]
    old = random.random() < 0.1
    members.append(("name", "read") if old else ("names", _pick(random, NAMES)))
    optional: Dict[str, Callable[[], object]] = {
        "errnoRet": lambda: random.choice((None, 0, 1, 38)),
        "errno": lambda: random.choice(("", "EACCES", "22")),
        "comment": lambda: "a comment",
        "args": lambda: random.choice((None, [], [_condition(random)], [_condition(random)] * 2)),
        "includes": lambda: _circumstances(random),
        "excludes": lambda: _circumstances(random),
    }
    return Members(members + _some(random, optional, 0.3))


def _condition(random: Random) -> Members:
    number = lambda: random.choice((0, 1, 0x20000, 1 << 32, (1 << 64) - 1))  # noqa: E731
    members: List[Member] = [("index", random.randrange(6)), ("op", random.choice(OPERATORS))]
    return Members(members + _some(random, {"value": number, "valueTwo": number}, 0.7))


def _circumstances(random: Random) -> object:
    optional: Dict[str, Callable[[], object]] = {
        "caps": lambda: _pick(random, CAPABILITIES),
        "arches": lambda: _pick(random, ["amd64", "arm64", "x86"]),
        "minKernel": lambda: random.choice(("3.1", "4.8", "99.0", None)),
    }
    return random.choice((None, Members(_some(random, optional, 0.5))))


def _family(random: Random) -> Members:
    members: List[Member] = [("architecture", random.choice(ARCHITECTURES))]
    within: Dict[str, Callable[[], object]] = {
        "subArchitectures": lambda: random.choice((None, _pick(random, ARCHITECTURES)))
    }
    return Members(members + _some(random, within, 0.8))


def _pick(random: Random, words: List[str]) -> List[str]:
    return random.sample(words, random.randrange(3))


def _some(random: Random, optional: Dict[str, Callable[[], object]], likely: float) -> List[Member]:
    return [(key, make()) for key, make in optional.items() if random.random() < likely]


# --- Damage to the tree ---


def _objects(value: object) -> List[Members]:
    if isinstance(value, Members):
        return [value, *(found for _, member in value for found in _objects(member))]
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    return []


def _an_object(random: Random, document: Members) -> Members:
    return random.choice([found for found in _objects(document) if found] or [document])


def _respell(random: Random, key: str) -> str:
    spellings = (
        key.upper(),
        key.lower(),
        key.title(),
        key.replace("s", "\u017f", 1),
        key.replace("k", "\u212a", 1).replace("K", "\u212a", 1),
        key.replace("i", "\u0131", 1),
        key + "\0",
        key + " ",
        key + "\ud800",
        key,
    )
    return random.choice(spellings)


def _fold_a_key(random: Random, document: Members) -> None:
    chosen = _an_object(random, document)
    place = random.randrange(len(chosen))
    key, value = chosen[place]
    chosen[place] = (_respell(random, key), value)


def _add_a_key(random: Random, document: Members) -> None:
    chosen = _an_object(random, document)
    key, value = random.choice(chosen)
    other = random.choice((value, random.choice(ODD), random.choice(chosen)[1]))
    chosen.insert(random.randrange(len(chosen) + 1), (_respell(random, key), other))


def _change_a_value(random: Random, document: Members) -> None:
    chosen = _an_object(random, document)
    place = random.randrange(len(chosen))
    key, value = chosen[place]
    if isinstance(value, list) and value and not isinstance(value, Members):
        changed = list(value)
        changed[random.randrange(len(changed))] = random.choice(ODD)
        chosen[place] = (key, random.choice((changed, random.choice(ODD))))
    else:
        chosen[place] = (key, random.choice(ODD))


def _remove_a_key(random: Random, document: Members) -> None:
    chosen = _an_object(random, document)
    del chosen[random.randrange(len(chosen))]
    if not document:
        document.append(("defaultAction", "SCMP_ACT_ALLOW"))


def _add_a_field(random: Random, document: Members) -> None:
    chosen = _an_object(random, document)
    chosen.append((random.choice(KEYS), random.choice((*ODD, profile(random)))))


_DAMAGES = (_fold_a_key, _add_a_key, _add_a_key, _change_a_value, _remove_a_key, _add_a_field)


# --- Text and bytes ---


def render(value: object, random: Random) -> str:
    """Return the JSON of a value, strings with or without escapes."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Members):
        members = (f"{_string(key, random)}: {render(item, random)}" for key, item in value)
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(render(item, random) for item in value) + "]"
    return _string(value, random) if isinstance(value, str) else json.dumps(value)


def _string(text: str, random: Random) -> str:
    return json.dumps(text, ensure_ascii=random.random() < 0.7)


def _damaged_bytes(random: Random, content: bytes) -> bytes:
    place = random.randrange(len(content))
    head, tail = content[:place], content[place:]
    damaged = (
        b"\xef\xbb\xbf" + content,
        b"# a comment\n" + content,
        b"// a comment\n" + content,
        b"\x0b" + content,
        b"\xc2\xa0" + content,
        b" \t\r\n" + content + b"\n\n",
        content + b" {}",
        content + b"\0",
        content + b"x",
        content[1:-1],
        head,
        head + b"\xff" + tail,
        head + b"/* */" + tail,
        head + b"\0" + tail,
        head + b"," + tail,
        head + b"\\u0000" + tail,
    )
    return random.choice(damaged)
