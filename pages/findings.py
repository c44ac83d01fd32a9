"""Findings: the published report's 14 claims, and 3 of ours on next-token distributions, checked on
the chosen study beside the published one.

Supported, not resolved, contradicted, or cannot be tested here; each with its figures, interval, p,
n and method. On a study of other models than the report's, what it cannot test is folded.
"""

from __future__ import annotations

import streamlit as st

from pages.parts import address, cached, frame
from pages.parts.components import link, show_table
from vibecore.analysis.claims import Finding
from vibecore.analysis.claims.wording import evidence_table
from vibecore.views.charts.findings import evidence_figure
from vibecore.views.findings import ANOTHER_QUESTION, FAMILIES_OF_TESTS, in_short, testable, whose
from vibecore.views.short_names import names_of
from vibecore.views.study_order import beside

# A sign beside each verdict, so that a column of them can be scanned.
SIGNS = {"supported": "✓", "contradicted": "✗", "not resolved": "?", "cannot be tested here": "–"}
# Wide enough for a chart with its labels; two fit side by side on a wide screen.
COLUMN_WIDTH = 500


def signed(verdict: str) -> str:
    """A verdict with its sign."""
    return f"{SIGNS[verdict]} {verdict}"


def short_findings(name: str) -> list[Finding]:
    """A study's findings, its configs and models by their short names."""
    short = names_of(cached.runs(key, name))
    return [in_short(finding, short) for finding in cached.findings(key, name)]


def show_overview(found: dict[str, list[Finding]]) -> None:
    """One row a claim with its verdict in each study; a row opens the claim's evidence."""
    names = list(found)
    show_table(
        {
            "caption": "Verdict of each claim by study",
            "look": "plain prose",
            "sortable": False,
            "columns": [{"label": "claim"}, *({"label": name} for name in names)],
            "rows": [
                {
                    "id": claims[0].id,
                    "link": link("findings", study=study.name, claim=claims[0].id),
                    "cells": [
                        {"text": claims[0].statement, "opens": True},
                        *({"text": signed(claim.verdict)} for claim in claims),
                    ],
                }
                for claims in zip(*found.values(), strict=True)
            ],
        },
        key="findings",
    )


def show_finding(name: str, finding: Finding) -> None:
    """One claim on one study: verdict, reason, and its evidence drawn."""
    frame.show_html("h3", f"{name}: {finding.verdict}")
    if finding.statement != chosen[study.name].statement:
        frame.show_note(finding.statement)
    frame.show_html("p", finding.reason)
    figure = evidence_figure(finding.evidence, finding.chart)
    if figure.chart is not None:
        frame.show_note(f"{figure.title}. {figure.note}")
        st.altair_chart(figure.chart, width="stretch", key=f"evidence-{name}")


def show_evidence(name: str, finding: Finding) -> None:
    """The comparisons behind a verdict, each with its interval, n and method."""
    rows = evidence_table(finding.evidence)
    with st.expander(f"Evidence of {frame.plain(name)} ({len(rows)})"):
        show_table(
            {
                "caption": f"Evidence of {name}",
                "look": "plain prose",
                "sortable": False,
                "columns": [{"label": column} for column in rows[0]],
                "rows": [
                    {"id": str(number), "cells": [{"text": text} for text in row.values()]}
                    for number, row in enumerate(rows)
                ],
            },
            key=f"rows-{name}",
        )


def show_folded(folded: list[Finding]) -> None:
    """The claims that this study cannot test, each with why."""
    claims = "1 claim" if len(folded) == 1 else f"{len(folded)} claims"
    with st.expander(f"{claims} that this study cannot test, and why"):
        show_table(
            {
                "caption": "Claims that cannot be tested here",
                "look": "plain prose",
                "sortable": False,
                "columns": [{"label": "claim"}, {"label": "why"}],
                "rows": [
                    {"id": one.id, "cells": [{"text": one.statement}, {"text": one.reason}]}
                    for one in folded
                ],
            },
            key="folded",
        )


study = frame.current_study()
frame.show_html("h1", "Findings")
with frame.errors_in_words():
    key = cached.content()
    runs = cached.runs(key, study.name)
    other = beside(study.name, [row.name for row in cached.studies(key)])
    names = [study.name, other] if other else [study.name]
    found = {name: findings for name in names if (findings := short_findings(name))}
shown, folded = testable(found.get(study.name, []), runs)
ids = [finding.id for finding in shown]
PARAMETERS = {"claim": address.one_of(ids, ids[0])} if ids else {}
address.read("findings", PARAMETERS)
frame.show_html("p", whose(runs))
frame.show_note(
    "A claim is supported or contradicted only where its interval shows it; what shows neither is "
    f"not resolved, which is never the same as equal. {ANOTHER_QUESTION}"
)
frame.show_warnings(study.name)
frame.show_model_notes(study.name)
if not shown:
    why = "has no config yet, so there is nothing to check" if not runs else "can test none of them"
    frame.show_html("p", f"This study {why}.")
    if folded:
        show_folded(folded)
    address.write("findings", PARAMETERS)
    st.stop()

show_overview({n: [one for one in all_ if one.id in ids] for n, all_ in found.items()})
if folded:
    show_folded(folded)
statements = {finding.id: finding.statement for finding in shown}
st.selectbox("Claim", ids, format_func=lambda id_: statements[id_], key="claim")
address.write("findings", PARAMETERS)
chosen = {
    name: next(finding for finding in findings if finding.id == st.session_state["claim"])
    for name, findings in found.items()
}
frame.show_html("h2", chosen[study.name].statement)
frame.show_note(f"It takes {chosen[study.name].needs}.")
with st.container(horizontal=True):
    for name, finding in chosen.items():
        with st.container(width=COLUMN_WIDTH):
            show_finding(name, finding)
for name, finding in chosen.items():
    if finding.evidence:
        show_evidence(name, finding)
frame.show_note(
    "Intervals are over prompts: they say what other prompts of this kind would show, not another "
    f"run, machine or day. {FAMILIES_OF_TESTS}",
)
