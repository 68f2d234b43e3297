"""
How a hook is heard: one line to whoever started the container, and to the system's log.

runc shows a failed hook's standard error. crun (1.8, and still in 2026) gives its hooks /dev/null
for it and says only that one failed; what podman then shows is the one message in the runtime's log
(`--log FILE --log-format json`), or, if that is not exactly one, what the runtime wrote to its own
standard error. So with crun the line goes to both of them. podman runs the hooks after the end
itself and shows nothing of them: for those there is the system's log, and files beside the output.
"""

from __future__ import annotations

import json
import os
import stat
import syslog
from contextlib import suppress
from typing import List, Optional, Sequence

from tracer.text import printable

NAME = "seccomp-trace"
LINE_LIMIT = 1000
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def say(problem: object) -> None:
    """One harmless line, wherever somebody may read it; nothing is raised."""
    line = f"{NAME}: {printable(str(problem), LINE_LIMIT)}"
    with suppress(OSError):
        os.write(2, f"{line}\n".encode("utf-8", "backslashreplace"))
    if _is_unheard(2):
        _say_as_runtime(line, os.getppid())
    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_WARNING, line)


def _is_unheard(descriptor: int) -> bool:
    with suppress(OSError):
        status, null = os.fstat(descriptor), os.stat(os.devnull)
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == null.st_rdev
    return True


def _say_as_runtime(line: str, runtime: int) -> None:
    words = _words_of(runtime)
    log = value_of("--log", words)
    if log is None:
        return  # podman, after the end; or a runtime that was called by hand
    _append(f"/proc/{runtime}/fd/2", line)
    entry = json.dumps({"msg": line, "level": "error"})
    is_json = value_of("--log-format", words) == "json"
    _append(log, entry if is_json else line, os.O_NOFOLLOW)


def _append(path: str, line: str, flags: int = 0) -> None:
    with suppress(OSError):
        file = os.open(path, _APPEND | flags)
        try:
            os.write(file, f"{line}\n".encode("utf-8", "backslashreplace"))
        finally:
            os.close(file)


def _words_of(process: int) -> List[str]:
    with suppress(OSError):
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0")]
    return []


def value_of(option: str, words: Sequence[str]) -> Optional[str]:
    """What a command line says of an option, as `--option VALUE` or `--option=VALUE`."""
    for word, following in zip(words, [*words[1:], ""]):
        if word == option:
            return following or None
        if word.startswith(f"{option}="):
            return word[len(option) + 1 :] or None
    return None
