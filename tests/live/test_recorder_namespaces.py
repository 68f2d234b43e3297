"""
Tests of what the kernel side knows of PID namespaces: which recording each is, and until when.
"""

from __future__ import annotations

import contextlib
import json
import pwd
import subprocess
import sys
from pathlib import Path

from tests.live.command import PROGRAM
from tests.live.recorded import PROFILE
from tests.live.recorder import OWN_BPFFS, OWN_LOCK, Place, place_with, program

# Its first thread ends before the others, and so not as the namespace's last one.
THREADS = """
import os, threading
for _ in range(8):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print(os.stat("/proc/thread-self/ns/pid_for_children").st_ino, flush=True)
os._exit(0)
"""
NAMESPACES = """
import json
from tracer.kernel import bpf, pinned, recorder, wire
loaded = pinned.opened()
known = dict(bpf.items(loaded.maps["namespaces"], 512))
found = {int.from_bytes(key, "little"): wire.ID.unpack(value)[0] for key, value in known.items()}
with recorder.Recorder(loaded) as here:
    over = {number for number, head in here.heads().items() if head.alive <= 0 and head.last_exit}
print(json.dumps([number for number, recording in found.items() if recording in over]))
"""
NOTED = """
import json
from tracer.kernel import bpf, divided_maps, pinned, wire
maps = pinned.opened().maps
heads = {wire.ID.unpack(key)[0]: wire.head(value) for key, value in bpf.items(maps["recordings"])}
kept = [{wire.ID.unpack(key)[0] for key, _ in bpf.items(part)} for part in
        divided_maps.parts(maps, "holders")]
print(json.dumps([[heads[one].user for one in part if one in heads] for part in kept]))
"""

CLAIM = """
import sys
from tracer.errors import HostError
from tracer.hook import claiming
try:
    claiming.claim("0" * 64, int(sys.argv[1]))
except HostError as error:
    print(error)
"""
# What is compiled for little room is not kept for others.
OWN_CACHE = "mkdir -p /var/cache && mount -t tmpfs -o mode=0755 none /var/cache"
APART = ("unshare", "--pid", "--fork")
IN_ITS_OWN_ROOT = ("--root=/usr", "/bin/true")  # opens the window where there is no filter
ROOM = 16
MANY = 128


def test_a_namespace_is_forgotten_with_its_last_thread(resident: Place):
    """
    What is known of a PID namespace ends with its first process, whichever thread of that is the
    last: its number may be given to another one.
    """
    python = [sys.executable, "-I", "-c", THREADS]
    ended = [subprocess.check_output(["unshare", "--pid", "--fork", *python]) for _ in range(5)]

    kept = json.loads(resident.python(NAMESPACES))

    assert not {int(number) for number in ended} & set(kept)


def test_a_recorder_that_users_have_filled_is_left_alone(tmp_path: Path):
    """
    Where nothing can give way, since too many namespaces are alive, `run` and `attach` say so and
    record without it; the hook refuses in one line.
    """
    with (
        place_with([OWN_BPFFS, OWN_LOCK, OWN_CACHE], tmp_path) as place,
        contextlib.ExitStack() as many,
    ):
        place.start(MAX_RECORDINGS=ROOM)
        for _ in range(ROOM):
            unshared = ["unshare", "--pid", "--fork", "sh", "-c", "echo; exec cat"]
            one = subprocess.Popen(unshared, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            many.enter_context(one)
            assert one.stdout and one.stdout.readline() == b"\n"

        run = place.seccomp_trace("run", "-o", PROFILE, "--", "true")
        pid = ("--pid", str(one.pid), "--since-now", "--duration", "0.1")
        attach = place.seccomp_trace("attach", *pid, "-o", PROFILE)
        hook = place.entering(*program(CLAIM, str(one.pid)))
        claim = subprocess.run(hook, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert "no call was made" in attach.stderr  # of a process that waits: it was recorded, though
    for done in (run, attach):
        assert done.stderr.count("no room left") == done.stderr.count("recording without it") == 1
    assert claim.stdout.startswith("the recorder has no room left"), claim.stdout + claim.stderr


def test_who_numbers_processes_otherwise_lets_nothing_go(resident: Place):
    """
    From within another PID namespace a `run` looks as if it were dead: it is left alone.
    """
    waiting = ("sh", "-c", "echo ready; read line")
    run = resident.seccomp_trace.start("run", "-o", PROFILE, "--", *waiting)
    assert run.stdout and run.stdout.readline() == "ready\n"

    apart = ["unshare", "--pid", "--fork", "--mount-proc", str(PROGRAM), "recorder", "ps"]
    done = subprocess.run(resident.entering(*apart), capture_output=True, text=True)
    _, said = run.communicate("go on\n", timeout=60)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "another PID namespace" in done.stderr
    assert run.returncode == 0, said


def test_users_do_not_push_out_what_is_roots(tmp_path: Path):
    """
    Whoever makes PID namespaces without end has a quarter of the room, and within that the oldest
    of theirs give way; root's recordings stay, and go on beginning. What is noted of theirs besides
    is not where root's is.
    """
    with place_with([OWN_BPFFS, OWN_LOCK, OWN_CACHE], tmp_path) as place:
        place.start(MAX_RECORDINGS=4 * MANY)
        for _ in range(ROOM):
            subprocess.run([*APART, *IN_ITS_OWN_ROOT], check=True)
        before = roots(place)

        own = " ".join([*APART, "--user", "--map-root-user", *IN_ITS_OWN_ROOT])
        loop = f"for one in $(seq {3 * MANY}); do {own}; done"
        subprocess.run(["runuser", "-u", "nobody", "--", "sh", "-c", loop], check=True)
        subprocess.run([*APART, "true"], check=True)
        heads = place.heads()
        roots_own, of_others = json.loads(place.python(NOTED))

    others = [head for head in heads if head["user"]]
    after = {head["born"] for head in heads if not head["user"]}
    assert MANY // 2 < len(others) <= MANY
    assert before < after
    assert max(head["born"] for head in others) > max(before)  # the newest are the ones kept
    assert len(roots_own) >= ROOM and set(roots_own) == {0}
    assert pwd.getpwnam("nobody").pw_uid in of_others and 0 not in of_others


def roots(place: Place) -> set[int]:
    """When each recording that root made begin was born."""
    return {head["born"] for head in place.heads() if not head["user"]}
