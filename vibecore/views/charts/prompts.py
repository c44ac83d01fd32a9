"""Behind the averages: adherence by category, and each prompt at each config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.clustered import clustered_interval, clusters_of
from vibecore.core import formats
from vibecore.core.rows import ScoreRow
from vibecore.views.broken import NOT_MEASURED
from vibecore.views.charts.dot_interval import Dot, dot_chart, share_axis
from vibecore.views.charts.figure import (
    Figure,
    described,
    drawn,
    line_axis,
    lined_height,
    picks,
    precision_marks,
    tip,
)
from vibecore.views.charts.style import NEUTRAL
from vibecore.views.charts.vega import alt
from vibecore.views.short_names import short_names

# Pixels of a column's heading.
COLUMN_LABEL = 200
SHORT_HEADING = 50
SLANTED_HEADING = 70
CHARACTER_WIDTH = 5.6
# Of one output: grey in three depths that show on a light and on a dark background.
STATES = {
    "all met": "rgba(133, 137, 142, 1)",
    "some met": "rgba(133, 137, 142, 0.4)",
    "none met": "rgba(133, 137, 142, 0.06)",
}


@dataclass
class Tally:
    """Constraints met, those judged, and both by prompt, of one category at one config."""

    met: int = 0
    judged: int = 0
    by_prompt: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, score: ScoreRow) -> None:
        """Count one output."""
        self.met += score.constraints_met
        self.judged += score.constraints_judged
        self._add(score.prompt_id, score.constraints_met, score.constraints_judged)

    def add_all(self, other: Tally) -> None:
        """Count what another has counted."""
        self.met += other.met
        self.judged += other.judged
        for prompt, counts in other.by_prompt.items():
            self._add(prompt, *counts)

    def _add(self, prompt: str, met: int, judged: int) -> None:
        before = self.by_prompt.get(prompt, (0, 0))
        self.by_prompt[prompt] = before[0] + met, before[1] + judged


def category_figure(scores: Sequence[ScoreRow], rows: Sequence[ConfigMetrics]) -> Figure:
    """Constraints met by category and config."""
    tallies: dict[tuple[str, str], Tally] = {}
    for score in scores:
        tallies.setdefault((score.category, score.config), Tally()).add(score)
    judged = {key: tally for key, tally in tallies.items() if tally.judged}
    if not judged:
        return Figure("No category has scored outputs")
    shown = [row for row in rows if any(config == row.config for _, config in judged)]
    precision = {row.config: row.precision for row in shown}
    names = short_names(shown)
    dots = []
    for (category, config), tally in judged.items():
        low, high = clustered_interval(clusters_of(tally.by_prompt.values())) or (None, None)
        tips = {
            "category": category,
            "config": config,
            "constraints met": formats.count_and_rate(tally.met, tally.judged),
            "95 % interval": formats.percent_range(low, high),
            "prompts (n)": str(len(tally.by_prompt)),
        }
        dots.append(
            Dot(
                category,
                tally.met / tally.judged,
                low,
                high,
                names[config],
                group=precision[config],
                lane=config,
                tips=tips,
                picked={"category": category, "config": config},
            )
        )
    description = "Constraints met by category and config. " + "; ".join(
        f"{dot.line} {dot.lane} {dot.tips['constraints met']}" for dot in dots
    )
    dots, axis = share_axis(dots, "single constraints met", dense=True)
    chart = dot_chart(
        dots,
        axis,
        description=description,
        marks=precision_marks(precision.values()),
        lanes=list(precision),
        dense=True,
        line_height=15 * len(shown) + 22,
    )
    note = "Bars are 95 % intervals that take the constraints of a prompt together."
    return Figure(_category_title(judged), note, chart, description)


def _category_title(tallies: Mapping[tuple[str, str], Tally]) -> str:
    """The categories of which most and fewest constraints are met over all configs, with 95 %
    intervals over prompts."""
    together: dict[str, Tally] = {}
    for (category, _), tally in tallies.items():
        together.setdefault(category, Tally()).add_all(tally)
    rates = {category: tally.met / tally.judged for category, tally in together.items()}
    best, worst = (pick(rates, key=lambda name: rates[name]) for pick in (max, min))
    if len(rates) < 2:
        return f"Constraints of {best} prompts are met at {_share(together[best])} over all configs"
    return (
        f"Constraints of {best} prompts are met most, {_share(together[best])} over all configs; "
        f"of {worst} prompts least, {_share(together[worst])}"
    )


def _share(tally: Tally) -> str:
    interval = clustered_interval(clusters_of(tally.by_prompt.values()))
    between = f"95 % {formats.percent_range(*interval)}" if interval else "no interval"
    return f"{100 * tally.met / tally.judged:.0f} % ({between})"


def prompt_figure(scores: Sequence[ScoreRow], rows: Sequence[ConfigMetrics]) -> Figure:
    """Each prompt at each config: constraints met, and whether the output is repetitive."""
    if not scores:
        return Figure("No output is scored yet")
    names = short_names(rows)
    values = [
        {
            "prompt_id": score.prompt_id,
            "config": score.config,
            "name": names.get(score.config, score.config),
            "state": _state(score),
            "met": f"{score.constraints_met} of {score.constraints_judged}",
            "repetitive": _repetitive(score),
            "sign": _sign(score),
            "category": score.category,
        }
        for score in scores
    ]
    prompts = list(dict.fromkeys(score.prompt_id for score in scores))
    shown = [row for row in rows if any(v["config"] == row.config for v in values)]
    heading = max(len(names[row.config]) for row in shown) * CHARACTER_WIDTH
    # Slanted, a long name of the last column would reach beyond the drawing.
    long = heading > SLANTED_HEADING
    x = alt.X(
        "name:N",
        sort=[names[row.config] for row in shown],
        title=None,
        axis=alt.Axis(
            orient="top",
            ticks=False,
            domain=False,
            labelAngle=-90 if long else -60,
            labelPadding=6,
            labelLimit=COLUMN_LABEL,
            labelOverlap=False,
        ),
    )
    y = line_axis("prompt_id", prompts, label_limit=160)
    tooltip = [
        tip("prompt_id", "prompt"),
        tip("config", "config"),
        tip("met", "constraints met"),
        tip("repetitive", "repetitive"),
        tip("category", "category"),
    ]
    picked = picks("prompt_id", "config")
    base = drawn(values).encode(x=x, y=y, tooltip=tooltip)
    cells = base.mark_rect(stroke=NEUTRAL, strokeWidth=0.5).encode(
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=list(STATES), range=list(STATES.values())),
            legend=alt.Legend(
                orient="top",
                title=None,
                symbolType="square",
                symbolSize=150,
                symbolStrokeWidth=0.5,
                symbolStrokeColor=NEUTRAL,
            ),
        )
    )
    marks = base.mark_text(fontSize=12).encode(text="sign:N")
    # On top and unseen: a click anywhere in a cell picks it.
    clicks = base.mark_rect(fillOpacity=0.001, color=NEUTRAL, cursor="pointer").add_params(picked)
    title = _prompt_title(scores, len(shown))
    size = f"{formats.counted(len(prompts), 'prompt')} by {formats.counted(len(shown), 'config')}"
    description = f"{title}. A grid of {size}."
    # Slanted headings take their room from the rows, unless the drawing grows with them.
    height = lined_height(len(prompts), 19) + round(max(0.0, heading - SHORT_HEADING))
    chart = described(cells + marks + clicks, height, description)
    note = (
        "The fuller a cell, the more constraints are met; R is a repetitive one, – one without a "
        "verdict. A click opens it."
    )
    return Figure(title, note, chart, description)


def _state(score: ScoreRow) -> str:
    if not score.constraints_judged:
        return "none met"
    if score.adherent:
        return "all met"
    return "some met" if score.constraints_met else "none met"


def _repetitive(score: ScoreRow) -> str:
    if score.repetitive is None:
        return NOT_MEASURED
    return "yes" if score.repetitive else "no"


def _sign(score: ScoreRow) -> str:
    unjudged = "" if score.constraints_judged else "–"
    return "R" if score.repetitive else unjudged


def _prompt_title(scores: Sequence[ScoreRow], configs: int) -> str:
    met: dict[str, list[bool]] = {}
    for score in scores:
        if score.adherent is not None:
            met.setdefault(score.prompt_id, []).append(score.adherent)
    if not met:
        return "No prompt has a verdict on all of its constraints"
    none = sum(not any(outcomes) for outcomes in met.values())
    every = sum(all(outcomes) and len(outcomes) == configs for outcomes in met.values())
    of, are = formats.counted(len(met), "prompt"), "is" if none == 1 else "are"
    return f"Of {of}, {none} {are} met in full by no config, {every} by every config"
