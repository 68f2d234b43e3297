"""
The option --base of every command that reads a profile, and the profiles that it gives.

A SeccompProfile may add to another one (`baseProfileName`), which is in a file of its own. `given`
asks here whenever it reads a profile, so that no command passes the option on.
"""

from __future__ import annotations

from typing import Callable, Tuple, TypeVar

import click

from tracer import files
from tracer.cli.file_names import file_and_name
from tracer.profile import formats
from tracer.profile.formats import Named

_Decorated = TypeVar("_Decorated", bound=Callable[..., object])

_KEY = "seccomp-trace.bases"


def base(command: _Decorated) -> _Decorated:
    """--base."""
    return click.option(
        "--base",
        "bases",
        multiple=True,
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        help="FILE or FILE#NAME of the profile that baseProfileName names.",
    )(command)


def bases() -> Tuple[Named, ...]:
    """Return the profiles in the files of --base; raises InputError."""
    context = click.get_current_context(silent=True)
    paths = context.meta.get(_KEY, ()) if context else ()
    return tuple(named for path in paths for named in _in(path))


def _in(path: str) -> Tuple[Named, ...]:
    file, wanted = file_and_name(path)
    text = files.read_text(file, formats.READ_LIMIT)
    if wanted:
        return (formats.read_one(text, file, wanted),)
    return formats.read_all(text, file)


def _remember(context: click.Context, _: click.Parameter, paths: Tuple[str, ...]) -> None:
    context.meta[_KEY] = paths
