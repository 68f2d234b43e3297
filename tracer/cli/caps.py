"""
`seccomp-trace caps`: what capabilities are called, who holds which, and who needs which.
"""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

import click

from tracer.capabilities import names
from tracer.capabilities.given import is_meant_as_mask, named_sets
from tracer.capabilities.required import Required, with_baseline
from tracer.capabilities.required import required as what_is_required
from tracer.cli import complain, holdings, options, recorded
from tracer.cli import required as writing
from tracer.cli import subject
from tracer.cli.printing import print_document, print_json, print_line
from tracer.cli.results import incomplete_lines
from tracer.container.first_process import Running
from tracer.container.process import last_capability, read_members, read_process
from tracer.errors import InputError
from tracer.recording import Recording
from tracer.text import printable


@click.group()
def caps() -> None:
    """Capabilities: decode masks, show what a container holds, and name what it needs."""


@caps.command()
@click.argument("words", nargs=-1, required=True, metavar="MASK|NAME...")
def decode(words: Tuple[str, ...]) -> int:
    """
    Hexadecimal masks to names, and names to a mask, as `capsh --decode` writes them.

    Names are taken with or without CAP_, in any case, with blanks or commas between them; `all` is
    every one. What has no name, or is not of the running kernel, is shown by its number, and taken
    as cap_41.
    """
    last = last_capability()
    masks = [names.mask_in(word) for word in words if _is_mask(word)]
    named = [name for word in words if not _is_mask(word) for name in word.split(",")]
    if named:
        masks.append(names.mask_of(named, last))
    for mask in masks:
        print_line(names.decoded(mask, last))
    return 0


def _is_mask(word: str) -> bool:
    return is_meant_as_mask(word) and "," not in word


@caps.command()
@click.option(
    "--pid", type=options.ProcessNumber(), metavar="PID", help="A process, with its threads."
)
@options.engine
@options.form
@click.argument("word", required=False, metavar="RECORDING|CONTAINER")
def show(pid: Optional[int], engine: Optional[str], form: str, word: Optional[str]) -> int:
    """
    Who in a container, or in a process, holds which capabilities, and what an execve would give.

    The five sets of the first process, and of every thread with other sets, ids or no_new_privs.

    Of a RECORDING: what each run's first program was given by its execve, or held when somebody
    attached. Not recorded is what it, and others, held later; of its file's capabilities, all but
    what they gave.

    A word with a slash, or of a file that is there, is a recording, and so is -; all else is the
    name or id of a running container, and whatever it is if --engine is given. With --pid that says
    whose defaults to compare with.
    """
    if (pid is None) == (word is None):
        raise click.UsageError("name a container or a recording, or a process with --pid")
    if word is not None and subject.is_recording(word, engine):
        _show_recorded(word, form)
        return 0
    running = subject.running(word, engine) if word is not None else None
    engine = running.engine if running else engine
    found = (
        read_members(running.named.process, running.named.id)
        if running
        else (read_process(pid or 0),)
    )
    from tracer.session.credentials import with_securebits

    found, why = with_securebits(found)
    held = holdings.holdings(found)
    last = last_capability()
    if form == "json":
        whole = {"container": _document(running), "engine": engine}
        print_json({**whole, "held": holdings.document(held, engine, last)})
        return 0
    for line in (*_head(running), *holdings.lines(held, engine, last, why)):
        print_line(line)
    return 0


def _show_recorded(path: str, form: str) -> None:
    whole = subject.read([path])
    if not any(run.capabilities for run in whole.runs.values()):
        raise subject.unrecorded(whole)
    if form == "json":
        print_json({"recording": path, "runs": recorded.document(whole)})
        return
    for line in recorded.lines(whole):
        print_line(line)


def _head(running: Optional[Running]) -> Iterator[str]:
    if running:
        named = running.named
        image = f", image {printable(named.image)}" if named.image else ""
        what = f"{running.engine} container {printable(named.id[:12])}"
        yield f"{printable(named.name)}: {what}{image}"


def _document(running: Optional[Running]) -> Optional[object]:
    if running is None:
        return None
    named = running.named
    return {"id": named.id, "name": named.name, "image": named.image, "process": named.process}


@caps.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", *writing.FORMATS]),
    default="text",
    show_default=True,
    help="kubernetes: a securityContext; oci: process.capabilities of a config.json.",
)
@click.option(
    "--baseline",
    multiple=True,
    metavar=options.CAPABILITY_SETS,
    help="What is among them whatever was seen.",
)
@options.engine
@click.option(
    "--duration", type=options.Seconds(), metavar="S", help="Record a container for S s from now."
)
@click.argument("words", nargs=-1, required=True, metavar="RECORDING...|CONTAINER")
def required(
    form: str,
    baseline: Tuple[str, ...],
    engine: Optional[str],
    duration: Optional[float],
    words: Tuple[str, ...],
) -> int:
    """
    Which capabilities the programs of RECORDING..., or of CONTAINER, need, and who asked for them.

    Needed is what the kernel was asked for and granted, and what the file of a first program that
    is not root insists on, or it would not be executed; refused is what was asked for in vain,
    unless another capability served in the same call; unused is what the containers might have had
    and never asked for. Out of reach is what a container with a user namespace of its own asked of
    the host's: no option gives that. Inside is what was granted in a user namespace that the
    container made itself. Confirmed and not missed are what run --confirm-caps found, which
    decides. Checks of the runtime, and those that the kernel makes without meaning them, do not
    count.

    A word with a slash, or of a file that is there, is a recording, and so is -; all else is the
    name or id of a container, and whatever it is if --engine is given. A container that the
    recorder holds from its start is answered for at once; another one is recorded from now on,
    until it ends, Ctrl-C, or --duration.
    """
    wanted = named_sets(baseline)
    whole = _recording(words, engine, duration)
    for line in incomplete_lines(whole):
        complain(f"not complete: {line}")
    found = what_is_required(whole)
    if len(found.unknown) == len(whole.runs):
        raise subject.unrecorded(whole)
    found = with_baseline(found, wanted)
    for line in _doubts(found, len(whole.runs)):
        complain(line)
    if form != "text":
        print_document(writing.FORMATS[form](found) + "\n")
        return 0
    for line in writing.lines(found):
        print_line(line)
    return 0


def _recording(
    words: Tuple[str, ...], engine: Optional[str], duration: Optional[float]
) -> Recording:
    """What the words on the command line are about. Raises InputError."""
    containers = [word for word in words if not subject.is_recording(word, engine)]
    if containers and len(words) > 1:
        raise InputError(
            f"{containers[0]!r} is no file: name recordings, or one container",
            "./NAME is a file, --engine names a container's",
        )
    if containers:
        return subject.recording_of(words[0], engine, duration)
    if duration is not None:
        raise click.UsageError("--duration is for a container, and a recording was named")
    return subject.read(words)


def _doubts(found: Required, runs: int) -> Iterator[str]:
    yield from (f"not complete: {line}" for line in writing.incomplete_lines(found, runs))
    nameless = [one.capability for one in found.needed if one.capability not in names.NAMES]
    if nameless:
        yield f"no engine takes a number, so that {', '.join(nameless)} is not among the flags"
    if found.needed and found.ambient:
        yield (
            "the first program was not root: under podman --cap-add gives it ambient capabilities, "
            "which work; under docker it only allows what file capabilities (setcap), or a start "
            "as root, then give"
        )
