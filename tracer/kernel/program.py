"""
From `bpf/recorder.c` to programs that run in the kernel: bcc compiles, bpf(2) loads and attaches.

The one door to bcc. It is imported inside a function, so that everything which needs no kernel
works, and starts fast, without it. bcc raises bare exceptions and prints its compiler's
diagnostics on file descriptor 2: both are caught here and become a HostError.

Loading is our own (`bpf`): bcc 0.26 has no BTF raw tracepoints, whose arguments the verifier
knows, so that a member of the forked child is one load and it can own task storage at its birth.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Tuple

from tracer.errors import HostError
from tracer.kernel import bpf, btf, image, layout, perf, preemption
from tracer.kernel.diagnostics import kept_output
from tracer.kernel.sources import bpf_directory

CAPACITY: Mapping[str, int] = MappingProxyType(
    {
        "MAX_RECORDINGS": 4096,
        "MAX_OBSERVATIONS": 262144,
        "MAX_OBSERVATIONS_EACH": 16384,
        "MAX_EXECUTABLES": 16384,
        "MAX_EXECUTABLES_EACH": 1024,
    }
)


@dataclass(frozen=True)
class Source:
    """
    A C file of `bpf/`: its programs, each with the raw tracepoint that it belongs to, and its maps.

    The programs are attached in this order. Those that are among `returns` belong to where that
    function returns instead, those among `entries` to where it begins (a kprobe); `iterators` run
    when their link is read, for each object of that name; `optional` ones are left out where the
    kernel has no such tracepoint.
    """

    file: str
    programs: Mapping[str, str]
    maps: Tuple[str, ...]
    returns: FrozenSet[str] = frozenset()
    entries: FrozenSet[str] = frozenset()
    iterators: FrozenSet[str] = frozenset()
    optional: FrozenSet[str] = frozenset()


# In this order, so that no task can be adopted before it can be let go.
RECORDER = Source(
    "recorder.c",
    MappingProxyType(
        {
            "on_exit": "sched_process_exit",
            "on_exec": "sched_process_exec",
            "on_sys_enter": "sys_enter",
            "on_vsyscall": "emulate_vsyscall",
            "on_cgroup_attach": "cgroup_attach_task",
            "on_fork": "sched_process_fork",
        }
    ),
    (
        "threads",
        "strays",
        "recordings",
        "observations",
        "executables",
        "namespaces",
        "containers",
        "launches",
        "executed",
        "others_launches",
        "requests",
        "claims",
        "others",
        "state",
        "switches",
        "familiars",
        "oldest_recordings",
        "oldest_observations",
        "oldest_executables",
        "blank_recording",
        "blank_executable",
        "blank_launch",
        "blank_executed",
        "blank_request",
        "blank_thread",
        "blank_name",
    ),
    optional=frozenset({"on_vsyscall"}),
)

# What a recorder that stays has pinned.
STAYING = (RECORDER.file, "capabilities.c", "denials.c")

# Variables of the environment that change what bcc compiles, and for what.
BCC_VARIABLES = ("ARCH", "BCC_KERNEL_SOURCE", "BCC_KERNEL_MODULES_SUFFIX", "BCC_LINUX_VERSION_CODE")


@dataclass(frozen=True)
class Loaded:
    """
    Descriptors of what is in the kernel, by name. Closing them, or dying, takes it all out again.
    """

    maps: Dict[str, int]
    programs: Dict[str, int]
    links: Dict[str, int]

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Detach the programs, then let go of the maps."""
        for group in (self.links, self.programs, self.maps):
            for descriptor in group.values():
                os.close(descriptor)


def load(
    capacity: Mapping[str, int] = CAPACITY,
    source: Source = RECORDER,
    shared: Mapping[str, int] = MappingProxyType({}),
) -> Loaded:
    """
    Load and attach the recorder, or another source; compile it if this host has not done so yet.

    Of the maps that are `shared`, by name, nothing is made: they are somebody else's.

    Raises HostError: no privilege, no BTF, no bcc, or a kernel that refuses the programs.
    """
    types = btf.read()
    if preemption.is_classic():
        bpf.hold_processor()
    compiled = _image(source, {**constants(types), **capacity})
    loaded = Loaded({}, {}, {})
    try:
        targets = {name: _target(types, source, name) for name in present(types, source)}
        _fill(loaded, source, compiled, targets, shared)
    except OSError as error:
        loaded.close()
        raise _refused(error) from error
    except BaseException:
        loaded.close()
        raise
    return loaded


