"""
The default profiles of docker and podman: read, written, resolved, loaded and converted.
"""

from __future__ import annotations

import pytest

from tests.unit.profile.defaults import DEFAULTS, DOCKER, default_text
from tracer import syscalls
from tracer.capabilities.defaults import DEFAULT_CAPABILITIES
from tracer.profile import formats, model
from tracer.profile.convert import BPF, Container, convert
from tracer.profile.decide import CRUN, RUNC, Answer, decide, load
from tracer.profile.resolve import is_flat, resolve

ARCHITECTURES = (syscalls.X86_64, syscalls.X86, syscalls.X32)
CALLS = ("read", "mount", "clone3", "personality", "ptrace", "socket", "bpf", "statx", "keyctl")


@pytest.mark.parametrize("engine", DEFAULTS)
def test_a_default_profile_is_written_byte_for_byte(engine: str):
    """
    Read and written again the text is the very same, and read again the profile is.
    """
    text = default_text(engine)
    profile = formats.read(text, engine)

    assert formats.write(profile) == text
    assert profile.dialect == engine


@pytest.mark.parametrize("engine", DEFAULTS)
@pytest.mark.parametrize("runtime", [RUNC, CRUN])
def test_a_default_profile_loads(engine: str, runtime: str):
    """
    Resolved for a default container it is flat, and libseccomp makes a filter of it.
    """
    flat = resolve(formats.read(default_text(engine), engine), engine=engine)

    loaded = load(flat, syscalls.X86_64, runtime)

    assert is_flat(flat)
    assert flat.architectures == ARCHITECTURES
    assert len(loaded.program) > 300


@pytest.mark.parametrize("engine", DEFAULTS)
@pytest.mark.parametrize("target", [model.DOCKER, model.PODMAN, model.OCI])
def test_a_default_profile_says_the_same_in_other_forms(engine: str, target: str):
    """
    Converted, and back, it decides as it did for the container it was resolved for.
    """
    profile = formats.read(default_text(engine), engine)
    capabilities = DEFAULT_CAPABILITIES[engine]
    container = Container(syscalls.X86_64, capabilities, (6, 1))

    there = convert(profile, target, container)
    back = convert(formats.read(there.content.decode(), target), engine, container)

    assert there.losses == back.losses == ()
    for form in (there, back):
        converted = formats.read(form.content.decode(), target)
        for name in CALLS:
            for value in (0, 8, 16):
                answers = {
                    decide(one, syscalls.X86_64, name, (value,), capabilities=capabilities)
                    for one in (profile, converted)
                }
                assert len(answers) == 1, name


def test_docker_s_default_is_a_filter():
    """
    Docker's default profile as a raw filter is of the size that runc loads.
    """
    container = Container(syscalls.X86_64, DEFAULT_CAPABILITIES[DOCKER], (6, 1))

    converted = convert(formats.read(default_text(DOCKER), DOCKER), BPF, container)

    assert converted.losses == ()
    assert len(converted.content) % 8 == 0


def test_docker_s_default_answers_clone3_with_enosys():
    """
    clone3 is missing, and not denied, for a container that may not make namespaces.
    """
    profile = formats.read(default_text(DOCKER), DOCKER)

    assert decide(profile, syscalls.X86_64, "clone3") == Answer(model.ERRNO, 38)
    allowed = decide(profile, syscalls.X86_64, "clone3", capabilities={"CAP_SYS_ADMIN"})
    assert allowed == Answer(model.ALLOW)
