"""A report as one HTML file, by the template page.html.j2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vibecore.analysis.claims import Finding
from vibecore.analysis.claims.wording import evidence_table
from vibecore.core import formats
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.findings import evidence_figure
from vibecore.views.glossary import LIMITS, PROTOCOL
from vibecore.views.report.content import Content
from vibecore.views.report.drawings import to_svgs
from vibecore.views.tables.hardware import CAPTION, NOTE, hardware_rows
from vibecore.views.terminal import metrics_table, pair_rows


@dataclass(frozen=True)
class Drawing:
    """A figure as the page shows it; `svg` is None where there is nothing to draw, or where it
    cannot be drawn, which `title` then says."""

    title: str
    note: str
    description: str
    svg: Markup | None


def _parts(content: Content) -> list[tuple[str, str, bool]]:
    """The parts of the page: anchor, name, and whether this study has it."""
    return [
        ("run", "How to run it", content.snippet is not None),
        ("decided", "How this was decided", True),
        ("configs", "Every config", True),
        ("charts", "Charts", True),
        ("fidelity", "Fidelity", content.fidelity is not None),
        ("claims", "Claims checked", True),
        ("samples", "Samples", bool(content.samples)),
        ("measured", "How it was measured", True),
    ]


@dataclass(frozen=True)
class Claim:
    """A finding with its evidence, drawn and as a table."""

    finding: Finding
    drawing: Drawing
    evidence: list[dict[str, str]]


def to_html(content: Content) -> str:
    """The page. Every text of a study, a model or a user is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    fidelity = content.fidelity.figures if content.fidelity else []
    evidence = [evidence_figure(f.evidence, f.chart) for f in content.findings]
    drawn = iter(_drawings([*content.figures, *fidelity, *evidence]))
    spot = content.decision.sweet_spot
    return environment.get_template("page.html.j2").render(
        content=content,
        counted=formats.counted,
        study=content.summary.study,
        spot=spot,
        metrics=metrics_table(content.summary.rows),
        hardware=hardware_rows(content.summary.rows),
        hardware_words=(CAPTION, NOTE),
        excluded=[{"not chosen": name, "because": why} for name, why in spot.excluded.items()],
        pairs=pair_rows(content.decision),
        drawings=list(islice(drawn, len(content.figures))),
        fidelity=list(islice(drawn, len(fidelity))),
        contents=[(anchor, name) for anchor, name, shown in _parts(content) if shown],
        claims=[Claim(f, next(drawn), evidence_table(f.evidence)) for f in content.findings],
        untestable=[{"claim": f.statement, "why": f.reason} for f in content.untestable],
        facts=[{"what": name, "recorded": value} for name, value in content.facts],
        protocol=PROTOCOL,
        limits=LIMITS,
    )


def _drawings(figures: Sequence[Figure]) -> list[Drawing]:
    """Figures drawn, all by one process where none ends it."""
    svgs = iter(to_svgs([figure.chart for figure in figures if figure.chart is not None]))
    made = []
    for figure in figures:
        svg = None if figure.chart is None else next(svgs)
        failed = figure.chart is not None and svg is None
        title = f"{figure.title}: this chart could not be drawn" if failed else figure.title
        made.append(Drawing(title, figure.note, figure.description, Markup(svg) if svg else None))
    return made
