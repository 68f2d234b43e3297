"""
An engine's command line: where the engine is in it, and how to give it another seccomp profile, or
other capabilities.

Pure: lists of arguments in, lists out. The engine is the program itself, or what a well-known
wrapper starts (`sudo podman run ...`, `runuser -u USER -- podman run ...`). A word somewhere else
in a command line is no engine, whatever it says: what stands before an engine is executed again, to
ask it something.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, FrozenSet, Iterator, Mapping, Optional, Sequence, Tuple

# Options before the subcommand that take the next argument: podman(1), docker(1).
WITH_VALUE: Mapping[str, FrozenSet[str]] = {
    "podman": frozenset(
        "--cgroup-manager --conmon --connection -c --events-backend --hooks-dir --identity "
        "--imagestore --log-level --module --namespace --network-cmd-path --network-config-dir "
        "--out --root --runroot --runtime --runtime-flag --ssh --storage-driver --storage-opt "
        "--tmpdir --transient-store --url --volumepath".split()
    ),
    "docker": frozenset(
        "--config --context -c --host -H --log-level -l --tlscacert --tlscert --tlskey".split()
    ),
}

# Programs that execute the rest of their arguments: options that take the next argument, and how
# many arguments of their own come before the command. sudo(8), env(1), runuser(1), timeout(1), ...
WRAPPERS: Mapping[str, Tuple[FrozenSet[str], int]] = {
    "sudo": (frozenset("-C -D -g -h -p -R -r -T -t -U -u --user --group --host".split()), 0),
    "doas": (frozenset("-C -u".split()), 0),
    "env": (frozenset("-C -u --chdir --unset".split()), 0),
    "runuser": (frozenset("-u -g -G --user --group --supp-group".split()), 0),
    "setpriv": (frozenset("--reuid --regid --groups --inh-caps --bounding-set".split()), 0),
    "timeout": (frozenset("-k -s --kill-after --signal".split()), 1),
    "nice": (frozenset("-n --adjustment".split()), 0),
    "ionice": (frozenset("-c -n --class --classdata".split()), 0),
    "stdbuf": (frozenset("-i -o -e --input --output --error".split()), 0),
    "time": (frozenset("-f -o --format --output".split()), 0),
    "nohup": (frozenset(), 0),
    "setsid": (frozenset(), 0),
}

STARTS = ("run", "create")
SECURITY_OPTION = "--security-opt"
ADDING_OPTION = "--cap-add"
DROPPING_OPTION = "--cap-drop"
PRIVILEGED_OPTION = "--privileged"
NO_WORDS = frozenset({"0", "f", "F", "false", "False", "FALSE"})  # Go's strconv.ParseBool
REMOVAL_OPTION = "--rm"
FOREGROUND_OPTION = "--detach=false"
RESTART_OPTION = "--restart"

# Options of `run` and `create` that stand alone; all others take a value: podman-run(1) 4.3 and
# 5.4, docker-run(1) 20.10 and 28.
ALONE = frozenset(
    "--detach --disable-content-trust --env-host --help --http-proxy --init --interactive "
    "--no-healthcheck --no-hostname --no-hosts --oom-kill-disable --passwd --privileged "
    "--publish-all --quiet --read-only --read-only-tmpfs --replace --rm --rmi --rootfs --sig-proxy "
    "--tls-verify --tty --unsetenv-all --use-api-socket".split()
)
ALONE_LETTERS = frozenset("dhiPqt")


@dataclass(frozen=True)
class EngineCall:
    """
    An engine found in a command line.

    `client`: everything before the subcommand, by which the same engine can be asked. `verb`: the
    subcommand, without "container". `options`: the index of the first argument after the verb.
    """

    engine: str
    client: Tuple[str, ...]
    verb: str
    options: int


def find_engine(command: Sequence[str]) -> Optional[EngineCall]:
    """The engine that a command line calls, by itself or through wrappers; or None."""
    place = 0
    while place < len(command):
        name = os.path.basename(command[place])
        if name in WITH_VALUE:
            return _call(command, place, name)
        if name not in WRAPPERS:
            return None
        with_value, own = WRAPPERS[name]
        place = _next_word(command, place + 1, with_value) + own
        while place < len(command) and _is_assignment(command[place]):
            place += 1
    return None


def _is_assignment(word: str) -> bool:
    """Whether env(1) and sudo(8) take a word for a variable of the environment."""
    name, equals, _ = word.partition("=")
    return bool(equals) and "/" not in name


def _call(command: Sequence[str], place: int, engine: str) -> EngineCall:
    verb = _next_word(command, place + 1, WITH_VALUE[engine])
    client = tuple(command[:verb])
    if list(command[verb : verb + 1]) == ["container"]:
        verb += 1
    return EngineCall(engine, client, "".join(command[verb : verb + 1]), verb + 1)


def _next_word(command: Sequence[str], place: int, with_value: FrozenSet[str]) -> int:
    """The index of the first argument from `place` on that is neither an option nor its value."""
    while place < len(command) and command[place].startswith("-"):
        place += 2 if command[place] in with_value else 1
    return place


def with_profile(command: Sequence[str], call: EngineCall, profile: str) -> Tuple[str, ...]:
    """
    The same command with this file as the container's seccomp profile, in place of any other.

    `call.verb` must be one of STARTS. What comes after the image is the container's own.
    """
    return _with(command, call, (SECURITY_OPTION, f"seccomp={profile}"), _is_of_seccomp)


def with_capabilities(
    command: Sequence[str], call: EngineCall, names: Sequence[str]
) -> Tuple[str, ...]:
    """
    The same command with these capabilities for the container and no others, whatever it said of
    them; as `with_profile`. `names` are without CAP_.
    """
    options = (f"{DROPPING_OPTION}=all", *(f"{ADDING_OPTION}={name}" for name in names))
    return _with(command, call, options, _is_of_capabilities)


def is_privileged(command: Sequence[str], call: EngineCall) -> bool:
    """Whether the container gets everything, capabilities among it, whatever else is said."""
    said = [value for name, value in named_options(command, call) if name == PRIVILEGED_OPTION]
    return bool(said) and said[-1] not in NO_WORDS


def named_options(command: Sequence[str], call: EngineCall) -> Iterator[Tuple[str, str]]:
    """The options of a `run`: the name and the value of each, "" if it has none."""
    for words in _options(command[call.options : image_of(command, call)]):
        name, value = _said(words)
        if not name.startswith("--"):  # `-itv VALUE`, `-vVALUE`, `-v=VALUE`
            letters = words[0][1:].lstrip("".join(ALONE_LETTERS))
            name, joined = f"-{letters[:1]}", letters[1:]
            value = words[1] if len(words) > 1 else joined[joined.startswith("=") :]
        yield name, value


def image_of(command: Sequence[str], call: EngineCall) -> int:
    """The index of the image of a `run`, in the whole command."""
    return call.options + _image(command[call.options :])


def to_its_end(command: Sequence[str], call: EngineCall) -> Tuple[str, ...]:
    """
    The same `run`, which ends when its container does, and leaves none behind: whatever it says of
    --detach and --restart (which engines refuse beside --rm), and unless it says otherwise of --rm.
    """
    head, tail = command[: call.options], command[call.options :]
    image = _image(tail)
    last = image - 1 if image and tail[image - 1] == "--" else image
    restarts = any(name == RESTART_OPTION for name, _ in named_options(command, call))
    once = (f"{RESTART_OPTION}=no",) if restarts else ()
    return (*head, REMOVAL_OPTION, *tail[:last], FOREGROUND_OPTION, *once, *tail[last:])


def _image(words: Sequence[str]) -> int:
    """The index of the first argument that is neither an option nor an option's value."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        if words[place] == "--":
            return place + 1
        place += 2 if _takes_next(words[place]) else 1
    return min(place, len(words))


