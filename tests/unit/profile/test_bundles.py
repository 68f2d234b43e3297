"""
Files that hold several profiles: which are found, under which names, and what is refused.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, List

import pytest

from tracer.errors import InputError
from tracer.profile import bundles, formats, model

PLAIN = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}


def resource(name: str, action: str = "SCMP_ACT_LOG") -> Dict[str, Any]:
    return {
        "apiVersion": "security-profiles-operator.x-k8s.io/v1",
        "kind": "SeccompProfile",
        "metadata": {"name": name},
        "spec": {"defaultAction": action},
    }


def config_map(**data: object) -> Dict[str, Any]:
    named = {key.replace("_", "."): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": named}


def listed(*items: object, kind: str = "List") -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "items": list(items)})


def documents(*values: object) -> str:
    return "\n---\n".join(map(json.dumps, ["", *values]))[2:]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CUT = '{"defaultAction": "SCMP_ACT_ERRNO", '
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (json.dumps(PLAIN), ["f"]),
        (json.dumps(resource("a")), ["f"]),
        (documents(resource("a")), ["f"]),
        (documents(resource("a"), resource("b")), ["f#a", "f#b"]),
        (documents(SERVICE, resource("a"), None), ["f#a"]),
        (listed(resource("a"), SERVICE, resource("b")), ["f#a", "f#b"]),
        (listed(resource("a"), kind="SeccompProfileList"), ["f#a"]),
        (documents(json.loads(listed(resource("a"))), resource("b")), ["f#a", "f#b"]),
        (json.dumps(config_map(web_json=json.dumps(PLAIN), README="{{ x }}")), ["f#web.json"]),
        (json.dumps(config_map(web=json.dumps(PLAIN), x_json='{"a": 1}')), ["f#web"]),
        (json.dumps({**config_map(), "binaryData": {"z": encoded(json.dumps(PLAIN))}}), ["f#z"]),
        (json.dumps(config_map(a='{"default\\u0041ction": "SCMP_ACT_LOG"}')), ["f#a"]),
        (listed({**resource("a"), "metadata": {}}, resource("b")), ["f#1", "f#b"]),
    ],
)
def test_each_profile_of_a_file_has_a_name(text: str, labels: List[str]):
    """
    A profile by itself goes by its file, any other by its name; other resources are passed over.
    """
    assert [named.source for named in formats.read_all(text, "f")] == labels
    assert [named.source for named in formats.read_all_as_engines(text, "f")] == labels
    assert formats.is_profile(text) == (labels == ["f"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (listed(), "f: no seccomp profile in it"),
        (listed(SERVICE), "f: no seccomp profile in it"),
        (json.dumps(SERVICE), "f: not a seccomp profile"),
        (listed("x"), "f#1: not a seccomp profile"),
        ('{"kind": "List", "items": 3}', "f: $.items: expected an array, found 3"),
        (documents(resource("a"), PLAIN), "f#2: a profile for engines and runtimes is JSON"),
        (json.dumps(config_map(a_json="{")), "f#a.json: not JSON, or cut short"),
        (json.dumps(config_map(a="{")), "f: no seccomp profile in it"),
        (json.dumps(config_map(a=CUT, b=json.dumps(PLAIN))), "f#a: not JSON, or cut short"),
        (json.dumps(config_map(a="\ufeff" + json.dumps(PLAIN))), "f#a: not JSON, or cut short"),
        (json.dumps(config_map(a_json="")), "f#a.json: not JSON, or cut short"),
        (json.dumps(config_map(a=PLAIN)), "f#a: $: expected "),
        (json.dumps({**config_map(), "binaryData": {"a": encoded(CUT)}}), "f#a: not JSON, or cut"),
        (json.dumps({**config_map(), "binaryData": {"a.json": "?"}}), "f#a.json: not JSON, or cut"),
        (json.dumps(config_map(a='{"DefaultAction": "SCMP_ACT_LOG"}')), "f#a: $: the key"),
        ('{"kind": "ConfigMap", "data": 3}', "f: no seccomp profile in it"),
        (documents(resource("a"), resource("b", "X")), "f#b: $.spec.defaultAction: expected an ac"),
        (listed(*[resource("a")] * (bundles.MOST_PROFILES + 1)), "f: 501 profiles, at most 500"),
    ],
)
def test_what_a_bundle_cannot_hold_is_told_in_one_line(text: str, message: str):
    """
    A broken member is an error with its name, and a file without a profile is one.
    """
    with pytest.raises(InputError) as caught:
        formats.read_all(text, "f")

    assert str(caught.value).startswith(message)


def test_a_list_with_a_key_twice_is_refused_by_lint_too():
    """
    Which items count depends on the reader, and there is no profile to go on with.
    """
    with pytest.raises(InputError, match="a key twice in a List"):
        formats.read_all_as_engines('{"kind": "List", "items": [], "items": []}', "f")


def test_one_profile_is_chosen_by_name_or_number():
    """
    A name goes before a number; what is not there, or there twice, lists what is.
    """
    text = listed(*map(resource, ("a", "1", "c", "c")))
    named = formats.read_all(text, "f")

    assert formats.read_one(text, "f", "a") == named[0]
    assert formats.read_one(text, "f", "1") == named[1]
    assert formats.read_one(text, "f", "4") == named[3]
    for wanted, found in (
        ("", "holds 4 profiles"),
        ("c", "holds 2 profiles"),
        ("x", "holds no profile 'x', but"),
        ("0", "holds no profile '0'"),
        ("5", "holds no profile '5'"),
    ):
        with pytest.raises(InputError, match=f"f: {found}.*: a, 1, c, c; FILE#NAME"):
            formats.read_one(text, "f", wanted)


def test_a_damaged_profile_leaves_its_neighbours_readable():
    """
    A profile that is asked for by name is read whatever stands beside it; all of them are not.
    """
    data = config_map(a_json=json.dumps(PLAIN), b_json=CUT, c_json='{"defaultAction": 3}')
    text = json.dumps(data)

    assert formats.read_one(text, "f", "a.json").source == "f#a.json"
    (judged,) = formats.read_all_as_engines(text, "f", "a.json")
    assert judged.source == "f#a.json"
    for wanted, message in (
        ("b.json", "f#b.json: not JSON"),
        ("c.json", "f#c.json: .*defaultAction"),
        ("zz", "f: holds no profile 'zz', but: a.json, b.json, c.json"),
        ("0", "f: holds no profile '0', but: a.json, b.json, c.json"),
    ):
        with pytest.raises(InputError, match=message):
            formats.read_one(text, "f", wanted)
    with pytest.raises(InputError, match="f#b.json: not JSON"):
        formats.read_all_as_engines(text, "f")


def test_a_profile_of_a_config_map_keeps_the_layout_of_its_text():
    """
    What comes out of a ConfigMap is the text that the nodes have.
    """
    text = json.dumps(PLAIN, indent=3) + "\n"

    (named,) = formats.read_all(json.dumps(config_map(web_json=text)), "f")

    assert named.profile.dialect == model.DOCKER
    assert formats.write(named.profile) == text
