"""The eleven rooms: imports run downward only, no two files import each other in a circle, and
each heavy package has one importer."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

from vibecore.core.paths import PROJECT_ROOT

# Room -> rank. A file imports its own room and rooms of a lower rank; rooms of one rank never
# import each other.
ROOMS = {
    "core": 0,
    "catalog": 1,
    "scoring": 2,
    "engine": 2,
    "store": 2,
    "runtime": 3,
    "analysis": 4,
    "studies": 5,
    "views": 6,
    "live": 7,
    "cli": 8,
}
PAGES_RANK = 8
# Third-party package -> the rooms that may import it.
HEAVY = {
    "torch": {"engine"},
    "transformers": {"engine"},
    "bitsandbytes": {"engine"},
    "accelerate": {"engine"},
    "torchao": {"engine"},
    "optimum": {"engine"},
    "duckdb": {"store"},
    "streamlit": {"pages"},
}
FILES = sorted(
    path
    for path in [
        PROJECT_ROOT / "app.py",
        PROJECT_ROOT / "dashboard.py",
        *(PROJECT_ROOT / "pages").rglob("*.py"),
        *(PROJECT_ROOT / "vibecore").rglob("*.py"),
    ]
    # The public surface names every room, lazily.
    if path.parent != PROJECT_ROOT / "vibecore"
)


def room_of(path: Path) -> str:
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "vibecore" else "pages"


def module_of(path: Path) -> str:
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of all modules that some code imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_run_downward(path: Path) -> None:
    own = room_of(path)
    assert own == "pages" or own in ROOMS, f"{own} is not a room"
    rank = ROOMS.get(own, PAGES_RANK)
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        if top == "vibecore" and room in ROOMS and room != own:
            assert ROOMS[room] < rank, f"{own} imports {name}"
        if top in HEAVY:
            assert own in HEAVY[top], f"{own} imports {top}"


def test_there_are_eleven_rooms() -> None:
    folders = {path.parent.name for path in (PROJECT_ROOT / "vibecore").glob("*/__init__.py")}
    loose = {path.name for path in (PROJECT_ROOT / "vibecore").glob("*.py")}
    assert folders == set(ROOMS)
    assert loose == {"__init__.py", "__main__.py"}


def test_no_circle_of_files() -> None:
    modules = {module_of(path): path for path in FILES}
    graph = {
        module: {
            name
            for name in imported(ast.parse(path.read_text(encoding="utf-8"))) & set(modules)
            # A package's __init__ gathers its own files; they may name the package's siblings.
            if name != module and not module.startswith(f"{name}.")
        }
        for module, path in modules.items()
    }
    list(graphlib.TopologicalSorter(graph).static_order())