def _takes_next(word: str) -> bool:
    """Whether the next argument is the value of this option: `-v`, but not `-it` nor `-v/x:/x`."""
    if word.startswith("--"):
        return "=" not in word and word not in ALONE
    letters = word[1:].lstrip("".join(ALONE_LETTERS))
    return len(letters) == 1


def _with(
    command: Sequence[str],
    call: EngineCall,
    new: Sequence[str],
    is_old: Callable[[str, str], bool],
) -> Tuple[str, ...]:
    """The command with new options first, and without old ones, of that name and value."""
    head, tail = command[: call.options], command[call.options :]
    image = _image(tail)
    kept = [word for words in _options(tail[:image]) if not is_old(*_said(words)) for word in words]
    return (*head, *new, *kept, *tail[image:])


def _options(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Each option, with its value if that is a word of its own."""
    place = 0
    while place < len(words):
        width = 2 if _takes_next(words[place]) else 1
        yield words[place : place + width]
        place += width


def _said(words: Sequence[str]) -> Tuple[str, str]:
    """An option's name, and its value."""
    name, _, joined = words[0].partition("=")
    return name, words[1] if len(words) > 1 else joined


def _is_of_seccomp(name: str, value: str) -> bool:
    return name == SECURITY_OPTION and value.startswith(("seccomp=", "seccomp:"))


def _is_of_capabilities(name: str, value: str) -> bool:
    return name in (ADDING_OPTION, DROPPING_OPTION)
