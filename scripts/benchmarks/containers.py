"""
What recording costs a container: the time that it adds to `podman run`, processes and memory.

The hook with the recorder there already, and with none yet; beside them, in the same rounds,
oci-seccomp-bpf-hook and `strace -f`. Everything is the benchmark's own: podman's images and
containers, and a mount namespace where the hooks and the recorder are. (A recorder that stays
records every container of the host: nobody else's is looked at.) Needs what the tests need.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.live.engines import Engine, image_loader  # noqa: E402
from tests.live.images import BUSYBOX, busybox_archive  # noqa: E402
from tests.live.podman import entering_namespace, mount_namespace, podman_with  # noqa: E402
from tests.live.recorder import OWN_BPFFS, OWN_LOCK  # noqa: E402
from tracer.kernel import bpf  # noqa: E402
from tracer.kernel.recorder import Recorder, own  # noqa: E402

import peer  # noqa: E402
from rounds import Settings, interleaved, milliseconds, print_table  # noqa: E402

TOOL = str(Path(sys.executable).parent / "seccomp-trace")
CACHE = "/var/cache/seccomp-trace"
ANNOTATION = "io.containers.trace-syscall=of:"
WRITTEN_WITHIN = 30


@dataclass(frozen=True)
class Place:
    """Where containers are run: podman, in the mount namespace of the process `holder`."""

    engine: Engine
    image: str
    holder: int
    directory: Path

    def entering(self, *command: str) -> List[str]:
        """The command line that runs something there."""
        return [*entering_namespace(self.holder), *command]

    def do(self, *command: str) -> None:
        """Run something there that is not measured."""
        subprocess.run(self.entering(*command), stdout=subprocess.DEVNULL, check=True)

    def podman(self, hooks: str, *words: str) -> List[str]:
        """The command line of podman with a directory of hooks."""
        return ["podman", "--hooks-dir", str(self.directory / hooks), *words]

    def run(self, hooks: str, *, options: Sequence[str] = (), under: Sequence[str] = ()) -> float:
        """How many milliseconds a container takes that does next to nothing."""
        podman = self.podman(hooks, "run", "--rm", *options, self.image, "true")
        return milliseconds(self.entering(*under, *podman), self.engine.environment)


def main() -> None:
    """Measure, print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="one round, to try it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place = stack.enter_context(_place(Path(name)))
        (place.directory / "peer").mkdir()
        found = peer.unpacked(place.directory / "peer")
        settings = own_settings(place)
        late: List[float] = []
        if found is not None:
            peer.install(found, place.directory / "peer-hooks")
            settings[peer.PACKAGE] = partial(run_with_peer, place, late)
        settings["strace -f"] = partial(place.run, "none", under=STRACE)
        samples = interleaved(1 if arguments.quick else arguments.rounds, settings)
        print_table("podman run --rm IMAGE true, ms", samples, "nothing", "nothing")
        if late:
            print(f"  {peer.PACKAGE} wrote its profile {statistics.median(late):.0f} ms later\n")
        print_processes(place, found is not None)
        print_memory(place)


STRACE = ("strace", "-f", "-o", "/dev/null")


@contextmanager
def _place(directory: Path) -> Iterator[Place]:
    preparations = f"{OWN_LOCK} && {OWN_BPFFS} && {{ {peer.TRACEFS}; }} && mkdir -p {CACHE}"
    with (
        podman_with("runc", directory / "podman") as engine,
        mount_namespace(preparations, engine.entering) as holder,
    ):
        image = image_loader(busybox_archive(directory), BUSYBOX)(engine)
        place = Place(engine, image, holder, directory)
        for hooks in ("none", "hooks", "peer-hooks"):
            (directory / hooks).mkdir()
        place.do("sh", "-c", f"{TOOL} hook install --hooks-dir {directory}/hooks 2>&1")
        yield place


def own_settings(place: Place) -> Settings:
    """Without anything, and with our hook; the recorder is stopped again after each run."""
    return {
        "nothing": partial(place.run, "none"),
        "hook, recorder resident": partial(run_with_hook, place, resident=True),
        "hook, cold": partial(run_with_hook, place, resident=False),
        "hook, cold, compiling": partial(run_compiling, place),
    }


def run_with_hook(place: Place, *, resident: bool) -> float:
    """Recorded by our hook; the profile must be there when podman returns."""
    if resident:
        place.do(TOOL, "recorder", "start")
    output = place.directory / "profile.json"
    try:
        spent = place.run("hooks", options=["--annotation", f"{ANNOTATION}{output}"])
        assert output.exists(), "the hook has written no profile"
        output.unlink()
        return spent
    finally:
        place.do("sh", "-c", f"{TOOL} recorder stop 2>&1")


