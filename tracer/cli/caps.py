"""
`seccomp-trace caps`: what capabilities are called, and who holds which.
"""

from __future__ import annotations

import json
from typing import Iterator, Optional, Tuple

import click

from tracer.capabilities import names
from tracer.cli import holdings
from tracer.container.engines import registry
from tracer.container.first_process import Running, find_running
from tracer.container.process import last_capability, read_members, read_process
from tracer.text import printable


@click.group()
def caps() -> None:
    """Capabilities: decode masks, show what a container holds."""


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
