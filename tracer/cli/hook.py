"""
`seccomp-trace hook`: the OCI hook for podman and CRI-O is installed, and taken away.

What the runtime then calls is no command of ours but `python -m tracer.hook`, in fewer steps.
"""

from __future__ import annotations

import os
from typing import Optional

import click

from tracer import files
from tracer.cli import complain
from tracer.cli.printing import print_line
from tracer.errors import HostError, InputError, OutputError
from tracer.hook import configuration, directories, places, program
from tracer.hook.configuration import FILES, Choices
from tracer.kernel.program import load

HOOKS_DIR = "The directory of hook files. [what podman reads]"


@click.group()
def hook() -> None:
    """Have containers with the annotation io.containers.trace-syscall recorded."""


@hook.command()
@click.option("--hooks-dir", metavar="DIR", help=HOOKS_DIR)
@click.option("--output-dir", metavar="DIR", help="Profiles are written below DIR only.")
@click.option("--best-effort", is_flag=True, help="A container runs even if it is not recorded.")
def install(hooks_dir: Optional[str], output_dir: Optional[str], best_effort: bool) -> int:
    """
    Install the hook: two files in the directory of hooks.

    A container that is run with --annotation io.containers.trace-syscall=of:/abs/path is then
    recorded, and its profile written to that path when it has ended.

    The path is absolute, without .., and no symbolic link on it is followed. A directory that
    others may write to must be root's and sticky (/tmp), and what is in it root's. A file that is
    there must be root's, without a second hard link, and empty or a profile. Nothing is written in
    / itself, or below /etc, /usr, /run, /boot, /dev, /proc, /sys, /var/spool and the like, unless
    it is below --output-dir. A baseline (if:) is read by the same rule, but from almost anywhere,
    up to 1 MiB, and another user's if everybody may read it.

    What goes wrong after the start is in a file beside the profile: PROFILE.not-recorded says why
    there is none, PROFILE.incomplete is one that may lack something, as PROFILE.incomplete.reasons
    says. Both go when a later run goes well.

    podman 4 and 5 do not read /etc/containers/oci/hooks.d unless containers.conf says so.
    """
    _refuse_others()
    read = directories.read_by_podman()
    place = os.path.abspath(hooks_dir) if hooks_dir else directories.default(read)
    _refuse_rivals({place, *(read or ())})
    words = program.program()
    if output_dir is not None:
        output_dir = os.path.abspath(output_dir)
        places.directory(output_dir)
    _make(place)
    for name, stage in FILES.items():
        _write(
            os.path.join(place, name),
            configuration.render(stage, Choices(words, output_dir, best_effort)),
        )
    _rehearse()
    if read is not None and place not in read:
        complain(
            f"podman does not read {place} by itself, but {', '.join(read) or 'no directory'}: "
            f"call podman --hooks-dir {place}, or name it as hooks_dir in containers.conf"
        )
    return 0


@hook.command(short_help="Remove the hook's files.")
@click.option("--hooks-dir", metavar="DIR", help=HOOKS_DIR)
def uninstall(hooks_dir: Optional[str]) -> int:
    """Remove the hook's files, and nothing that somebody else has written."""
    _refuse_others()
    read = directories.read_by_podman() or ()
    where = [os.path.abspath(hooks_dir)] if hooks_dir else sorted({directories.OVERRIDE, *read})
    ours = [
        path
        for place in where
        for path, text in directories.hooks_in(place).items()
        if configuration.is_ours(text)
    ]
    for path in ours:
        _remove(path)
        print_line(f"removed {path}")
    if not ours:
        complain(f"nothing of ours is in {', '.join(where)}")
    return 0


def _refuse_others() -> None:
    if os.geteuid() != 0:
        raise HostError("the hooks that engines run as root are root's to install", "be root")


def _refuse_rivals(where: "set[str]") -> None:
    texts = {path: text for place in where for path, text in directories.hooks_in(place).items()}
    rivals = configuration.rivals(texts)
    if rivals:
        raise InputError(
            f"{rivals[0]}: another hook for the same annotation is installed, and both would "
            "write the same file",
            f"remove that one, as with apt-get remove oci-seccomp-bpf-hook or rm {rivals[0]}",
        )


def _rehearse() -> None:
    """Compile now what the first container would wait for, and say if it cannot be recorded."""
    try:
        load().close()
    except HostError as error:
        complain(f"the hook is installed, but containers cannot be recorded yet: {error}")


def _make(place: str) -> None:
    try:
        os.makedirs(place, 0o755, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place}: cannot be made: {error.strerror}") from error
    program.refuse_changeable(place)


def _write(path: str, text: str) -> None:
    with files.prepare(path, configuration.is_ours) as destination:
        destination.write(text)
    print_line(f"wrote {path}")


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise HostError(f"{path}: cannot be removed: {error.strerror}") from error