def run_compiling(place: Place) -> float:
    """The same where no recorder has been started since the kernel was updated."""
    place.do("mount", "-t", "tmpfs", "-o", "mode=0755", "none", CACHE)
    try:
        return run_with_hook(place, resident=False)
    finally:
        place.do("umount", CACHE)


def run_with_peer(place: Place, late: List[float]) -> float:
    """Recorded by the peer; `late` gets how long after podman's end there is a profile."""
    output = place.directory / "peer.json"
    spent = place.run("peer-hooks", options=["--annotation", f"{ANNOTATION}{output}"])
    ended = time.monotonic()
    while not output.exists() or not output.stat().st_size:
        assert time.monotonic() < ended + WRITTEN_WITHIN, "it has written no profile"
        time.sleep(0.002)
    late.append((time.monotonic() - ended) * 1e3)
    while processes(place, peer.PACKAGE):
        time.sleep(0.01)
    output.unlink()
    return spent


def print_processes(place: Place, with_peer: bool) -> None:
    """What runs, and how much memory is its own, while one container is being recorded."""
    place.do(TOOL, "recorder", "start")
    own_options = ["--annotation", f"{ANNOTATION}{place.directory}/own.json"]
    peer_options = ["--annotation", f"{ANNOTATION}{place.directory}/peer.json"]
    found = {"seccomp-trace": seen(place, "hooks", own_options, "tracer")}
    if with_peer:
        found[peer.PACKAGE] = seen(place, "peer-hooks", peer_options, peer.PACKAGE)
    found["strace -f"] = seen(place, "none", [], "strace", under=STRACE)
    place.do("sh", "-c", f"{TOOL} recorder stop 2>&1")
    for name, sizes in found.items():
        print(f"  {name}: {len(sizes)} processes, {sum(sizes) / 1024:.1f} MiB for a container")


def seen(
    place: Place, hooks: str, options: Sequence[str], name: str, under: Sequence[str] = ()
) -> List[int]:
    """The proportional sizes, KiB, of what records a container while that waits."""
    detached = ["run", "--detach", "--name", "waits", *options, place.image, "sleep", "1000"]
    command = place.entering(*under, *place.podman(hooks, *detached))
    starter = subprocess.Popen(
        command, env=place.engine.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert starter.stdout
    starter.stdout.readline()  # its id: the container runs
    sizes = [size_of(one) for one in processes(place, name)]
    subprocess.run(
        place.entering(*place.podman(hooks, "rm", "--force", "--time", "0", "waits")),
        env=place.engine.environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    starter.wait()
    return sizes


def processes(place: Place, name: str) -> List[int]:
    """The processes in the place's mount namespace that have a name in their command line."""
    namespace = os.readlink(f"/proc/{place.holder}/ns/mnt")
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/mnt") == namespace:
                words = Path(f"/proc/{entry}/cmdline").read_text().split("\0")
                if any(name in word for word in words[:4]):
                    found.append(int(entry))
        except OSError:
            continue  # it has ended
    return found


def size_of(process: int) -> int:
    """A process's memory in KiB, shared pages divided among those who share them."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def print_memory(place: Place) -> None:
    """What the kernel keeps, in all and for one container."""
    with own() as recorder:
        command = place.podman("none", "run", "--rm", place.image, "true")
        before = set(recorder.heads())
        subprocess.run(place.entering(*command), env=place.engine.environment, check=True)
        heads = {number: one for number, one in recorder.heads().items() if number not in before}
        head = max(heads.values(), key=lambda one: one.observations)
        each = entry_sizes(recorder)
        counts = (("recordings", 1), ("observations", head.observations))
        taken = sum(
            each[name] * count for name, count in (*counts, ("executables", head.executables))
        )
        print(
            f"  kernel memory: {recorder.memory() / 2**20:.0f} MiB for the recorder by itself, of "
            f"which this container took {taken / 1024:.1f} KiB ({head.observations} calls of "
            f"programs); {each['threads']:.0f} bytes for each thread on the host"
        )


def entry_sizes(recorder: Recorder) -> Dict[str, float]:
    """What an entry of each map takes; a thread's storage without what the kernel adds to it."""
    maps = recorder.loaded.maps
    sizes = {}
    for name, descriptor in maps.items():
        shape = bpf.map_shape(descriptor)
        sizes[name] = bpf.memory(descriptor) / shape.entries if shape.entries else shape.value
    return sizes


if __name__ == "__main__":
    main()
