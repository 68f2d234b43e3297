"""
A profile with its base: whose rules they are, and which base is refused.
"""

from __future__ import annotations

import pytest

from tracer.errors import InputError
from tracer.profile import model
from tracer.profile.bases import with_base
from tracer.profile.formats import Named
from tracer.profile.model import Profile, Rule


def named(name: str, base: str = "", source: str = "f", **fields: str) -> Named:
    rules = (Rule((f"of_{name}",), model.ALLOW), Rule((f"no_{name}",), model.ERRNO))
    profile = Profile(model.ERRNO, rules, base=base, dialect=model.SPO, **fields)  # type: ignore
    return Named(name, source, profile)


def test_a_profile_has_the_rules_of_its_base_and_of_the_base_of_that():
    """
    Only rules are taken, in the operator's order: sorted by action, a base's before the profile's.
    """
    bases = [named("outer"), named("inner", "outer", listener_path="/x"), named("another")]

    whole = with_base(named("app", "inner"), bases)

    assert [rule.names for rule in whole.rules] == [
        *(("of_outer",), ("of_inner",), ("of_app",)),
        *(("no_outer",), ("no_inner",), ("no_app",)),
    ]
    assert (whole.base, whole.listener_path) == ("", "")


def test_without_a_base_or_without_files_a_profile_stays_as_it_is():
    """
    What is not known of a base is left to whoever needs it.
    """
    alone, adding = named("app"), named("app", "inner")

    assert with_base(alone, [named("inner")]) is alone.profile
    assert with_base(adding, []) is adding.profile


def test_a_base_is_found_by_name_by_file_or_as_the_only_one_of_a_registry():
    """
    The operator installs NAME.json; an OCI artifact's name is not in the profile.
    """
    assert with_base(named("app", "b"), [named("", source="/x/b.json")]).base == ""
    assert with_base(named("app", "oci://r/b:1"), [named("b")]).base == ""
    with pytest.raises(InputError, match="but --base gives only: a, b"):
        with_base(named("app", "oci://r/b:1"), [named("a"), named("b")])


@pytest.mark.parametrize(
    ("bases", "message"),
    [
        ([named("other")], "f: it adds to 'b', but --base gives only: other; name a file"),
        ([named("b"), named("b")], "f: --base gives several profiles 'b' to add to: f, f; --base"),
        ([named("b", "b")], "more than 15 base profiles, or a circle"),
    ],
)
def test_a_base_that_is_not_there_once_is_an_error(bases: list[Named], message: str):
    """
    Missing, twice or in a circle: the message has the names.
    """
    with pytest.raises(InputError, match=message):
        with_base(named("app", "b"), bases)
