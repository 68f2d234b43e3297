"""
What a profile says beside its rules: which agent answers NOTIFY, and the filter's flags.
"""

from __future__ import annotations

from typing import Dict, Tuple

from tracer.profile import model
from tracer.profile.model import Profile

LISTENER, METADATA, FLAGS = "listener", "listener-metadata", "flags"
# Switches off the kernel's mitigation of speculative store bypass (seccomp(2)).
SPEC_ALLOW = "SECCOMP_FILTER_FLAG_SPEC_ALLOW"

# Words of a setting, none where the profile does not say it.
Words = Tuple[str, ...]


def settings(profile: Profile) -> Dict[str, Words]:
    """Return the settings by kind; a listener that no rule asks is none."""
    asks = model.NOTIFY in {profile.default_action, *(rule.action for rule in profile.rules)}
    path, metadata = profile.listener_path, profile.listener_metadata
    return {
        LISTENER: (path,) if asks and path else (),
        METADATA: (metadata,) if asks and metadata else (),
        FLAGS: tuple(sorted(set(profile.flags))),
    }


def without_mitigation(flags: Words) -> bool:
    """
    Say whether filters with these flags switch the mitigation off.

    For no flags runc (SetupSeccomp in specconv/spec_linux.go) and crun (libcrun_apply_seccomp) set
    SPEC_ALLOW themselves.
    """
    return not flags or SPEC_ALLOW in flags
