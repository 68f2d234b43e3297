"""
`seccomp-trace convert`: a profile in another form.
"""

from __future__ import annotations

import os
import platform
import re
from typing import Callable, Dict, FrozenSet, Mapping, Optional, Tuple

import click

from tracer import document, files, syscalls
from tracer.capabilities.defaults import DOCKER
from tracer.capabilities.given import named_sets
from tracer.cli import complain
from tracer.cli.bases import base
from tracer.cli.file_names import file_and_name
from tracer.cli.given import STANDARD_OUTPUT, profile_in
from tracer.cli.printing import print_document
from tracer.errors import DocumentError, InputError
from tracer.profile import bpf, documents, formats, model, systemd
from tracer.profile.architectures import ARCHITECTURES
from tracer.profile.convert import BPF, SYSTEMD, TARGETS, Container
from tracer.profile.convert import convert as convert_profile

_MACHINES = {"x86_64": syscalls.X86_64, "aarch64": syscalls.AARCH64}
_BY_WORD: Dict[str, str] = {
    **{one.word: token for token, one in ARCHITECTURES.items()},
    **{token: token for token in ARCHITECTURES},
    **_MACHINES,
}


@click.command()
@click.option("--to", "target", type=click.Choice(list(TARGETS)), required=True)
@click.option("--lossy", is_flag=True, help="Leave out what the target cannot say, and say so.")
@click.option("-o", "--output", metavar="FILE", default=STANDARD_OUTPUT, help="[standard output]")
@click.option("--architecture", metavar="NAME", help="The host's: amd64, arm64, ... [this host's]")
@click.option(
    "--capabilities",
    metavar="default|docker|podman|none|CAP|MASK,...",
    help="The container's bounding set; default,CAP_X adds to the usual one, which is docker's.",
)
@click.option("--kernel", metavar="MAJOR.MINOR", help="The host's. [new enough]")
@base
@click.argument("profile")
def convert(
    target: str,
    lossy: bool,
    output: str,
    architecture: Optional[str],
    capabilities: Optional[str],
    kernel: Optional[str],
    profile: str,
) -> int:
    """
    Say PROFILE in the form of --to; what that cannot say is an error, unless --lossy.

    Docker's and podman's profiles depend on the host and the container's capabilities, the other
    forms do not: name them where it matters. containerd reads Docker's form, but drops includes,
    excludes and archMap: its own form needs none. oci writes a config.json, or puts the profile
    into the one that -o names; bpf is the filter as libseccomp makes it, without runc's prologue.
    PROFILE - is standard input.
    """
    container = Container(
        None if architecture is None else _architecture(architecture),
        None if capabilities is None else _capabilities(capabilities),
        None if kernel is None else _kernel(kernel),
        _MACHINES.get(platform.machine(), syscalls.X86_64),
    )
    given = profile_in(profile)
    around = _config_at(output) if target == model.OCI else None
    result = convert_profile(given, target, container, name=_name(profile), around=around)
    problems = tuple(f"{profile}: lost in {target}: {loss}" for loss in result.losses)
    if problems and not lossy:
        raise DocumentError(problems, "--lossy converts all the same")
    for problem in problems:
        complain(problem)
    for line in result.unread:
        complain(f"containerd does not read {line}")
    if result.unread:
        complain(f"--to {model.CONTAINERD} writes what all engines read alike")
    _write(result.content, output, _REPLACEABLE.get(target, formats.is_profile))
    return 0


def _write(content: bytes, output: str, is_replaceable: Callable[[str], bool]) -> None:
    if output == STANDARD_OUTPUT:
        print_document(content)
        return
    with files.prepare(output, is_replaceable) as destination:
        destination.write(content.decode("utf-8", "surrogateescape"))


def _is_config(text: str) -> bool:
    try:
        value = document.parse(text, "")
    except InputError:
        return False
    return isinstance(value, dict) and "ociVersion" in value


def _is_filter(text: str) -> bool:
    return bpf.is_program(text.encode("utf-8", "surrogateescape"))


_REPLACEABLE: Mapping[str, Callable[[str], bool]] = {
    model.OCI: _is_config,
    SYSTEMD: systemd.is_unit,
    BPF: _is_filter,
}


def _config_at(output: str) -> Optional[Mapping[str, object]]:
    """The config.json that is there already, to put the profile into."""
    if output == STANDARD_OUTPUT or not os.path.isfile(output):
        return None
    text = files.read_text(output, formats.READ_LIMIT)
    value = document.parse(text, output) if _is_config(text) else None
    if not isinstance(value, dict):
        return None
    documents.check_config(value, output)
    return value


# A Kubernetes object's name: RFC 1123, from the file's, or from the one after #.
def _name(path: str) -> str:
    file, name = file_and_name(path)
    stem = os.path.basename(name or file).split(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem)[:63].strip("-") or "profile"


def _architecture(value: str) -> str:
    if value not in _BY_WORD:
        raise click.BadParameter(f"{value!r}; there are: {' '.join(sorted(_BY_WORD))}")
    return _BY_WORD[value]


def _capabilities(value: str) -> FrozenSet[str]:
    words = [word.strip() for word in value.split(",")]
    return named_sets(DOCKER if word == "default" else word for word in words)


def _kernel(value: str) -> Tuple[int, int]:
    match = re.match(r"(\d{1,3})\.(\d{1,3})", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no kernel version, such as 6.1")
    return int(match[1]), int(match[2])
