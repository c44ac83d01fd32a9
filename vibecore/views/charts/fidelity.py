"""How far each config is from its 16-bit parent: mean KLD beside the noise floor, how the KLD of
single tokens is distributed, and the mean by category.

`found` are the FidelitySummary of configs over one reference, in the study's order; `rows` the
study's configs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vibecore.analysis.fidelity.floor import NoiseFloor
from vibecore.analysis.fidelity.summary import (
    NOT_ABOVE,
    TOO_FEW,
    FidelitySummary,
    Verdict,
)
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.clustered import FEWEST_PROMPTS
from vibecore.core import formats
from vibecore.core.fidelity import Reference, Way
from vibecore.views.charts.dot_interval import Band, Dot, config_dot, dot_chart
from vibecore.views.charts.figure import (
    Figure,
    Value,
    colour_and_shape,
    described,
    drawn,
    line_axis,
    lined_height,
    picks,
    precision_marks,
    tip,
)
from vibecore.views.charts.log_axis import log_scale, with_labels
from vibecore.views.charts.vega import alt
from vibecore.views.short_names import short_names

NOT_MEASURED = "Fidelity is not measured in this study"
AXIS = "KLD, parent ‖ config, nats"
# way of the noise floor -> what is held against the parent
FLOOR_WORDS: dict[Way, str] = {
    "batch": "the parent in a padded batch",
    "graph": "the parent by engine graph",
    "steps": "the parent, token by token",
}
# reference -> what the distributions are compared along
REFERENCE_WORDS: dict[Reference, str] = {
    "outputs": "the parent's own outputs",
    "text": "a running text",
}
CLUSTERS: dict[Reference, str] = {"outputs": "prompt", "text": "chunk"}
# A line of the distribution: from where to where, and its thickness in pixels.
PARTS = (("kld_median", "kld_p90", 9.0), ("kld_p90", "kld_p99", 4.0), ("kld_p99", "kld_p999", 1.4))
QUANTILES = {
    "kld_median": "median",
    "kld_p90": "90 %",
    "kld_p99": "99 %",
    "kld_p999": "99.9 %",
    "kld_max": "maximum",
}
# What a mark's label says of a verdict, besides its figure.
VERDICT_LABELS: dict[Verdict | None, str] = {
    NOT_ABOVE: ", not above floor",
    TOO_FEW: ", too few prompts",
}
# Of a category's dots: a line's height without them, and with each.
CATEGORY_LINE, CATEGORY_DOT = 22, 15


def floor_words(floor: NoiseFloor) -> str:
    """A noise floor in words: what it is, its figure and where it ends."""
    shown = formats.divergence(floor.mean_kld)
    if floor.mean_kld_interval is not None:
        shown += f" (95 % {formats.divergence_range(*floor.mean_kld_interval)})"
    return f"{FLOOR_WORDS[floor.way]}: {shown}"


def mean_words(one: FidelitySummary) -> str:
    """A mean KLD with its interval: `0.0452 (95 % 0.0402–0.0511)`."""
    shown = formats.divergence(one.mean_kld)
    if one.mean_kld_interval is None:
        return f"{shown} (no interval)"
    return f"{shown} (95 % {formats.divergence_range(*one.mean_kld_interval)})"


def kld_figure(found: Sequence[FidelitySummary], rows: Sequence[ConfigMetrics]) -> Figure:
    """Mean KLD by config on a log scale, with 95 % intervals and the noise floor as a band."""
    by_config = {row.config: row for row in rows}
    found = [one for one in found if one.config in by_config]
    if not found:
        return Figure(NOT_MEASURED)
    names = short_names(rows)
    dots = [_mean_dot(one, by_config[one.config], names[one.config]) for one in found]
    floors = [one.floor for one in found if one.floor is not None]
    scale = log_scale(
        [*(one.mean_kld for one in found), *(floor.upper for floor in floors if floor.upper)],
        [end for one in found for end in one.mean_kld_interval or ()],
    )
    dots, scale = with_labels(dots, scale)
    bands = [
        Band(names[one.config], scale.low, scale.place(one.floor.upper), floor_words(one.floor))
        for one in found
        if one.floor is not None and one.floor.upper > scale.low
    ]
    description = "Mean KLD of each config from its 16-bit parent, log scale. " + "; ".join(
        f"{one.config} {mean_words(one)}, {one.verdict}" for one in found
    )
    chart = dot_chart(
        dots,
        scale.axis(f"mean {AXIS}"),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
        bands=bands,
    )
    return Figure(_mean_title(found, names), _mean_note(found), chart, description)


def _mean_dot(one: FidelitySummary, row: ConfigMetrics, name: str) -> Dot:
    low, high = one.mean_kld_interval or (None, None)
    label = formats.divergence(one.mean_kld)
    label += VERDICT_LABELS.get(one.verdict, "")
    return config_dot(
        row,
        name,
        one.mean_kld,
        low,
        high,
        label,
        {
            "mean KLD": formats.divergence(one.mean_kld),
            "95 % interval": formats.divergence_range(low, high),
            "noise floor": "not measured" if one.floor is None else floor_words(one.floor),
            "same top token": formats.percent(one.same_top),
            "n": f"{formats.counted(one.tokens, 'token')} of "
            f"{formats.counted(one.prompts, CLUSTERS[one.reference])}",
        },
    )


def _mean_title(found: Sequence[FidelitySummary], names: Mapping[str, str]) -> str:
    far, near = (pick(found, key=lambda one: one.mean_kld) for pick in (max, min))
    if far.mean_kld <= 0:
        return "No config differs from its 16-bit parent at any token"
    if len(found) == 1:
        return f"{names[far.config]} is at a mean KLD of {mean_words(far)} from its 16-bit parent"
    title = f"{names[far.config]}: furthest from its 16-bit parent, mean KLD {mean_words(far)}"
    if near.mean_kld < far.mean_kld:
        title += f"; {names[near.config]}: nearest, {mean_words(near)}"
    return title


def _mean_note(found: Sequence[FidelitySummary]) -> str:
    reference = found[0].reference
    cluster = CLUSTERS[reference]
    note = f"Along {REFERENCE_WORDS[reference]}. "
    if all(one.prompts < FEWEST_PROMPTS for one in found):
        note += f"No intervals: one takes {FEWEST_PROMPTS} {cluster}s. "
    else:
        note += f"Bars are 95 % intervals over {cluster}s: a {cluster}'s tokens go together. "
    floors = {one.against: one.floor for one in found if one.floor is not None}
    if not floors:
        return f"{note}No noise floor was measured."
    note += "The grey band is the noise floor: how far the parent is from itself when only the "
    note += "arithmetic's order differs, up to its upper bound."
    if any(not floor.upper for floor in floors.values()):
        note += " Where there is no band, the parent came out the same to the bit: a floor of 0."
    return note


def distribution_figure(found: Sequence[FidelitySummary], rows: Sequence[ConfigMetrics]) -> Figure:
    """The KLD of single tokens by config: median, 90, 99 and 99.9 % and the largest."""
    by_config = {row.config: row for row in rows}
    found = [one for one in found if one.config in by_config]
    if not found:
        return Figure(NOT_MEASURED)
    names = short_names(rows)
    scale = log_scale(getattr(one, name) for one in found for name in QUANTILES)
    values = [_quantiles(one, by_config[one.config], names[one.config]) for one in found]
    for value in values:
        value |= {name: scale.place(value[name]) for name in QUANTILES}
    axis = scale.axis(f"{AXIS}, of a token")
    precisions = precision_marks(v["precision"] for v in values)
    colour, shape = colour_and_shape("precision", precisions)
    tips = [tip("config", "config"), *(tip(f"{n}_text", said) for n, said in QUANTILES.items())]
    base = drawn(values).encode(y=line_axis("name", [v["name"] for v in values]), tooltip=tips)
    lines = [
        base.mark_rule(strokeWidth=width, opacity=0.55, clip=True).encode(
            x=axis.at(low), x2=f"{high}:Q", color=colour
        )
        for low, high, width in PARTS
    ]
    median = base.mark_point(filled=True, size=120, opacity=1).encode(
        x=axis.at("kld_median"), color=colour, shape=shape
    )
    most = base.mark_tick(thickness=2, size=11, opacity=0.9).encode(
        x=axis.at("kld_max"), color=colour
    )
    description = "KLD of single tokens by config, log scale. " + "; ".join(
        f"{value['config']} "
        + ", ".join(f"{said} {value[f'{name}_text']}" for name, said in QUANTILES.items())
        for value in values
    )
    note = (
        "Of a config's tokens: the mark is the median, the thick line ends where 90 % of them are, "
        "the thinner one at 99 %, the thin one at 99.9 %, and the tick is the largest. A mean is "
        "made by few tokens."
    )
    chart = described(
        alt.LayerChart(layer=[*lines, most, median.add_params(picks("config"))]),
        lined_height(len(values), legend=len(precisions)),
        description,
    )
    return Figure(_distribution_title(found, names), note, chart, description)


def _quantiles(one: FidelitySummary, row: ConfigMetrics, name: str) -> Value:
    return {
        "config": one.config,
        "name": name,
        "precision": row.precision,
        **{quantile: getattr(one, quantile) for quantile in QUANTILES},
        **{f"{q}_text": formats.divergence(getattr(one, q)) for q in QUANTILES},
    }


def _distribution_title(found: Sequence[FidelitySummary], names: Mapping[str, str]) -> str:
    far = max(found, key=lambda one: one.kld_p99)
    return (
        f"Half of {names[far.config]}'s tokens are within a KLD of "
        f"{formats.divergence(far.kld_median)}, one in a hundred is beyond "
        f"{formats.divergence(far.kld_p99)}"
    )


def category_figure(found: Sequence[FidelitySummary], rows: Sequence[ConfigMetrics]) -> Figure:
    """Mean KLD by category and config, with 95 % intervals over prompts."""
    by_config = {row.config: row for row in rows}
    found = [one for one in found if one.config in by_config and one.by_category]
    if not found:
        return Figure("A running text has no categories")
    names = short_names(rows)
    dots, ends = [], []
    for one in found:
        for part in one.by_category:
            low, high = part.mean_kld_interval or (None, None)
            ends += list(part.mean_kld_interval or ())
            tips = {
                "category": part.category,
                "config": one.config,
                "mean KLD": formats.divergence(part.mean_kld),
                "95 % interval": formats.divergence_range(low, high),
                "n": f"{formats.counted(part.tokens, 'token')} of "
                f"{formats.counted(part.prompts, 'prompt')}",
            }
            dots.append(
                Dot(
                    part.category,
                    part.mean_kld,
                    low,
                    high,
                    names[one.config],
                    group=by_config[one.config].precision,
                    lane=one.config,
                    tips=tips,
                    picked={"category": part.category, "config": one.config},
                )
            )
    categories = list(dict.fromkeys(dot.line for dot in dots))
    dots.sort(key=lambda dot: categories.index(dot.line))
    description = "Mean KLD by category and config, log scale. " + "; ".join(
        f"{dot.line} {dot.lane} {dot.tips['mean KLD']}" for dot in dots
    )
    scale = log_scale([dot.value or 0.0 for dot in dots], ends)
    dots, scale = with_labels(dots, scale)
    chart = dot_chart(
        dots,
        scale.axis(f"mean {AXIS}"),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
        lanes=[one.config for one in found],
        dense=True,
        line_height=CATEGORY_DOT * len(found) + CATEGORY_LINE,
    )
    return Figure(_category_title(found, names), _category_note(found), chart, description)


def _category_note(found: Sequence[FidelitySummary]) -> str:
    few = [part.prompts < FEWEST_PROMPTS for one in found for part in one.by_category]
    if all(few):
        return f"No intervals: one takes {FEWEST_PROMPTS} prompts of a category."
    note = "Bars are 95 % intervals over the prompts of a category"
    return f"{note}; one takes {FEWEST_PROMPTS} prompts." if any(few) else f"{note}."


def _category_title(found: Sequence[FidelitySummary], names: Mapping[str, str]) -> str:
    far = max(found, key=lambda one: one.mean_kld)
    most, least = (pick(far.by_category, key=lambda part: part.mean_kld) for pick in (max, min))
    if most.mean_kld == least.mean_kld:
        return f"{names[far.config]} is as far on {most.category} prompts as on any"
    return (
        f"{names[far.config]}: furthest on {most.category} prompts, "
        f"{formats.divergence(most.mean_kld)}; nearest on {least.category}, "
        f"{formats.divergence(least.mean_kld)}"
    )
