"""
A profile as data: frozen records for what every dialect of a seccomp document can say.

Records and the words they are made of; text belongs to `formats`, JSON to `documents` and `values`,
what rules mean to `resolve` and `decide`. Nothing is lost: each record that was read from a
document has the object it came from in `kept`, with its order, its unknown fields and its way of
spelling (`"args": null` or `[]`, `name` or `names`). Writing starts from there and touches only
the fields that differ. So a change is `dataclasses.replace(rule, names=...)`, a new rule is
`Rule(...)`, and `kept` is nobody's business but `values`'. It takes no part in equality: two
records are equal if they say the same in the fields below, and all are hashable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, NamedTuple, Optional, Tuple

# --- Dialects ---

# Moby's and containers-common's document. A document counts as podman's if it names an errno
# (`errno`, `defaultErrno`), which Docker ignores, and as Docker's otherwise.
DOCKER = "docker"
PODMAN = "podman"
# `linux.seccomp` of a runtime-spec config.json.
OCI = "oci"
# SeccompProfile of the security-profiles-operator, YAML.
SPO = "spo"

# Where the profile stands in a document of each dialect, elsewhere at the root.
ROOTS = {OCI: "$.linux.seccomp", SPO: "$.spec"}

# --- Engines: DOCKER, PODMAN and ---

# It reads a profile as the bare `linux.seccomp` of a config.json, without a dialect of its own.
CONTAINERD = "containerd"
ENGINES = (PODMAN, DOCKER, CONTAINERD)

# --- Actions, from runtime-spec; KILL is KILL_THREAD's old name ---

KILL_PROCESS = "SCMP_ACT_KILL_PROCESS"
KILL_THREAD = "SCMP_ACT_KILL_THREAD"
KILL = "SCMP_ACT_KILL"
TRAP = "SCMP_ACT_TRAP"
ERRNO = "SCMP_ACT_ERRNO"
NOTIFY = "SCMP_ACT_NOTIFY"
TRACE = "SCMP_ACT_TRACE"
LOG = "SCMP_ACT_LOG"
ALLOW = "SCMP_ACT_ALLOW"
# Strictest first: the kernel's own precedence among filters (seccomp(2)).
ACTIONS = (KILL_PROCESS, KILL_THREAD, KILL, TRAP, ERRNO, NOTIFY, TRACE, LOG, ALLOW)
# The actions that carry a number; without one the runtimes give EPERM.
WITH_ERRNO = (ERRNO, TRACE)
EPERM = 1

# --- Operators, from runtime-spec ---

NOT_EQUAL = "SCMP_CMP_NE"
LESS = "SCMP_CMP_LT"
LESS_OR_EQUAL = "SCMP_CMP_LE"
EQUAL = "SCMP_CMP_EQ"
GREATER_OR_EQUAL = "SCMP_CMP_GE"
GREATER = "SCMP_CMP_GT"
# (argument & value) == (value_two & value): libseccomp drops the bits that the mask does not have.
MASKED_EQUAL = "SCMP_CMP_MASKED_EQ"
OPERATORS = (
    NOT_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    EQUAL,
    GREATER_OR_EQUAL,
    GREATER,
    MASKED_EQUAL,
)

MOST_ARGUMENTS = 6

# A JSON object as it was read; empty for a record that is new.
Kept = Mapping[str, object]


@dataclass(frozen=True)
class Condition:
    """
    One comparison of one argument, as unsigned 64-bit numbers; `args` of a rule has some.

    `value_two` is used by MASKED_EQUAL alone.
    """

    index: int
    operator: str
    value: int
    value_two: int = 0
    kept: Kept = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Circumstances:
    """
    What a rule depends on besides the call itself: `includes` and `excludes`.

    Capabilities (CAP_...) are the container's bounding set; architectures are the host's, in
    libseccomp's own words (amd64, x86, arm64, ...), not tokens; the kernel is (major, minor).
    """

    capabilities: Tuple[str, ...] = ()
    architectures: Tuple[str, ...] = ()
    minimal_kernel: Optional[Tuple[int, int]] = None
    kept: Kept = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.capabilities or self.architectures or self.minimal_kernel)


@dataclass(frozen=True)
class Rule:
    """
    One entry of `syscalls`: what to do with these calls, if all conditions hold.

    Two conditions on the same argument make the runtimes take each condition as a rule of its own,
    so that any of them suffices (runc and crun alike; see `resolve.alternatives`).

    `errno` is the number of `errnoRet`, `errno_name` is podman's `errno` (a name or digits), which
    goes before `errnoRet` in podman and is ignored by everybody else.
    """

    names: Tuple[str, ...]
    action: str
    conditions: Tuple[Condition, ...] = ()
    errno: Optional[int] = None
    errno_name: str = ""
    includes: Circumstances = Circumstances()
    excludes: Circumstances = Circumstances()
    comment: str = ""
    kept: Kept = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Family:
    """One entry of `archMap`: on a host of this architecture, these are filtered too."""

    architecture: str
    members: Tuple[str, ...] = ()
    kept: Kept = field(default_factory=dict, compare=False, repr=False)


class Layout(NamedTuple):
    """How a JSON text is laid out: what a level is indented by, None on one line; its end."""

    indent: Optional[str] = "\t"
    end: str = "\n"


@dataclass(frozen=True)
class Profile:
    """
    A whole profile. Architectures are tokens (SCMP_ARCH_X86_64) throughout.

    `architectures` and `families` (`archMap`) exclude each other. `base` is the profile that one
    of the security-profiles-operator is added to. `around` is the document that `kept` was found
    in, for the dialects in which a profile is a part of one (OCI, SPO). `source` is what to call
    it in messages; empty if it is in no file.
    """

    default_action: str
    rules: Tuple[Rule, ...] = ()
    default_errno: Optional[int] = None
    default_errno_name: str = ""
    architectures: Tuple[str, ...] = ()
    families: Tuple[Family, ...] = ()
    flags: Tuple[str, ...] = ()
    listener_path: str = ""
    listener_metadata: str = ""
    base: str = ""
    dialect: str = DOCKER
    kept: Kept = field(default_factory=dict, compare=False, repr=False)
    around: Kept = field(default_factory=dict, compare=False, repr=False)
    layout: Layout = field(default=Layout(), compare=False, repr=False)
    source: str = field(default="", compare=False, repr=False)

    def says(self, message: str) -> str:
        """Return a message about this profile, with its source if that is known."""
        return f"{self.source}: {message}" if self.source else message
