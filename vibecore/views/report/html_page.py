"""A report as one HTML file: no script, no request, readable light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from vibecore.analysis.claims import Finding
from vibecore.analysis.claims.wording import evidence_table
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.findings import evidence_figure
from vibecore.views.glossary import LIMITS, PROTOCOL
from vibecore.views.report.content import Content, Sample
from vibecore.views.report.drawings import to_svg
from vibecore.views.terminal import metrics_table, output_facts, pair_rows

Row = Mapping[str, Any]

# Nothing may be fetched or run, whatever a text says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
# Characters of a cell that is not broken.
SHORT = 16
ROW_HEADING = 'th scope="row"'
STYLE = """
:root { color-scheme: light dark; --ink: #23262a; --paper: #fdfdfb; --soft: #5f6368;
  --rule: #d9d6ce; --accent: #8f3f06; --panel: #f4f3ef; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --paper: #16181b; --soft: #a4a8ad;
  --rule: #3a3e44; --accent: #f0aa66; --panel: #202327; } }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 16px/1.45 system-ui, sans-serif;
  font-variant-numeric: tabular-nums lining-nums; }
h1, h2, h3 { line-height: 1.25; font-family: Georgia, serif; font-weight: 600; }
h1 { font-size: 1.8rem; margin: 0 0 .4rem; } h2 { font-size: 1.35rem; margin: 2.4rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
p, li { max-width: 46rem; } .soft { color: var(--soft); font-size: .92rem; }
.spot { border-left: 3px solid #cf7420; padding: .1rem 0 .1rem .9rem; max-width: 46rem; }
.spot strong { display: block; font-size: 1.15rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; border-top: 1.5px solid var(--ink);
  border-bottom: 1.5px solid var(--ink); font-size: .92rem; }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; font-weight: 400; }
.short { white-space: nowrap; }
thead th { font-weight: 600; border-bottom: 1px solid var(--ink); }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
tr.marked { box-shadow: inset 3px 0 0 #cf7420; } tr.marked th { font-weight: 600; }
figure { margin: .4rem 0 1rem; } figure svg { max-width: 100%; height: auto; overflow: visible; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel);
  padding: .7rem .9rem; margin: .3rem 0; font-size: .86rem; }
summary { cursor: pointer; } details { margin: .4rem 0; }
@media print { details { display: block; } }
"""


def to_html(content: Content) -> str:
    """The page. Every text of a study, a model or a user is escaped."""
    study = content.summary.study
    figures = iter(range(1, 1000))
    body = [
        f"<h1>{escape(study['title'])}</h1>",
        _paragraph(f"Study {study['name']}, {study['source']}.", "soft"),
        *(_paragraph(note, "soft") for note in content.notes),
        _answer(content),
        "<h2>Every config</h2>",
        _table(metrics_table(content.summary.rows), marked=content.decision.sweet_spot.config),
        _why_not(content),
        "<h2>Charts</h2>",
        *(_figure(figure, next(figures)) for figure in content.figures),
        "<h2>What the published report claims, checked on this study</h2>",
        _table([{"claim": f.statement, "verdict": f.verdict} for f in content.findings]),
        *(_finding(finding, figures) for finding in content.findings),
        *_samples(content.samples),
        "<h2>How it was measured</h2>",
        _table([{"what": name, "recorded": value} for name, value in content.facts]),
        "<h3>The protocol of measured studies</h3>",
        _list(PROTOCOL),
        "<h3>What this cannot say</h3>",
        _list(LIMITS),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study['title'])}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _answer(content: Content) -> str:
    spot, stability = content.decision.sweet_spot, content.decision.stability
    title = f"Sweet spot: {spot.config}" if spot.config else "No sweet spot"
    parts = [
        f'<div class="spot"><strong>{escape(title)}</strong>{escape(spot.reason)}</div>',
    ]
    if stability is not None:
        parts.append(_paragraph(stability.sentence()))
    if content.switches:
        parts += ["<h3>What would change it</h3>", _list(content.switches)]
    return "\n".join(parts)


def _why_not(content: Content) -> str:
    spot, pairs = content.decision.sweet_spot, pair_rows(content.decision)
    parts = []
    if spot.excluded:
        rows = [{"not chosen": config, "because": why} for config, why in spot.excluded.items()]
        parts += ["<h3>Not chosen, and why</h3>", _table(rows)]
    if pairs:
        parts += ["<h3>Against the best on each metric</h3>", _table(pairs)]
    return "\n".join(parts)


def _figure(figure: Figure, number: int, heading: str = "h3") -> str:
    if figure.chart is None:
        return _paragraph(f"{figure.title}.", "soft")
    return (
        f"<{heading}>{escape(figure.title)}</{heading}>{_paragraph(figure.note, 'soft')}"
        f'<figure role="img" aria-label="{escape(figure.description)}">'
        f"{to_svg(figure.chart, number)}</figure>"
    )


def _finding(finding: Finding, figures: Iterable[int]) -> str:
    figure = evidence_figure(finding.evidence, finding.chart)
    parts = [
        f"<h3>{escape(finding.statement)}: {escape(finding.verdict)}</h3>",
        _paragraph(finding.reason),
    ]
    if figure.chart is not None:
        parts.append(_figure(figure, next(iter(figures)), heading="h4"))
    if finding.evidence:
        parts.append(
            f"<details><summary>Evidence ({len(finding.evidence)})</summary>"
            f"{_table(evidence_table(finding.evidence))}</details>"
        )
    return "\n".join(parts)


def _samples(samples: Sequence[Sample]) -> list[str]:
    if not samples:
        return []
    parts = [
        "<h2>Samples</h2>",
        _paragraph(
            "The first prompt of each category with outputs, at every config: chosen by place in "
            "the suite, not by result.",
            "soft",
        ),
    ]
    for sample in samples:
        parts.append(f"<h3>{escape(sample.prompt_id)} · {escape(sample.category)}</h3>")
        parts.append(f"<pre>{escape(sample.prompt)}</pre>")
        for output in sample.outputs:
            head = " · ".join(part for part in (output["config"], output_facts(output)) if part)
            verdicts = [f"{c['status']}: {c['explanation']}" for c in output["constraints"]]
            parts.append(
                f"<details><summary>{escape(head)}</summary><pre>{escape(output['text'])}</pre>"
                f"{_list(verdicts)}</details>"
            )
    return parts


def _table(rows: Sequence[Row], marked: str | None = None) -> str:
    """Rows of text as a table; the row whose first cell begins with `marked` stands out."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    lines = []
    for row in rows:
        first, *rest = row.values()
        config = str(next(iter(row.values()))).partition(" ")[0]
        style = ' class="marked"' if marked is not None and config == marked else ""
        cells = "".join(_cell("td", value) for value in rest)
        lines.append(f"<tr{style}>{_cell(ROW_HEADING, first)}{cells}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(tag: str, value: object) -> str:
    """A cell; one of few characters, such as a config's name, stays on its line."""
    text = str(value)
    short = ' class="short"' if len(text) <= SHORT else ""
    return f"<{tag}{short}>{escape(text)}</{tag.partition(' ')[0]}>"


def _paragraph(text: str, style: str = "") -> str:
    shown = f' class="{style}"' if style else ""
    return f"<p{shown}>{escape(text)}</p>" if text else ""


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""
