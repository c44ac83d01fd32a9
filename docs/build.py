"""Complete the docs from the code's own tables: `python -m docs.build`, or `--check` to compare.

A section of a docs file between `<!-- generated: NAME -->` and `<!-- end -->` is what SECTIONS'
function of that name returns.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOMS = (
    "core",
    "catalog",
    "scoring",
    "engine",
    "store",
    "runtime",
    "analysis",
    "studies",
    "views",
    "live",
    "cli",
)
SECTION = re.compile(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def rooms() -> str:
    """One line a room: the first paragraph of its package's docstring."""
    return table(("room", "job"), ((f"`vibecore/{room}/`", _room_job(room)) for room in ROOMS))


def _room_job(room: str) -> str:
    return _docstring(DOCS.parent / "vibecore" / room / "__init__.py").split("\n\n")[0]


def pages() -> str:
    """One line a page: its section of the menu, its title, and its module's docstring."""
    page_table = import_module("pages.parts.page_table")
    rows = []
    for section, pages in page_table.SECTIONS.items():
        for name, title in pages.items():
            about = _docstring(DOCS.parent / page_table.file_of(name))
            what = (about.partition(": ")[2] or about).replace("\n\n", " ")
            rows.append((section, title, what))
    return table(("section", "page", "what it shows"), rows)


def commands() -> str:
    """Every command with its help and options."""
    import typer

    group: Any = typer.main.get_command(import_module("vibecore.cli").app)
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        found.append((name, command))
        found += [(f"{name} {sub}", one) for sub, one in getattr(command, "commands", {}).items()]
    parts = []
    for name, command in found:
        rows = [
            (_how_given(parameter), getattr(parameter, "help", None) or "")
            for parameter in command.params
            if parameter.name != "help"
        ]
        options = f"\n\n{table(('option', 'what it does'), rows)}" if rows else ""
        parts.append(f"### `{name}`\n\n{' '.join((command.help or '').split())}{options}")
    return "\n\n".join(parts)


def _how_given(parameter: Any) -> str:
    """An option's names, or an argument in capitals."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))


def metrics() -> str:
    """One line a metric that is explained."""
    rows = [
        (metric.called, metric.unit, " ".join(filter(None, (metric.sentence, metric.source))))
        for metric in import_module("vibecore.analysis.metrics").METRICS
        if metric.sentence
    ]
    return table(("metric", "unit", "what it is"), rows)


def checks() -> str:
    """A table of checks for each kind: demands, what is accepted, and the rule's source."""
    kinds = import_module("vibecore.scoring.checks").KINDS
    known = import_module("vibecore.scoring").CHECKS.values()
    return "\n\n".join(
        f"### {kind[0].upper()}{kind[1:]}\n\n"
        + table(
            ("check", "what it demands", "what it accepts", "source of the rule"),
            [
                (f"`{check.name}`", check.sentence, check.accepts, check.source or "ours")
                for check in known
                if check.kind == kind
            ],
        )
        for kind in kinds
    )


def precisions() -> str:
    """One line a precision: what it is, its bits per weight, and what else describes it."""
    words = import_module("vibecore.views.precision_words")
    rows = [
        (
            ", ".join(f"`{name}`" for name in row.name.split(", ")),
            f"[{row.title}]({row.link})",
            row.bits,
            row.unquantised,
            row.calibration,
            row.hardware,
            f"`{row.install}`" if row.install else "",
        )
        for row in words.precision_rows()
    ]
    return table(words.HEADS, rows)


def families() -> str:
    """One line a family: its models with their sources, and its precisions; and how to get access
    to gated ones."""
    catalog = import_module("vibecore.catalog.models")
    rows = [
        (
            f"`{name}`",
            ", ".join(f"`{model}` ({catalog.MODELS[model].source})" for model in models),
            ", ".join(f"`{precision}`" for precision in names),
        )
        for name, (models, names) in catalog.FAMILIES.items()
    ]
    gated = [
        f"- `{name}`: {model.access}" for name, model in catalog.MODELS.items() if model.access
    ]
    return table(("family", "models", "precisions"), rows) + "\n\nGated:\n\n" + "\n".join(gated)


def architectures() -> str:
    """The architectures that specs are read of."""
    known = import_module("vibecore.catalog.architectures").ARCHITECTURES
    names = ", ".join(f"`{name}`" for name in known)
    return (
        f"Known from config.json's `model_type`: {names}. Their memory is estimated before "
        "loading, `--weights dummy` can fill them, and engine `graph` decodes them."
    )


def memory() -> str:
    """What torch's allocator reached on a GPU in the shipped studies, and what the model says."""
    bench = import_module("benchmarks.memory_model")
    rows = []
    for peak in bench.stored_peaks(import_module("vibecore.core.paths").DEFAULT_DB):
        load = peak.workload
        tokens = f"{load.prompt_tokens:,} + {load.new_tokens}"
        measured, modelled = (f"{size / bench.MIB:,.0f}" for size in (peak.measured, peak.modelled))
        batched = tokens if load.batch_size == 1 else f"{load.batch_size} × ({tokens})"
        off = f"{peak.modelled / peak.measured - 1:+.1%}".replace("-", "−").replace("%", " %")
        rows.append(
            (peak.source, peak.config, f"`{peak.engine}`", batched, measured, modelled, off)
        )
    return table(("study", "config", "engine", "tokens", "measured", "model", "off"), rows)


def card() -> str:
    """What a GPU lost in all, by `--measure` of benchmarks/memory_model.py, and the model."""
    bench = import_module("benchmarks.memory_model")
    peaks = bench.measured_peaks(bench.MEASURED)
    rows = []
    for allocated, in_all in zip(peaks[::2], peaks[1::2], strict=True):
        load = allocated.workload
        tokens = f"{load.prompt_tokens:,} + {load.new_tokens}"
        rows.append(
            (
                allocated.config,
                f"`{allocated.engine}`",
                tokens if load.batch_size == 1 else f"{load.batch_size} × ({tokens})",
                *(
                    f"{size / bench.MIB:,.0f}"
                    for peak in (allocated, in_all)
                    for size in (peak.measured, peak.modelled)
                ),
            )
        )
    heads = ("config", "engine", "tokens", "allocated", "model", "in all", "model")
    return table(heads, rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are Markdown already, pipes excepted."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _docstring(file: Path) -> str:
    """A module's docstring, read without importing it; one line a paragraph."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return "\n\n".join(" ".join(part.split()) for part in docstring.split("\n\n"))


# name of a section -> what it holds
SECTIONS: dict[str, Callable[[], str]] = {
    "rooms": rooms,
    "pages": pages,
    "commands": commands,
    "metrics": metrics,
    "checks": checks,
    "precisions": precisions,
    "families": families,
    "architectures": architectures,
    "memory": memory,
    "card": card,
}


def completed(text: str) -> str:
    """A docs file with its generated sections as they are now."""
    return SECTION.sub(
        lambda match: f"<!-- generated: {match[1]} -->\n{SECTIONS[match[1]]()}\n<!-- end -->",
        text,
    )


def main() -> None:
    """Rewrite the files, or with --check say which are out of date and exit 1."""
    parser = argparse.ArgumentParser(description="Complete the docs from the code's tables.")
    parser.add_argument("--check", action="store_true", help="Only say which files would change.")
    check = parser.parse_args().check
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        fresh = completed(text)
        if fresh != text:
            stale.append(path.name)
            if not check:
                path.write_text(fresh, encoding="utf-8")
    if check and stale:
        sys.exit(f"Out of date: {', '.join(stale)}. Run: python -m docs.build")


if __name__ == "__main__":
    main()
