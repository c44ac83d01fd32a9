"""A report as Markdown, for a pull request: the table, the answer, findings, samples, protocol."""

from __future__ import annotations

import re
from html import escape

from vibecore.core import formats
from vibecore.views.report.content import Content, Sample
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
        f"**{text(f'Sweet spot: {spot.config}' if spot.config else 'No sweet spot')}.** "
        f"{text(spot.reason)}",
        "",
    ]
    lines += [part for warning in content.warnings for part in (f"**{text(warning)}**", "")]
    if content.decision.stability is not None:
        lines += [text(content.decision.stability.sentence()), ""]
    if content.switches:
        lines += [*(f"- {text(sentence)}" for sentence in content.switches), ""]
    lines += [formats.to_markdown(metrics_table(content.summary.rows)), "## Findings", ""]
    lines += [text(content.whose), ""]
    lines.append(
        formats.to_markdown(
            [
                {"claim": f.statement, "verdict": f.verdict, "because": f.reason}
                for f in (*content.findings, *content.untestable)
            ]
        )
    )
    for sample in content.samples:
        lines += _sample(sample, spot.config)
    lines += ["## How it was measured", ""]
    lines.append(
        formats.to_markdown([{"what": name, "recorded": value} for name, value in content.facts])
    )
    lines += [f"- {text(note)}" for note in content.notes]
    return "\n".join(lines) + "\n"


def _sample(sample: Sample, config: str | None) -> list[str]:
    """A prompt and the sweet spot's output to it, or the first config's where there is none."""
    chosen = next((o for o in sample.outputs if o.config == config), sample.outputs[0])
    head = f"{sample.prompt_id}, {chosen.config}: {chosen.facts}"
    return [
        f"<details><summary>{escape(head)}</summary>",
        "",
        *_fenced(sample.prompt),
        "",
        *_fenced(chosen.text),
        "",
        "</details>",
        "",
    ]


def _fenced(text: str) -> list[str]:
    """Text in a fence longer than any run of backticks within it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(SHORTEST_FENCE, longest + 1)
    return [f"{fence}text", text, fence]
