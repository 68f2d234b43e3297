"""
Every command that reads profiles and recordings, over files and under names that are hostile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.printed import documents, hostile
from tests.printed.running import DOCUMENTS, printed_by
from tracer.profile.convert import TARGETS

PATTERNS = (
    "lint PROFILE",
    "lint PROFILE OTHER --format json",
    "lint PROFILE --format sarif",
    "lint PROFILE --recording RECORDING",
    "diff PROFILE OTHER",
    "diff --format json PROFILE OTHER",
    "diff OTHER PROFILE",
    "merge PROFILE OTHER",
    "check PROFILE RECORDING",
    "check PROFILE RECORDING --caps required",
    "check PROFILE RECORDING --engine containerd",
    "lint PROFILE --base OTHER",
    "lint PROFILE --libseccomp TEXT --runtime-floor TEXT",
    "check PROFILE RECORDING --libseccomp 2.5.4",
    "verify PROFILE --runtime-floor TEXT -- podman run image",
    "generate RECORDING",
    "generate RECORDING LATER -o NEW --baseline PROFILE --without-failed",
    "floor list",
    "caps show RECORDING",
    "caps show RECORDING --format json",
    "caps required RECORDING",
    "caps required RECORDING LATER --format json",
    "caps required RECORDING --format kubernetes",
    *(f"convert PROFILE --to {target}" for target in TARGETS),
    *(f"convert PROFILE --lossy --to {target}" for target in TARGETS),
    # What is wrong with a command line quotes it.
    *(f"{words} TEXT" for words in ("caps decode", "caps required", "caps show", "merge", "lint")),
    *("TEXT", "lint --TEXT", "diff PROFILE OTHER TEXT", "lint PROFILE --format TEXT"),
    *("check PROFILE RECORDING --caps TEXT", "check PROFILE RECORDING --runtime-floor TEXT"),
    *("lint PROFILE --libseccomp TEXT", "convert PROFILE --to TEXT", "attach --pid TEXT"),
    *("generate RECORDING --runtime-floor TEXT", "check PROFILE RECORDING --cap-add TEXT"),
    *("merge PROFILE OTHER -o TEXT/x", "convert PROFILE --to oci --kernel TEXT"),
    *("attach --duration TEXT web", "verify PROFILE TEXT", "verify --drive TEXT PROFILE x"),
    *("refine PROFILE -o NEW --deny TEXT -- podman run x", "recorder TEXT", "caps TEXT"),
    *("floor forget TEXT", "floor measure TEXT/x", "check PROFILE RECORDING --engine TEXT"),
)


def failures(count: int, seed: int, directory: Path) -> Iterator[str]:
    """Run so many commands and give a description of each whose output would do harm."""
    random = Random(seed)
    profiles, recordings = documents.profiles_given(), documents.recordings_given()
    for number in range(count):
        place = directory / str(number % 50)
        place.mkdir(exist_ok=True)
        words = PATTERNS[number % len(PATTERNS)].split()
        arguments = [_argument(random, word, place, profiles, recordings) for word in words]
        problem = printed_by(arguments.copy).problem(document=words[0] in DOCUMENTS)
        if problem:
            yield f"number {number} of seed {seed}: {arguments}: {problem}"


def _argument(
    random: Random, word: str, place: Path, profiles: "list[str]", recordings: "list[str]"
) -> str:
    if "TEXT" in word:
        return word.replace("TEXT", hostile.text(random).replace("\0", ""))
    if word == "NEW":
        return str(_path(random, place, word))
    if not word.isupper():
        return word
    given = recordings if word in ("RECORDING", "LATER") else profiles
    path = _path(random, place, word)
    path.write_bytes(hostile.spoiled(random, random.choice((given[0], random.choice(given)))))
    return str(path)


# Each place is used again, so that a million runs leave no million files.
def _path(random: Random, place: Path, word: str) -> Path:
    name = hostile.text(random).replace("/", "").encode("utf-8", "surrogateescape")[:150]
    path = place / (word + os.fsdecode(name) if random.random() < 0.5 else word)
    for old in place.glob(f"{word}*"):
        old.unlink()
    return path