def present(types: btf.TypeInformation, source: Source) -> List[str]:
    """Return the programs that this kernel has a place for, or has to have."""
    return [
        name
        for name, place in source.programs.items()
        if name not in source.optional or layout.has_tracepoint(types, place)
    ]


def constants(types: btf.TypeInformation) -> Dict[str, int]:
    """What every source is compiled with here. Raises HostError, as `layout.constants` does."""
    found = layout.constants(types)
    if preemption.is_classic():
        members = dict(preemption.MEMBERS)
        if layout.has_tracepoint(types, "emulate_vsyscall"):
            members.update(preemption.VSYSCALL_MEMBERS)
        found.update(CLASSIC=1, **layout.offsets(types, members))
    return found


def _target(types: btf.TypeInformation, source: Source, program: str) -> Tuple[int, int]:
    """
    What a program attaches to, and how: a type, or with PERF_EVENT the number of a trace event.

    Raises HostError, and OSError where there is no such event.
    """
    name = source.programs[program]
    if program in source.returns:
        return layout.function_type(types, name), bpf.TRACE_FEXIT
    if program in source.entries:
        return 0, bpf.KPROBE
    if program in source.iterators:
        return layout.function_type(types, f"bpf_iter_{name}"), bpf.TRACE_ITER
    return preemption.place_of(types, name)


def united(*parts: Loaded) -> Loaded:
    """All that was loaded, as one: no two have anything of the same name."""
    whole = Loaded({}, {}, {})
    for part in parts:
        for into, group in zip((whole.maps, whole.programs, whole.links), astuple(part)):
            assert not into.keys() & group.keys()
            into.update(group)
    return whole


def identity() -> str:
    """
    What tells the sources of what stays in the kernel, and so its maps' layout, from any other's.
    """
    files = [file for source in STAYING for file in _files(Source(source, {}, ()))]
    return image.key_of(list(dict.fromkeys(files)), {})


def _files(source: Source) -> List[Path]:
    """A source with what it includes; other sources' headers make no other one of it."""
    directory = bpf_directory()
    found = list((directory / "include").rglob("*.h"))
    waiting = [source.file]
    while waiting:
        file = directory / waiting.pop()
        if file not in found:
            found.append(file)
            waiting += re.findall(r'^#include "(.*)"', file.read_text(), re.MULTILINE)
    return found


def _image(source: Source, constants: Mapping[str, int]) -> image.Image:
    """A compiled source, as kept or made anew."""
    name = f"{source.file.split('.')[0]}-{image.key_of(_files(source), constants)}"
    found = image.kept(name)
    if found is None:
        found = compiled(source, [f"-D{name}={value}" for name, value in constants.items()])
        image.keep(name, found)
    return found


def _fill(
    loaded: Loaded,
    source: Source,
    compiled: image.Image,
    targets: Mapping[str, Tuple[int, int]],
    shared: Mapping[str, int],
) -> None:
    for name, shape in compiled.maps.items():
        if name not in shared:
            loaded.maps[name] = bpf.create_map(name, *_numbers(shape))
    for name, target in targets.items():
        code = compiled.programs[name].linked({**loaded.maps, **shared})
        loaded.programs[name] = _program(name, code, *target)
    for name, target in targets.items():
        loaded.links[name] = perf.attached(loaded.programs[name], target, source.programs[name])


def _numbers(shape: image.Shape) -> Tuple[int, int, int, int, int]:
    return shape.kind, shape.key, shape.value, shape.entries, shape.flags


def _refused(error: OSError) -> HostError:
    if error.errno in (errno.EPERM, errno.EACCES):
        return unprivileged()
    return HostError(f"the kernel refuses the recorder: {error.strerror}", "run doctor")


