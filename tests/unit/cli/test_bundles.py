"""
Files that hold several profiles, and bases, as a person names them on the command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.cli import COMMANDS

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
RESOURCE = """---
apiVersion: security-profiles-operator.x-k8s.io/v1
kind: SeccompProfile
metadata: {name: %s}
spec:
  defaultAction: %s
  %s
"""
READ = "syscalls: [{action: SCMP_ACT_ALLOW, names: [read]}]"
BASED = "baseProfileName: base"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    both = RESOURCE % ("a", "SCMP_ACT_LOG", "") + RESOURCE % ("b", "SCMP_ACT_ERRNO", READ)
    (tmp_path / "both.yaml").write_text(both)
    (tmp_path / "based.yaml").write_text(RESOURCE % ("app", "SCMP_ACT_ERRNO", BASED))
    (tmp_path / "base.yaml").write_text(RESOURCE % ("base", "SCMP_ACT_LOG", READ))
    (tmp_path / "one#b").write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}')
    return tmp_path


def typed(place: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=place, input=given, capture_output=True, text=True
    )


def test_a_name_chooses_a_profile_of_a_file_and_of_standard_input(place: Path):
    """
    FILE#NAME, FILE#NUMBER and -- -#NAME are the same profile; without a name it is an error.
    """
    text = (place / "both.yaml").read_text()

    for path in ("both.yaml#b", "both.yaml#2", "-#b"):
        done = typed(place, "convert", "--to", "docker", "--", path, given=text)
        assert json.loads(done.stdout)["syscalls"][0]["names"] == ["read"], done.stderr
    for path in ("both.yaml", "both.yaml#c"):
        done = typed(place, "diff", path, path)
        assert done.returncode == 2
        assert ": a, b; FILE#NAME, or FILE#NUMBER, names one\n" in done.stderr
    assert "only once" in typed(place, "diff", "--", "-#a", "-#b", given=text).stderr


def test_a_file_with_a_number_sign_in_its_name_is_a_file(place: Path):
    """
    What is there under the whole name is not taken apart.
    """
    done = typed(place, "convert", "--to", "docker", "one#b")

    assert json.loads(done.stdout)["defaultAction"] == "SCMP_ACT_ALLOW"


def test_a_file_of_several_profiles_is_never_written_over(place: Path):
    """
    One profile in the place of several would lose the others.
    """
    before = (place / "both.yaml").read_text()

    done = typed(place, "merge", "both.yaml#a", "-o", "both.yaml")

    assert done.returncode != 0
    assert (place / "both.yaml").read_text() == before


def test_lint_names_the_file_of_each_profile_in_sarif(place: Path):
    """
    The location is the file, and the name stands before the path in it.
    """
    done = typed(place, "lint", "--format", "sarif", "both.yaml")

    places = [result["locations"][0] for result in json.loads(done.stdout)["runs"][0]["results"]]
    files = {location["physicalLocation"]["artifactLocation"]["uri"] for location in places}
    inside = {
        location["logicalLocations"][0]["fullyQualifiedName"].split("$")[0] for location in places
    }
    assert (files, inside) == ({"both.yaml"}, {"a: ", "b: "})


@pytest.mark.parametrize("arguments", [["diff", "based.yaml"], ["convert", "--to", "docker"]])
def test_a_base_that_is_not_given_is_an_error_that_names_the_option(
    place: Path, arguments: list[str]
):
    """
    Nothing is decided by a part of a profile.
    """
    done = typed(place, *arguments, "both.yaml#b" if arguments[0] == "diff" else "based.yaml")

    assert done.returncode == 2
    assert "--base" in done.stderr or "base profile" in done.stderr


def test_a_base_that_is_given_belongs_to_the_profile(place: Path):
    """
    `diff` and `lint` judge the rules of both.
    """
    based = ("--base", "base.yaml")

    assert typed(place, "diff", *based, "based.yaml", "both.yaml#b").stdout == (
        "the two decide alike\n"
    )
    assert "[base-missing]" in typed(place, "lint", "based.yaml").stdout
    assert "[base-missing]" not in typed(place, "lint", *based, "based.yaml").stdout
    merged = typed(place, "merge", "both.yaml#b", "based.yaml", *based)
    assert (merged.returncode, merged.stderr) == (0, "")
    assert "it adds to 'base'" in typed(
        place, "lint", "--base", "both.yaml", "based.yaml"
    ).stderr


def test_a_base_is_chosen_by_name_too(place: Path):
    """
    FILE#NAME of --base is one of several in a file, which may hold the profile itself.
    """
    both = (place / "based.yaml").read_text() + (place / "base.yaml").read_text()
    (place / "list.yaml").write_text(both + RESOURCE % ("bad", "X", ""))

    for base in ("list.yaml#base", "list.yaml#2"):
        done = typed(place, "diff", "--base", base, "list.yaml#app", "both.yaml#b")
        assert (done.stdout, done.stderr) == ("the two decide alike\n", "")
    alone = typed(place, "diff", "list.yaml#app", "both.yaml#b")
    assert "list.yaml#app: the profile adds to 'base', which is not at hand; --base" in alone.stderr


def test_an_errno_that_does_not_exist_names_the_file(place: Path):
    """
    The message names the one of two files that podman refuses.
    """
    rules = [{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errno": "EFOO"}]
    text = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})
    (place / "new.json").write_text(text)

    done = typed(place, "diff", "one#b", "new.json")

    assert done.returncode == 2
    assert "seccomp-trace: new.json: there is no errno 'EFOO'; podman" in done.stderr


def test_an_architecture_that_libseccomp_refuses_is_named_with_the_reason(place: Path):
    """
    An architecture of another byte order is an error in words, not the text of an errno.
    """
    value = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_MIPS"]}
    (place / "new.json").write_text(json.dumps({**value, "syscalls": []}))

    done = typed(place, "lint", "new.json")

    assert (
        "libseccomp refuses the architecture SCMP_ARCH_MIPS: its byte order differs from that of "
        "SCMP_ARCH_X86_64 [unloadable]"
    ) in done.stdout


# Those that read profiles; the others read recordings, containers or the host.
READERS = "run attach verify refine generate merge diff check lint convert".split()


@pytest.mark.parametrize("command", READERS)
def test_every_command_that_reads_profiles_takes_a_base(place: Path, command: str):
    """
    One option serves them all.
    """
    assert command in COMMANDS
    assert "--base FILE" in typed(place, command, "--help").stdout
