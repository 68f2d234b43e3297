"""
Tests of what the kernel side knows of PID namespaces: which recording each is, and until when.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.live.recorder import Place

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


def test_a_namespace_is_forgotten_with_its_last_thread(resident: Place):
    """
    What is known of a PID namespace ends with its first process, whichever thread of that is the
    last: its number may be given to another one.
    """
    python = [sys.executable, "-I", "-c", THREADS]
    ended = [subprocess.check_output(["unshare", "--pid", "--fork", *python]) for _ in range(5)]

    kept = json.loads(resident.python(NAMESPACES))

    assert not {int(number) for number in ended} & set(kept)
