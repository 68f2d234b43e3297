"""
The calls that a profile allows and this host's libseccomp does not know.

Runtimes ignore the rules for them, so the container gets another answer than was recorded. The
OCI hook, which a container's end waits for, makes profiles too: libseccomp is loaded only if the
profile names a call that is newer than the oldest libseccomp that we support.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Callable, Iterable, Iterator, List, Tuple

from tracer import syscalls
from tracer.errors import HostError, InputError
from tracer.profile.releases import OLDEST, RELEASE_OF, release_text

if TYPE_CHECKING:
    from tracer.profile.decide import Answer
    from tracer.profile.model import Profile
    from tracer.recording import Run

# The newest call of OLDEST on all architectures: memfd_secret. A name that `releases` lacks is
# newer than our tables if its number is greater.
_LAST_OF_OLDEST = 447


def unenforced(
    names: Iterable[str], runs: Iterable[Run], read: Callable[[], Profile]
) -> Tuple[str, ...]:
    """
    Return a message about those of these calls that a profile allows and libseccomp here ignores.

    No message if there is no such call, or no libseccomp to ask. `read` returns the profile; the
    runs say under which runtimes its containers start.
    """
    new = [name for name in sorted(names) if _is_new(name)]
    unknown = {name for name in new if not _is_known_here(name)}
    if not unknown:
        return ()
    answers = _answers(unknown, tuple(runs), read())
    return (_message(answers),) if answers else ()


def _is_new(name: str) -> bool:
    if name in RELEASE_OF:
        return RELEASE_OF[name] > OLDEST
    number = syscalls.number_of(syscalls.X86_64, name)
    return number is not None and number > _LAST_OF_OLDEST


def _is_known_here(name: str) -> bool:
    from tracer.profile import libseccomp

    try:
        return libseccomp.knows(name)
    except HostError:
        return True  # nobody knows, so there is nothing to report


def _answers(
    unknown: AbstractSet[str], runs: Tuple[Run, ...], profile: Profile
) -> List[Tuple[str, str]]:
    """The calls that get another answer, sorted, each with that answer."""
    from tracer.profile.reduce import allowed_names

    allowed = sorted(unknown & allowed_names(profile))
    try:
        return [
            (name, word)
            for name in allowed
            for word in dict.fromkeys(map(_word, _answers_to(name, runs, profile)))
        ]
    except InputError:
        return []  # no runtime loads the profile, which other commands report


def _answers_to(name: str, runs: Tuple[Run, ...], profile: Profile) -> Iterator[Answer]:
    from tracer.capabilities.held import held_by
    from tracer.profile.decide import CRUN, RUNC, kind_of
    from tracer.profile.judge import Judge
    from tracer.recording import Run

    for run in runs or (Run(""),):
        kinds = (kind_of(run.runtime, run.runtime_version),) if run.runtime else (RUNC, CRUN)
        for kind in kinds:
            judge = Judge(profile, held_by(run), kind)
            found = judge.answers_to(run.architecture or syscalls.X86_64, name)
            yield from (answer for answer in found if not answer.lets_through)


def _word(answer: Answer) -> str:
    return answer.action if answer.errno is None else syscalls.error_name(answer.errno)


def _message(answers: List[Tuple[str, str]]) -> str:
    from tracer.profile import libseccomp
    from tracer.profile.known_calls import library_text

    names = list(dict.fromkeys(name for name, _ in answers))
    words = sorted({word for _, word in answers})
    it = "it" if len(names) == 1 else "them"
    releases = [RELEASE_OF[name] for name in names if name in RELEASE_OF]
    newer = f"; libseccomp {release_text(max(releases))} knows {it}" if releases else ""
    return (
        f"{library_text(libseccomp.version())} of this host does not know {', '.join(names)}: "
        f"runtimes that use it ignore the rule for {it}, and containers get {' or '.join(words)}"
        f"{newer}"
    )
