"""
The command `convert`: files in, files out, and what it says where it cannot.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.profile import bpf

PROGRAM = str(Path(sys.executable).parent / "seccomp-trace")
PROFILE = """{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                  "includes": {"caps": ["CAP_CHOWN"]}}]}"""


def _convert(
    directory: Path, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    (directory / "my profile.json").write_text(PROFILE)
    command = [PROGRAM, "convert", *arguments]
    return subprocess.run(command, cwd=directory, input=given, capture_output=True)


def test_what_is_lost_is_an_error(tmp_path: Path):
    """
    Each loss is a line, nothing is written, and the exit code is 2.
    """
    done = _convert(tmp_path, "my profile.json", "--to", "spo", "-o", "out.yaml")

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "seccomp-trace: my profile.json: lost in spo: capabilities, on which 1 rule depends "
        "(--capabilities names them)",
        "seccomp-trace: --lossy converts all the same",
    ]
    assert not (tmp_path / "out.yaml").exists()


def test_lossy_writes_and_says_what_is_lost(tmp_path: Path):
    """
    With --lossy the losses are said, and the result is standard output alone.
    """
    done = _convert(tmp_path, "my profile.json", "--to", "spo", "--lossy")

    assert done.returncode == 0
    assert b"lost in spo" in done.stderr
    assert done.stdout.startswith(b"apiVersion: security-profiles-operator.x-k8s.io/")
    assert b"name: my-profile\n" in done.stdout


@pytest.mark.parametrize(
    ("capabilities", "rules"),
    [("default", 1), ("none", 0), ("CAP_CHOWN", 1), ("none,chown", 1), ("1", 1), ("podman", 1)],
)
def test_the_container_is_the_one_named(tmp_path: Path, capabilities: str, rules: int):
    """
    --capabilities says which rules hold.
    """
    options = ["--to", "oci", "--capabilities", capabilities]

    done = _convert(tmp_path, *options, "-", given=PROFILE.encode())

    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["linux"]["seccomp"]["syscalls"]) == rules


def test_a_profile_goes_into_a_config_json(tmp_path: Path):
    """
    -o config.json keeps what else is in there.
    """
    config = tmp_path / "config.json"
    config.write_text('{"ociVersion": "1.0.2", "process": {"args": ["sh"]}}')

    done = _convert(tmp_path, "my profile.json", "--to", "oci", "--lossy", "-o", "config.json")

    assert done.returncode == 0, done.stderr
    assert json.loads(config.read_text())["process"] == {"args": ["sh"]}
    assert "seccomp" in json.loads(config.read_text())["linux"]


def test_a_filter_is_written_twice(tmp_path: Path):
    """
    A filter is bytes, and replaces another one.
    """
    options = ["my profile.json", "--to", "bpf", "--capabilities", "none", "-o", "out.bpf"]

    codes = [_convert(tmp_path, *options).returncode for _ in range(2)]

    assert codes == [0, 0]
    assert bpf.is_program((tmp_path / "out.bpf").read_bytes())


@pytest.mark.parametrize("target", ["docker", "oci", "systemd", "bpf"])
def test_what_is_something_else_is_not_replaced(tmp_path: Path, target: str):
    """
    A file that is no such thing as is written stays as it is.
    """
    (tmp_path / "diary").write_text("dear diary")

    done = _convert(tmp_path, "my profile.json", "--to", target, "--lossy", "-o", "diary")

    assert done.returncode == 2
    assert (tmp_path / "diary").read_text() == "dear diary"


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["nothing.json"], b"", "nothing.json: cannot be read: No such file"),
        (["-"], b"", "standard input: empty"),
        (["-"], b"\xff", "standard input: not UTF-8 text"),
        (["-"], b"{" + b" " * (16 << 20), "standard input: too large"),
        (["-"], b'{"defaultAction": 3}', "input: $.defaultAction: expected a string, found 3"),
        (["-", "--architecture", "z80"], b"", "there are: "),
        (["-", "--kernel", "new"], b"", "is no kernel version"),
        (["-", "--capabilities", "chow"], b"", "'chow' is no capability"),
        (["-", "--capabilities", "CAP_EVERYTHING"], b"", "is no capability"),
        (["-", "--capabilities", "0xfg"], b"", "is no hexadecimal mask"),
    ],
)
def test_what_cannot_be_converted_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], given: bytes, message: str
):
    """
    Missing, empty, foreign, over-large and wrong documents and options end with 2, untraced.
    """
    done = _convert(tmp_path, "--to", "oci", *arguments, given=given)

    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_convert_needs_no_bcc():
    """
    Neither bcc nor the engines' side of the tool is imported to convert.
    """
    script = "import sys, tracer.cli.convert; print('bcc' in sys.modules or 'yaml' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout == "False\n"


def test_a_profile_is_not_put_where_another_key_hides_it(tmp_path: Path):
    """
    A config.json with `Linux` beside, which runc would read last, is refused and stays.
    """
    config = tmp_path / "config.json"
    config.write_text('{"ociVersion": "1.0.2", "Linux": {"seccomp": {}}}')

    done = _convert(
        tmp_path, "my profile.json", "--to", "oci", "--capabilities", "none", "-o", "config.json"
    )

    assert done.returncode == 2
    assert b'config.json: $: the key "Linux" is read as linux' in done.stderr
    assert config.read_text() == '{"ociVersion": "1.0.2", "Linux": {"seccomp": {}}}'
