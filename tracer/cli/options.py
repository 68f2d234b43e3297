"""
Options that several commands have, and what their values mean.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Optional, Tuple, TypeVar

import click
from click import Context, Parameter

from tracer.cli import bases
from tracer.errors import InputError
from tracer.host_floors import measured
from tracer.profile import model
from tracer.profile.floor_choice import FloorChoice, read_choice
from tracer.profile.floors import Floor
from tracer.profile.releases import Release, release_text

Decorated = TypeVar("Decorated", bound=Callable[..., object])

CAPABILITY_SETS = "docker|podman|none|CAP|MASK,..."


class Seconds(click.FloatRange):
    """A length of time: a number above zero, which "nan" is not."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: Optional[Parameter], ctx: Optional[Context]) -> float:
        """See click.ParamType.convert."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


class ProcessNumber(click.IntRange):
    """The number of a process, in the digits that /proc has it in: int(3) reads others, and 1_0."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: Optional[Parameter], ctx: Optional[Context]) -> int:
        """See click.ParamType.convert."""
        if not (str(value).isascii() and str(value).isdigit()):
            self.fail(f"{value!r} is not the number of a process.", param, ctx)
        return int(super().convert(value, param, ctx))


def runtime_floor(command: Decorated) -> Decorated:
    """--runtime-floor."""
    return click.option(
        "--runtime-floor",
        default="auto",
        show_default=True,
        metavar="auto|exact|all|none|NAME[-VERSION],...",
        help="Runtimes whose own calls are allowed too: the one that ran and its later versions, "
        "just that version, all, none, or these.",
    )(command)


def runtime_floor_to_judge(command: Decorated) -> Decorated:
    """--runtime-floor of a command that judges a profile."""
    return click.option(
        "--runtime-floor",
        default="auto",
        show_default=True,
        metavar="auto|exact|all|none|NAME[-VERSION],...",
        help="Runtimes under which containers have to start: the version that ran (auto also notes "
        "later ones), all measured, none, or these.",
    )(command)


def baseline(command: Decorated) -> Decorated:
    """--baseline, and --base."""
    option = click.option(
        "--baseline", metavar="PROFILE", help="A profile to extend; what it says stays as it is."
    )
    return option(bases.base(command))


def engine(command: Decorated) -> Decorated:
    """--engine."""
    return click.option(
        "--engine", type=click.Choice(["podman", "docker"]), help="Whose CONTAINER it is."
    )(command)


def judged_engine(command: Decorated) -> Decorated:
    """--engine of a command that judges profiles."""
    return click.option(
        "--engine",
        type=click.Choice(list(model.ENGINES)),
        help="As this engine reads PROFILE: containerd drops includes, excludes and archMap, "
        "docker errno names, podman minKernel. [all that it says]",
    )(command)


def libseccomp(help: str, default: Optional[Release] = None) -> Callable[[Decorated], Decorated]:
    """--libseccomp: a Release, by default as given here."""

    def decorate(command: Decorated) -> Decorated:
        return click.option(
            "--libseccomp",
            "release",
            callback=_release,
            default=release_text(default) if default else None,
            show_default=default is not None,
            metavar="VERSION",
            help=help,
        )(command)

    return decorate


def _release(ctx: Context, param: Parameter, value: Optional[str]) -> Optional[Release]:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", value, re.ASCII)
    if match is None:
        raise click.BadParameter(f"{value!r} is no release, such as 2.5.4", ctx, param)
    return int(match[1]), int(match[2]), int(match[3] or 0)


def form(command: Decorated) -> Decorated:
    """--format."""
    return click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
    )(command)


def caps(help: str) -> Callable[[Decorated], Decorated]:
    """--caps, by which sets of capabilities are named; `given.named_sets` says what they mean."""

    def decorate(command: Decorated) -> Decorated:
        return click.option("--caps", "sets", multiple=True, metavar=CAPABILITY_SETS, help=help)(
            command
        )

    return decorate


def floors_for(value: str) -> Tuple[FloorChoice, Tuple[Floor, ...]]:
    """
    Return what --runtime-floor chooses, and all measurements to choose from.

    Raises BadParameter for a runtime, or a version, that nobody has measured. Prints why this
    host's own measurements cannot be used, if they cannot.
    """
    from tracer.cli import complain

    known = measured()
    if known.problem:
        complain(known.problem)
    try:
        return read_choice(value, known.floors), known.floors
    except InputError as error:
        raise click.BadParameter(str(error), param_hint="--runtime-floor") from error
