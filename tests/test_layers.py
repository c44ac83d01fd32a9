"""Imports run downward only, and each heavy package has one importer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from vibecore.paths import PROJECT_ROOT

# From top to bottom; a module may import its own layer's package and what stands below it.
LAYERS = (
    "app",
    "pages",
    "rebuild",
    "__main__",
    "cli",
    "own_suites",
    "run_cells",
    "launch",
    "panel",
    "progress",
    "published",
    "speed_cells",
    "bench_import",
    "plan",
    "study",
    "study_jobs",
    "bench",
    "worker",
    "nursery",
    "hub",
    "engine",
    "export",
    "report",
    "doctor",
    "output_cards",
    "metric_cells",
    "marking",
    "glossary",
    "diff",
    "views",
    "charts",
    "audit",
    "comparison",
    "findings",
    "responses",
    "labelled",
    "rescore",
    "reading",
    "scoring",
    "sandbox",
    "analysis",
    "store",
    "formats",
    "batching",
    "prompts",
    "machine",
    "configs",
    "records",
    "demo",
    "device_queue",
    "run_record",
    "interrupts",
    "paths",
    "errors",
)
HEAVY = {
    "torch": {"engine", "demo"},
    "transformers": {"engine", "demo"},
    "bitsandbytes": {"engine"},
    "accelerate": {"engine"},
    "duckdb": {"store"},
    "streamlit": {"app", "pages"},
}
FILES = sorted(
    path
    for path in [
        PROJECT_ROOT / "app.py",
        *(PROJECT_ROOT / "pages").rglob("*.py"),
        *(PROJECT_ROOT / "vibecore").rglob("*.py"),
    ]
    if path != PROJECT_ROOT / "vibecore" / "__init__.py"
)


def layer_of(path: Path) -> str:
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "vibecore" else parts[0]


def imported(path: Path) -> set[str]:
    """Dotted names of all modules a file imports, at any depth of the code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_imports_run_downward(path: Path) -> None:
    own = layer_of(path)
    assert own in LAYERS, f"name the layer of {own} in this test"
    for name in imported(path):
        top, _, rest = name.partition(".")
        below = rest.partition(".")[0]
        if top == "vibecore" and below in LAYERS:
            assert below == own or LAYERS.index(below) > LAYERS.index(own), f"{own} → {below}"
        if top in HEAVY:
            assert own in HEAVY[top], f"{own} imports {top}"


def test_every_layer_exists() -> None:
    assert {layer_of(path) for path in FILES} == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 310
