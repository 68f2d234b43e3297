"""
Keys and strings that readers take differently are refused, wherever they stand.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.profile.defaults import DEFAULTS, default_text
from tracer.errors import DocumentError, InputError
from tracer.profile import documents, formats, keys, lint_keys, model, values
from tracer.profile.keys import CASE_FOLDED, DUPLICATE, IGNORED, NULL, UNKNOWN, fold
from tracer.profile.lint import lint
from tracer.profile.model import Circumstances, Condition, Family, Profile, Rule
from tracer.profile.remarks import ERROR, NOTE, WARNING

LONG_S, KELVIN = "\u017f", "\u212a"

FULL: Dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "defaultErrno": "EPERM",
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "flags": [],
    "listenerPath": "",
    "listenerMetadata": "",
    "syscalls": [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
            "errno": "EPERM",
            "comment": "",
            "args": [{"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
            "includes": {"caps": ["CAP_KILL"], "arches": ["amd64"], "minKernel": "4.8"},
            "excludes": {"caps": []},
        }
    ],
}
PLAIN = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
}
WHOLE: Dict[str, Dict[str, Any]] = {
    "engine": FULL,
    "config": {"ociVersion": "1.0.2", "hooks": {}, "linux": {"seccomp": PLAIN}},
    "resource": {"apiVersion": "v", "kind": "SeccompProfile", "metadata": {}, "spec": PLAIN},
}


def _objects(value: object) -> List[Dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(found for item in value.values() for found in _objects(item))]


def _places() -> List[Any]:
    return [
        pytest.param(kind, number, key, id=f"{kind}-{number}-{key}")
        for kind, whole in WHOLE.items()
        for number, members in enumerate(_objects(whole))
        for key in members
        if kind != "resource" or key != "v"
    ]


@pytest.mark.parametrize(("kind", "number", "key"), _places())
def test_a_key_that_folds_to_a_known_one_is_refused_at_every_level(
    kind: str, number: int, key: str
):
    """
    Another case, a long s or a Kelvin sign, instead of the key or beside it, is refused.
    """
    spellings = {key.upper(), key.replace("s", LONG_S), key.replace("k", KELVIN)} - {key}
    for spelling in spellings:
        for beside in (False, True):
            value = json.loads(json.dumps(WHOLE[kind]))
            members = _objects(value)[number]
            members[spelling] = members[key] if beside else members.pop(key)
            with pytest.raises(DocumentError, match=f"is read as {key}"):
                formats.read(json.dumps(value), "p")


@pytest.mark.parametrize(("kind", "number", "key"), _places())
def test_a_key_twice_is_refused_at_every_level(kind: str, number: int, key: str):
    """
    The same key twice in an object is refused, in JSON and in YAML.
    """
    value = json.loads(json.dumps(WHOLE[kind]))
    members = _objects(value)[number]
    members["TWICE"] = members[key]
    text = json.dumps(value).replace('"TWICE"', json.dumps(key))

    for written in (text, " # YAML\n" + text):
        with pytest.raises(InputError, match="twice"):
            formats.read(written, "p")


@given(st.text(alphabet=f"aAkKsSiI{LONG_S}{KELVIN}\u0130\u0131\u00df", max_size=6))
@settings(max_examples=200, deadline=None)
def test_keys_fold_as_in_go(key: str):
    """
    ASCII letters, the long s and the Kelvin sign fold; characters that only resemble do not.
    """
    letters = {LONG_S: "s", KELVIN: "k"}
    expected = [
        letters.get(character, character.lower() if character.isascii() else character)
        for character in key
    ]

    assert fold(key) == "".join(expected)


@pytest.mark.parametrize(
    "text",
    ['"kcmp\\u0000x"', '"\\ud800"', '"\\udc80"', '"\\ud83d"'],
)
@pytest.mark.parametrize(
    "place",
    [
        '{"defaultAction": "SCMP_ACT_LOG", "architectures": [%s]}',
        '{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": [%s]}]}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "listenerPath": %s}',
        '{"defaultAction": "SCMP_ACT_ERRNO", "x-ours": [{"deep": %s}]}',
        '{"defaultAction": "SCMP_ACT_ERRNO", %s: 1}',
        '{"hooks": %s, "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}',
    ],
)
def test_strings_that_c_or_go_would_change_are_refused(place: str, text: str):
    """
    A NUL or a lone surrogate is refused in every string and key of a document.
    """
    with pytest.raises(InputError, match="lone surrogate"):
        formats.read(place % text, "p")


def test_a_pair_of_surrogates_is_one_character():
    """
    JSON's way of writing a character beyond 16 bits is no lone surrogate.
    """
    read = formats.read('{"defaultAction": "SCMP_ACT_LOG", "x": "\\ud83d\\ude00"}', "p")

    assert read.kept["x"] == "\U0001f600"


@pytest.mark.parametrize(
    "number", ["1.0", "1e0", "-1", "-0", "18446744073709551616", '"1"', "true", "1E400", "NaN"]
)
@pytest.mark.parametrize(
    "place",
    [
        '"defaultErrnoRet": %s',
        '"syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "errnoRet": %s}]',
        *(
            f'"syscalls": [{{"names": ["a"], "action": "SCMP_ACT_LOG", "args": [{condition}]}}]'
            for condition in (
                '{"index": %s, "op": "SCMP_CMP_EQ"}',
                '{"index": 0, "value": %s, "op": "SCMP_CMP_EQ"}',
                '{"index": 0, "valueTwo": %s, "op": "SCMP_CMP_EQ"}',
            )
        ),
    ],
)
def test_numbers_that_go_does_not_take_are_refused(place: str, number: str):
    """
    Floats, signs, strings and numbers out of range are no integers.
    """
    with pytest.raises(InputError):
        formats.read('{"defaultAction": "SCMP_ACT_ERRNO", %s}' % (place % number), "p")


@pytest.mark.parametrize(
    "text",
    [
        '{"defaultAction": "SCMP_ACT_LOG"} {}',
        '\ufeff{"defaultAction": "SCMP_ACT_LOG"}',
        '# a comment\n{"defaultAction": "SCMP_ACT_LOG"}',
        '// a comment\n{"defaultAction": "SCMP_ACT_LOG"}',
        '{"defaultAction": "SCMP_ACT_LOG",}',
        '\v{"defaultAction": "SCMP_ACT_LOG"}',
        '\u00a0{"defaultAction": "SCMP_ACT_LOG"}',
        "defaultAction: SCMP_ACT_LOG",
        '{"defaultAction": "SCMP_ACT_LOG", "x": "\udcff"}',
        '{"defaultAction": "SCMP_ACT_LOG", "syscalls": [null]}',
        '{"defaultAction": "SCMP_ACT_LOG", "defaultErrno": "0000000038"}',
        '{"defaultAction": "SCMP_ACT_LOG", "defaultErrno": "65536"}',
    ],
)
def test_what_engines_refuse_or_cut_is_no_profile(text: str):
    """
    Data behind JSON, a byte order mark, comments and YAML are refused, as engines refuse them.
    """
    with pytest.raises(InputError):
        formats.read(text, "p")


@pytest.mark.parametrize(
    "field", ["syscalls", "architectures", "archMap", "flags", "names", "caps", "arches"]
)
def test_null_for_a_list_is_refused(field: str):
    """
    A null where a list belongs is an error that names the place.
    """
    value = json.loads(json.dumps(FULL))
    for members in _objects(value):
        if field in members:
            members[field] = None
    value.setdefault(field, None)
    if field not in FULL and field != "architectures":
        del value[field]

    with pytest.raises(DocumentError, match=f"{field}: expected an array, found null"):
        formats.read(json.dumps(value), "p")


@pytest.mark.parametrize("engine", DEFAULTS)
def test_the_nulls_of_default_profiles_are_taken(engine: str):
    """
    Docker's and podman's own default profiles have a null for no arguments, and are accepted.
    """
    text = default_text(engine)

    assert '"args": null' in text
    assert formats.read(text, engine).rules
    assert formats.read(
        text.replace('"subArchitectures": [', '"subArchitectures": null, "x": [', 1), ""
    )


def test_an_empty_minimal_kernel_is_refused():
    """
    Docker excludes such a rule everywhere, podman nowhere.
    """
    rule = '{"names": ["a"], "action": "SCMP_ACT_LOG", "excludes": {"minKernel": ""}}'
    with pytest.raises(DocumentError, match="a kernel version"):
        formats.read('{"defaultAction": "SCMP_ACT_LOG", "syscalls": [%s]}' % rule, "p")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("config", "archMap", []),
        ("config", "defaultErrno", "EPERM"),
        ("config", "baseProfileName", "runc"),
        ("resource", "archMap", []),
        ("resource", "defaultErrnoRet", 38),
        ("engine", "baseProfileName", "runc"),
    ],
)
def test_a_field_that_the_readers_of_a_document_lack_is_refused(
    kind: str, field: str, value: object
):
    """
    What means something elsewhere, and nothing where it stands, is refused.
    """
    whole = json.loads(json.dumps(WHOLE[kind]))
    inner = {"config": lambda: whole["linux"]["seccomp"], "resource": lambda: whole["spec"]}
    inner.get(kind, lambda: whole)()[field] = value

    with pytest.raises(DocumentError, match=f"ignores? {field} here"):
        formats.read(json.dumps(whole), "p")


def test_conditional_rules_in_a_config_json_are_refused():
    """
    runc and crun would take them for unconditional.
    """
    whole = json.loads(json.dumps(WHOLE["config"]))
    whole["linux"]["seccomp"]["syscalls"][0]["includes"] = {"caps": ["CAP_KILL"]}

    with pytest.raises(DocumentError, match="runtimes ignore includes here"):
        formats.read(json.dumps(whole), "p")


@pytest.mark.parametrize("kind", ["config", "resource"])
def test_two_profiles_in_one_object_are_refused(kind: str):
    """
    Engines would read the one at the root, runtimes or the operator the one within.
    """
    with pytest.raises(InputError, match="several profiles in one object"):
        formats.read(json.dumps({**WHOLE[kind], "defaultAction": "SCMP_ACT_ALLOW"}), "p")


def test_a_config_json_to_hold_a_profile_is_looked_at():
    """
    A profile is not put beside a key that hides it; the one that is replaced does not matter.
    """
    documents.check_config({"linux": {"seccomp": {"Names": 1}}}, "config.json")
    wrong: List[Dict[str, Any]] = [
        {"Linux": {}},
        {"linux": {"Seccomp": {}}},
        {"process": {"args": ["\0"]}},
    ]
    for config in wrong:
        with pytest.raises(DocumentError):
            documents.check_config(config, "config.json")


# --- What lint says of them ---


def _faults(text: str) -> List[Any]:
    ((_, _, profile, faults),) = formats.read_all_as_engines(text, "p")
    remarks = [remark for remark in lint(profile, faults=faults) if remark.code in lint_keys.CODES]
    return [(remark.code, remark.severity, remark.place) for remark in remarks]


def test_lint_goes_on_with_what_engines_read():
    """
    The last spelling of a key counts, null is an empty list, and ignored fields are left out.
    """
    text = """{"DefaultAction": "SCMP_ACT_LOG", "archMap": null, "baseProfileName": "x",
        "syscalls": [{"names": ["a"], "Names": ["b"], "names": ["c"], "action": "SCMP_ACT_KILL"}],
        "defaultAction": "SCMP_ACT_ERRNO"}"""

    ((_, _, profile, _),) = formats.read_all_as_engines(text, "p")

    assert profile == Profile(model.ERRNO, (Rule(("c",), model.KILL),))


def test_lint_names_every_fault_with_its_place():
    """
    Each kind has its code, severity and JSON path; a resembling field is graver than a strange one.
    """
    text = """{"defaultAction": "SCMP_ACT_ERRNO", "DefaultAction": "SCMP_ACT_ERRNO", "x": 1, "x": 2,
        "flags": null, "disabled": true, "sycalls": [],
        "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "args": [{"opp": 1, "index": 0,
            "op": "SCMP_CMP_EQ"}], "includes": {"cap": []}, "qqq": 0}]}"""

    assert sorted(_faults(text)) == sorted(
        [
            (CASE_FOLDED, ERROR, "$"),
            (DUPLICATE, ERROR, "$"),
            (NULL, ERROR, "$.flags"),
            (IGNORED, ERROR, "$.disabled"),
            (UNKNOWN, NOTE, "$.x"),
            (UNKNOWN, NOTE, "$.x"),
            (UNKNOWN, WARNING, "$.sycalls"),
            (UNKNOWN, WARNING, "$.syscalls[0].args[0].opp"),
            (UNKNOWN, WARNING, "$.syscalls[0].includes.cap"),
            (UNKNOWN, NOTE, "$.syscalls[0].qqq"),
        ]
    )


def test_lint_does_not_name_what_is_around_a_profile():
    """
    The other fields of a config.json are none of a profile's.
    """
    whole = {**WHOLE["config"], "x": 1, "linux": {"seccomp": PLAIN, "namespaces": []}}

    assert _faults(json.dumps(whole)) == []


@pytest.mark.parametrize("engine", DEFAULTS)
def test_default_profiles_have_no_strange_keys(engine: str):
    """
    Every field of the engines' own profiles is known.
    """
    assert _faults(default_text(engine)) == []


def test_a_yaml_resource_is_linted_with_a_key_twice():
    """
    A key twice in YAML is a remark to lint, too, and the last one counts.
    """
    text = "kind: SeccompProfile\nspec: {defaultAction: SCMP_ACT_LOG, defaultAction: SCMP_ACT_KILL}"

    ((_, _, profile, faults),) = formats.read_all_as_engines(text, "p")

    assert profile.default_action == model.KILL
    assert [fault.code for fault in faults] == [DUPLICATE]


def test_every_field_that_is_written_is_known():
    """
    What `values` writes of a full profile has no unknown key.
    """
    rule = Rule(
        ("a",),
        model.ERRNO,
        (Condition(0, model.EQUAL, 1, 2),),
        1,
        "EPERM",
        Circumstances(("CAP_A",), ("x86",), (4, 8)),
        Circumstances(("CAP_B",), ("arm",), (4, 9)),
        "comment",
    )
    families = (Family("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86",)),)
    whole = Profile(model.ERRNO, (rule,), 1, "EPERM", (), families, ("F",), "/l", "m")

    _, faults = keys.read_keys(values.document_of(whole), model.DOCKER)

    assert faults == ()
