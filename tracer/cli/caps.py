"""
`seccomp-trace caps`: what capabilities are called, who holds which, and who needs which.
"""

from __future__ import annotations

import json
from typing import Iterator, Optional, Tuple

import click

from tracer.capabilities import names
from tracer.capabilities.required import Required
from tracer.capabilities.required import required as what_is_required
from tracer.cli import complain, holdings
from tracer.cli import required as writing
from tracer.cli.given import refuse_twice
from tracer.cli.results import incomplete_lines, read_recordings
from tracer.container.engines import registry
from tracer.container.first_process import Running, find_running
from tracer.container.process import last_capability, read_members, read_process
from tracer.errors import InputError
from tracer.recording import merge
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
    every one. What has no name, or is not of the running kernel, is a number: cap_41.
    """
    last = last_capability()
    masks = [names.mask_in(word) for word in words if _is_mask(word)]
    named = [name for word in words if not _is_mask(word) for name in word.split(",")]
    if named:
        masks.append(names.mask_of(named, last))
    for mask in masks:
        click.echo(names.decoded(mask, last))
    return 0


# A word that begins with a digit is meant to be one: what is wrong with it is said of a mask.
def _is_mask(word: str) -> bool:
    return names.is_mask(word) or (word[:1].isdigit() and "," not in word)


@caps.command()
@click.option("--pid", type=click.IntRange(min=1), help="A process, with its threads.")
@click.option(
    "--engine",
    type=click.Choice(list(registry())),
    help="Whose container, and whose defaults. [whose it is]",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.argument("container", required=False)
def show(pid: Optional[int], engine: Optional[str], form: str, container: Optional[str]) -> int:
    """
    Who in CONTAINER, or in a process, holds which capabilities, and what an execve would give.

    The five sets of the first process, and of every thread with other sets, ids or no_new_privs.
    CONTAINER is a name or an id, of podman or docker.
    """
    if (pid is None) == (container is None):
        raise click.UsageError("name a container, or a process with --pid")
    running = find_running(container, engine) if container is not None else None
    engine = running.engine if running else engine
    found = (
        read_members(running.named.process, running.named.id)
        if running
        else (read_process(pid or 0),)
    )
    held = holdings.holdings(found)
    last = last_capability()
    if form == "json":
        whole = {"container": _document(running), "engine": engine}
        click.echo(json.dumps({**whole, "held": holdings.document(held, engine, last)}, indent=1))
        return 0
    for line in (*_head(running), *holdings.lines(held, engine, last)):
        click.echo(line)
    return 0


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
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
def required(form: str, recordings: Tuple[str, ...]) -> int:
    """
    Which capabilities the programs of RECORDING... need, and who asked for them.

    Needed is what the kernel was asked for and granted; refused is what was asked for in vain;
    unused is what the containers might have had and never asked for. Checks that the kernel makes
    without meaning them do not count.
    """
    refuse_twice(recordings)
    whole = merge(*read_recordings(recordings))
    for line in incomplete_lines(whole):
        complain(f"not complete: {line}")
    found = what_is_required(whole)
    if len(found.unknown) == len(whole.runs):
        raise InputError(
            "no capability checks were recorded",
            "seccomp-trace run --recording records them where doctor says that it can",
        )
    for line in _doubts(found, len(whole.runs)):
        complain(line)
    text = "\n".join(writing.lines(found)) if form == "text" else writing.FORMATS[form](found)
    click.echo(text)
    return 0


def _doubts(found: Required, runs: int) -> Iterator[str]:
    if found.unknown:
        yield f"not complete: {len(found.unknown)} of {runs} runs have no capability checks"
    if found.lost:
        yield f"not complete: {found.lost} capability checks could not be kept"
    if found.needed and found.ambient:
        yield (
            "a container that starts as another user than root has what --cap-add gives in its "
            "ambient set under podman; under docker it takes file capabilities (setcap) as well"
        )
