"""
Files of up to a megabyte that are made to be slow: many rules, names, conditions, architectures.

`texts` has each by its name; a scale below 1 makes them smaller. For the test, and for
scripts/benchmarks/large.py.
"""

from __future__ import annotations

import json
import random
from typing import Any, Dict, Iterable, List, Mapping, Sequence

MOST = 1_000_000  # bytes

_SPO = (
    "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\n"
    "metadata:\n  name: large\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  syscalls:\n"
)
_BOTH = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
ALLOW, LOG = "SCMP_ACT_ALLOW", "SCMP_ACT_LOG"


def profile(rules: Sequence[Mapping[str, Any]], **more: Any) -> str:
    """A profile in one line, for x86-64 and i386."""
    value = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": _BOTH, "syscalls": rules, **more}
    return json.dumps(
        {key: content for key, content in value.items() if content}, separators=(",", ":")
    )


def rule(names: Sequence[str], *conditions: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    """A rule that allows calls under all of these conditions."""
    conditional = {"args": list(conditions)} if conditions else {}
    return {"names": names, "action": ALLOW, **conditional, **more}


def condition(index: int, operator: str, value: int, two: int = 0) -> Dict[str, Any]:
    """A comparison; `operator` without its prefix."""
    named = {"index": index, "value": value, "op": f"SCMP_CMP_{operator}"}
    return {**named, "valueTwo": two} if operator == "MASKED_EQ" else named


def equal(count: int, *names: str) -> List[Dict[str, Any]]:
    """Rules of one value each."""
    return [rule(names or ["socket"], condition(0, "EQ", 2 * value)) for value in range(count)]


def mixed(numbers: Iterable[int]) -> List[Dict[str, Any]]:
    """Rules of six arguments, operators and answers mixed: a tree of millions of ways."""
    chosen = random.Random(6)
    return [
        {
            **rule(
                ["read"],
                *(
                    condition(index, chosen.choice(["LT", "GE", "NE"]), chosen.randrange(10**6))
                    for index in range(6)
                ),
            ),
            "action": chosen.choice([ALLOW, LOG, "SCMP_ACT_ERRNO"]),
        }
        for _ in numbers
    ]


def texts(scale: float = 1.0) -> Dict[str, str]:
    """Every file, JSON or YAML, by name."""

    def up_to(count: int) -> range:
        return range(1, int(count * scale) + 1)

    def many(prefix: str, count: int) -> List[str]:
        return [f"{prefix}{number}" for number in up_to(count)]

    return {
        "rules": profile(equal(int(9000 * scale))),
        "rules-of-four-calls": profile(equal(int(7500 * scale), "read", "write", "bind", "clone")),
        "rules-of-two-answers": profile(
            [
                {**group, "action": (ALLOW, LOG)[n % 2]}
                for n, group in enumerate(equal(len(up_to(9000))))
            ]
        ),
        "rules-alike": profile([rule(["read"], condition(0, "EQ", 1)) for _ in up_to(9500)]),
        "masks": profile(
            [
                rule(["socket"], condition(0, "MASKED_EQ", number * 2654435761 % 2**31))
                for number in up_to(7500)
            ]
        ),
        "conditions": profile(
            [rule(["socket"], *(condition(n % 6, "EQ", n) for n in up_to(19000)))]
        ),
        "two-arguments": profile(
            [
                rule(["socket"], condition(0, "GE", number), condition(1, "EQ", number))
                for number in up_to(6500)
            ]
        ),
        "six-arguments": profile(
            [
                rule(["socket"], *(condition(index, "NE", number + index) for index in range(6)))
                for number in up_to(3000)
            ]
        ),
        "six-mixed": profile(mixed(up_to(2400))),
        "names": profile([rule(many("c", 100_000))]),
        "names-in-rules": profile([rule([name]) for name in many("c", 19_000)]),
        "names-conditional": profile(
            [
                rule(
                    many("c", 100_000),
                    condition(0, "EQ", 1),
                    includes={"caps": [f"CAP_{number}" for number in range(9)]},
                )
            ]
        ),
        "name-repeated": profile([rule(["read"] * len(up_to(130_000)))]),
        "long-name": profile([rule(["x" * len(up_to(900_000))])]),
        "architectures": profile(
            [rule(many("c", 40_000))], architectures=many("SCMP_ARCH_Z", 28_000)
        ),
        "arch-map": profile(
            [rule(["read"])],
            architectures=[],
            archMap=[
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": _BOTH} for _ in up_to(5000)
            ]
            + [
                {"architecture": f"SCMP_ARCH_Z{n}", "subArchitectures": [f"SCMP_ARCH_Y{n}"]}
                for n in up_to(6000)
            ],
        ),
        "capabilities": profile(
            [rule(["read"], includes={"caps": [name]}) for name in many("CAP_", 12_000)]
        ),
        "kernels": profile(
            [
                rule(["read"], includes={"minKernel": f"{n // 200 + 1}.{n % 200}"})
                for n in up_to(9000)
            ]
        ),
        "hosts": profile([rule(["read"], includes={"arches": many("a", 80_000)})]),
        "errnos": profile(
            [
                {**group, "action": "SCMP_ACT_ERRNO", "errnoRet": n % 4000 + 2}
                for n, group in enumerate(equal(len(up_to(7500))))
            ]
        ),
        "comment": profile([rule(["read"], comment="\u202e\x1b" * len(up_to(80_000)))]),
        "unknown-keys": profile([rule(["read"])], **{name: 1 for name in many("key", 60_000)}),
        "digits": '{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":%s,"syscalls":[]}'
        % ("9" * len(up_to(900_000))),
        "deep": '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":%s%s}'
        % ("[" * len(up_to(400_000)), "]" * len(up_to(400_000))),
        "yaml-rules": _SPO
        + "".join(
            "  - action: SCMP_ACT_ALLOW\n    names: [read]\n    args:\n"
            f"    - {{index: 0, value: {n}, op: SCMP_CMP_EQ}}\n"
            for n in up_to(9000)
        ),
        "yaml-names": _SPO
        + "  - action: SCMP_ACT_ALLOW\n    names:\n"
        + "".join(f"    - {name}\n" for name in many("c", 75_000)),
        "yaml-deep": f"{_SPO}  - {'[' * len(up_to(400_000))}",
        "yaml-keys": "a: " * len(up_to(300_000)),
        "yaml-aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n".replace("*a0", "*a")
            for n in range(1, 9)
        ),
    }
