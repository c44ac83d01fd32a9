"""A report as Markdown, for a pull request: the table, the answer, findings, samples, protocol."""

from __future__ import annotations

import re
from html import escape

from vibecore.core import formats
from vibecore.views.report.content import Content, Sample
from vibecore.views.tables.hardware import CAPTION, NOTE, hardware_rows
from vibecore.views.terminal import metrics_table

# Markdown's own least number of backticks.
SHORTEST_FENCE = 3


def to_markdown(content: Content) -> str:
    """The document. Texts of a study, a model or a user are escaped or fenced."""
    study, spot = content.summary.study, content.decision.sweet_spot
    text = formats.markdown_text
    lines = [
        f"# {text(study.title)}",
        "",
        f"**{text(content.answer)}.**",
        "",
        *(part for line in content.lines for part in (text(line), "")),
    ]
    if content.snippet is not None:
        code = [*_fenced(content.snippet.code, "python"), ""]
        code += [f"- {text(note)}" for note in content.snippet.notes]
        lines += _folded("How to run it: Python code", code)
    lines += [part for warning in content.warnings for part in (f"**{text(warning)}**", "")]
    how = [text(spot.reason), ""]
    if content.decision.stability is not None:
        how += [text(content.decision.stability.sentence()), ""]
    how += [f"- {text(sentence)}" for sentence in content.switches]
    lines += _folded("How this was decided", how)
    lines += [formats.to_markdown(metrics_table(content.summary.rows))]
    if by_kind := hardware_rows(content.summary.rows):
        lines += [f"{CAPTION}. {NOTE}", "", formats.to_markdown(by_kind)]
    lines += [f"- {text(note)}" for note in content.notes]
    if content.fidelity is not None:
        lines += ["", "## Fidelity", ""]
        for sentence in content.fidelity.sentences:
            lines += [text(sentence), ""]
        lines += _folded(
            "Every config against its parent, and each parent against itself",
            [formats.to_markdown(content.fidelity.rows)],
        )
        if content.fidelity.flips:
            lines += _folded(
                "Flips: verdicts that are not the parent's",
                [formats.to_markdown(content.fidelity.flips)],
            )
    lines += ["", "## What the published report claims, checked on this study", ""]
    lines += [text(content.whose), ""]
    found = [
        {"claim": f.statement, "verdict": f.verdict, "because": f.reason}
        for f in (*content.findings, *content.untestable)
    ]
    lines += _folded(f"{len(found)} claims", [formats.to_markdown(found)])
    for sample in content.samples:
        lines += _sample(sample, spot.config)
    facts = [{"what": name, "recorded": value} for name, value in content.facts]
    lines += _folded("How it was measured", [formats.to_markdown(facts)])
    return "\n".join(lines) + "\n"


def _folded(head: str, lines: list[str]) -> list[str]:
    """Lines that open on a click, as GitHub shows them."""
    return [f"<details><summary>{escape(head)}</summary>", "", *lines, "", "</details>", ""]


def _sample(sample: Sample, config: str | None) -> list[str]:
    """A prompt and the sweet spot's output to it, or the first config's where there is none."""
    chosen = next((o for o in sample.outputs if o.config == config), sample.outputs[0])
    head = f"{sample.prompt_id}, {chosen.config}: {chosen.facts}"
    return _folded(head, [*_fenced(sample.prompt), "", *_fenced(chosen.text)])


def _fenced(text: str, language: str = "text") -> list[str]:
    """Text in a fence longer than any run of backticks within it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(SHORTEST_FENCE, longest + 1)
    return [f"{fence}{language}", text, fence]