def _program(name: str, instructions: bytes, target: int, kind: int) -> int:
    try:
        return bpf.load_tracing(name, instructions, target, kind)
    except bpf.VerifierError as error:
        if error.errno == errno.EPERM and not error.log:
            raise unprivileged() from error
        tail = error.log.strip().splitlines()[-3:]
        raise HostError(
            f"the kernel refuses the recorder's program {name}: {error.strerror}: "
            + " / ".join(tail),
            "please report this with the kernel's version",
        ) from error


def unprivileged() -> HostError:
    """What to say when bpf(2) answers EPERM."""
    return HostError(
        "the kernel does not let this process load BPF programs",
        "run as root with CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), outside of a container, and "
        "without kernel lockdown in confidentiality mode",
    )


def compiled(source: Source, flags: List[str]) -> image.Image:
    """
    A source compiled by bcc.

    Raises HostError with what the compiler said.
    """
    module = _module(source.file, flags)
    names = {_bcc().lib.bpf_table_fd(module.module, name.encode()): name for name in source.maps}
    maps = {name: image.Shape(*bpf.map_creation(descriptor)) for descriptor, name in names.items()}
    programs = {
        name: image.unlinked(module.dump_func(name.encode()), names) for name in source.programs
    }
    return image.Image(maps, programs)


def _module(source: str, flags: List[str]) -> Any:
    bcc = _bcc()
    directory = bpf_directory()
    text = _whole(directory, source).encode()
    with _surroundings(str(directory / "include")), kept_output() as diagnostics:
        try:
            return bcc.BPF(text=text, cflags=[f"-I{directory}", *flags])
        except Exception as error:  # bcc raises nothing narrower
            said = diagnostics()
            if "Operation not permitted" in said or os.geteuid() != 0:
                raise unprivileged() from error
            lines = [line for line in said.splitlines() if "error" in line.lower()] or [str(error)]
            raise HostError(
                f"bcc {getattr(bcc, '__version__', '')} cannot compile {source}: {lines[0]}",
                "please report this with the version of bcc",
            ) from error


def _whole(directory: Path, source: str) -> str:
    """A source with the parts (*.c) that it includes in place: bcc rewrites but one text."""
    text = (directory / source).read_text()
    parts = re.split(r'^#include "(\w+\.c)"$', text, flags=re.MULTILINE)
    parts[1::2] = [_whole(directory, part) for part in parts[1::2]]
    return "".join(parts)


def _bcc() -> Any:
    """
    The BPF compiler collection's module.

    Raises HostError if it is missing, broken, or the unrelated package of that name from PyPI.
    """
    hint = "install python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora, RHEL)"
    stranger = _stranger()
    if stranger:
        raise HostError(
            f"{stranger} is not the BPF compiler collection but the unrelated package bcc of PyPI",
            f"pip uninstall bcc, and {hint}",
        )
    try:
        import bcc
    except Exception as error:  # bcc itself raises whatever its library's absence leads to
        raise HostError(f"the Python module bcc cannot be imported ({error})", hint) from error
    return bcc


def _stranger() -> str:
    """
    Where somebody else's module of that name lies; empty if it is the right one, or there is none.

    Known without importing it, which may do anything and seldom works.
    """
    found = importlib.util.find_spec("bcc")
    places = list(found.submodule_search_locations or ()) if found else []
    if found is None or any(os.path.exists(os.path.join(one, "libbcc.py")) for one in places):
        return ""
    return found.origin or ", ".join(places)


@contextmanager
def _surroundings(kernel_source: str) -> Iterator[None]:
    """
    bcc looks for kernel headers where BCC_KERNEL_SOURCE says, and changes directory meanwhile.
    """
    before = {name: os.environ.pop(name) for name in BCC_VARIABLES if name in os.environ}
    os.environ["BCC_KERNEL_SOURCE"] = kernel_source
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)
        del os.environ["BCC_KERNEL_SOURCE"]
        os.environ.update(before)


def version() -> Tuple[str, str]:
    """bcc's version and where it lies. Raises HostError as loading would."""
    bcc = _bcc()
    return str(getattr(bcc, "__version__", "unknown")), str(bcc.__file__)
