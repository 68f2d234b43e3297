"""
Tests of who may import whom: the floor plan's rules, and what stays unloaded until it is needed.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "tracer"

# Parts of the package without input or output; they know nothing but each other.
PURE = ("capabilities", "document", "errors", "profile", "recording", "syscalls", "text")
# Which parts each of these must not know.
STRANGERS = {
    "kernel": ("container", "report", "session", "hook", "cli", "profile"),
    "container": ("kernel", "report", "session", "hook", "cli", "profile"),
    "report": ("kernel", "container", "session", "hook", "cli"),
    "session": ("report", "hook", "cli"),
    "hook": ("report", "cli"),
}
# One door for each third party. A program of its own beside `cli` is only `python -m
# tracer.measuring`, for those who measure runtime floors.
DOORS = {
    "bcc": ("kernel.program",),
    "click": ("cli", "measuring.__main__"),
    "jinja2": ("report", "hook"),
    "pyroute2": ("kernel.audit",),
    "pyseccomp": ("profile.libseccomp",),
    "system_calls": ("syscalls",),
    "yaml": ("profile.yaml",),
}

# What reaches a terminal, and who may use it: whoever else did could forget to make it harmless.
WAYS_OUT = (
    *("print", "click.echo", "click.secho", "click.confirm", "click.prompt", "click.style"),
    *("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write", "open(1)"),
    *("warnings.warn", "traceback.print_exc", "syslog.syslog", "logging.getLogger"),
)
MAY_PRINT = {
    "cli.printing": ("click.echo", "click.confirm", "click.style", "sys.stdout", "sys.stderr"),
    "cli.life": ("sys.stderr",),  # where `report.life` draws
    "cli.results": ("open(1)",),  # a document
    "files": ("os.write",),  # into files
    "hook.saying": ("os.write", "syslog.syslog"),
    "session.resident": ("os.write",),  # into a directory of the kernel's
}


def modules() -> dict[str, Path]:
    """
    Every module of the package by its name without `tracer.`.
    """
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_bpf" not in path.parts:
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imported_by(path: Path) -> set[str]:
    """
    What a module imports, anywhere in it, by full names; `import_module("...")` counts.
    """
    return set(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func):
            argument = node.args[0]
            if isinstance(argument, ast.Constant):
                yield str(argument.value)


def is_within(module: str, parts: tuple[str, ...]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


def is_standard(name: str) -> bool:
    """
    Whether a top-level module belongs to Python itself.
    """
    if name in sys.builtin_module_names:
        return True
    found = importlib.util.find_spec(name)
    origin = (found.origin if found else None) or ""
    standard = origin == "frozen" or origin.startswith(sysconfig.get_path("stdlib"))
    return standard and "-packages" not in origin


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nobody_that_it_must_not_know(module: str):
    """
    Kernel, container and report do not know each other, nor anybody above them.
    """
    imported = imported_by(MODULES[module])

    for part, strangers in STRANGERS.items():
        if is_within(module, (part,)):
            forbidden = tuple(f"tracer.{stranger}" for stranger in strangers)
            assert [name for name in imported if is_within(name, forbidden)] == []


@pytest.mark.parametrize("module", [name for name in MODULES if is_within(name, PURE)])
def test_a_pure_part_imports_pure_parts_and_the_standard_library(module: str):
    """
    What decides imports only what decides too; a third party needs a door of its own.
    """
    pure = tuple(f"tracer.{part}" for part in (*PURE, "__version__"))
    doors = tuple(party for party, places in DOORS.items() if is_within(module, places))

    for name in imported_by(MODULES[module]):
        assert is_within(name, (*pure, *doors)) or is_standard(name.split(".")[0]), name


@pytest.mark.parametrize("module", MODULES)
def test_a_third_party_is_imported_through_its_door(module: str):
    """
    Nobody imports a package from elsewhere but the one part whose business it is.
    """
    for name in imported_by(MODULES[module]):
        top = name.split(".")[0]
        if top != "tracer" and not is_standard(top):
            assert top in DOORS, f"{top} has no door"
            assert is_within(module, DOORS[top]), name


def ways_out_of(path: Path) -> set[str]:
    """
    The ways to a terminal that a module uses, by the names in WAYS_OUT.
    """
    return {_dotted(node) for node in ast.walk(ast.parse(path.read_text()))} & {*WAYS_OUT}


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    if isinstance(node, ast.Call) and _dotted(node.func) == "open" and node.args:
        return f"open({ast.unparse(node.args[0])})"
    if isinstance(node, ast.ImportFrom) and node.module in ("click", "sys", "warnings"):
        return next((name for name in _names_in(node) if name in WAYS_OUT), "")
    return ""


def _names_in(node: ast.ImportFrom) -> Iterator[str]:
    return (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_messages_leave_by_one_door(module: str):
    """
    No module prints by itself; commands print through `cli.printing`, which makes lines harmless.
    """
    assert ways_out_of(MODULES[module]) == {*MAY_PRINT.get(module, ())}


def test_every_rule_is_about_something():
    """
    The parts that the rules name exist, so that renaming one cannot switch a rule off.
    """
    for part in (*PURE, *STRANGERS):
        assert any(is_within(module, (part,)) for module in MODULES), part


HEAVY = tuple(party for party in DOORS if party != "click")


def loaded_by(code: str) -> set[str]:
    """
    Which modules a fresh interpreter has loaded after the code.
    """
    show = "import sys; print(*sys.modules, file=sys.__stdout__)"
    code = f"import atexit\n@atexit.register\ndef show():\n    {show}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import tracer",
        "import tracer.kernel.program, tracer.report.summary, tracer.syscalls",
        "import sys; sys.argv[1:] = ['--help']; from tracer.cli import main; main()",
        "import sys; sys.argv[1:] = ['run', '--help']; from tracer.cli import main; main()",
    ],
    ids=["import", "parts", "help", "help of run"],
)
def test_what_is_heavy_is_loaded_only_when_needed(code: str):
    """
    Importing the package, and asking for help, loads neither bcc nor other heavy packages.
    """
    loaded = loaded_by(code)

    assert "tracer" in loaded
    assert [name for name in HEAVY if name in loaded] == []
