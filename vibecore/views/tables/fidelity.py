"""The tables of the Fidelity page, in the shape that the table component takes.

Figures and their names are those that llama.cpp's `llama-perplexity --kl-divergence` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vibecore.analysis.fidelity.divergence import Divergence
from vibecore.analysis.fidelity.flips import LEVELS, ConfigFlips, Flip, FlipCount
from vibecore.analysis.fidelity.pairs import ALIKE, KldPair
from vibecore.analysis.fidelity.summary import FidelitySummary, Interval
from vibecore.analysis.metrics import UNKNOWN
from vibecore.core import formats
from vibecore.views.charts.fidelity import CLUSTERS, FLOOR_WORDS
from vibecore.views.fidelity import divergence_words, p_words
from vibecore.views.short_names import Names
from vibecore.views.tables.metrics import config_cell

Cell = dict[str, Any]
Row = dict[str, Any]
Link = Callable[..., dict[str, Any]]
# Of a table's rows; more are not shown at once.
MOST_FLIPS, MOST_PAIRS = 200, 60


def figure_table(
    found: Sequence[FidelitySummary], precisions: Mapping[str, str], names: Names, link: Link
) -> dict[str, Any]:
    """A row a config: the mean KLD beside its noise floor, and what else says how far it is.
    `link` gives the view that a config's row opens, from the config and its parent."""
    columns = [
        {"label": "mean KLD", "unit": "nats", "numeric": True},
        {"label": "noise floor", "unit": "mean KLD", "numeric": True},
        {"label": "verdict"},
        {"label": "same top", "unit": "of tokens", "numeric": True},
        {"label": "RMS Δp", "unit": "points", "numeric": True},
        {"label": "perplexity", "unit": "÷ the parent's", "numeric": True},
        {"label": "tokens", "numeric": True},
    ]
    return {
        "caption": "How far each config is from its parent",
        "columns": [{"label": "config"}, *columns],
        "rows": [
            {
                "id": one.config,
                "link": link(one.config, one.against),
                "cells": [
                    {**config_cell(one.config, precisions[one.config], names), "opens": True},
                    _divergence(one.mean_kld, one.mean_kld_interval),
                    _floor(one),
                    {
                        "text": one.verdict or UNKNOWN,
                        "sort": one.verdict,
                        "note": None if one.p is None else f"p {p_words(one.p)}",
                    },
                    _share(one.same_top, one.same_top_interval),
                    {"text": f"{100 * one.rms_delta_p:.2f}", "sort": one.rms_delta_p},
                    _ratio(one.perplexity_ratio, one.perplexity_ratio_interval),
                    {
                        "text": f"{one.tokens:,}",
                        "sort": one.tokens,
                        "note": formats.counted(one.prompts, CLUSTERS[one.reference]),
                    },
                ],
            }
            for one in found
        ],
    }


def spread_table(
    found: Sequence[FidelitySummary], precisions: Mapping[str, str], names: Names
) -> dict[str, Any]:
    """A row a config: where its tokens' KLDs are, Δp and both perplexities."""
    columns = [
        {"label": "median KLD", "numeric": True},
        {"label": "90 %", "unit": "KLD", "numeric": True},
        {"label": "99 %", "unit": "KLD", "numeric": True},
        {"label": "99.9 %", "unit": "KLD", "numeric": True},
        {"label": "maximum", "unit": "KLD", "numeric": True},
        {"label": "mean Δp", "unit": "points", "numeric": True},
        {"label": "skew of Δp", "numeric": True},
        {"label": "PPL", "unit": "config", "numeric": True},
        {"label": "PPL", "unit": "parent", "numeric": True},
    ]
    return {
        "caption": "How the KLD of tokens is distributed, and perplexities",
        "columns": [{"label": "config"}, *columns],
        "rows": [
            {
                "id": one.config,
                "cells": [
                    config_cell(one.config, precisions[one.config], names),
                    *map(
                        _divergence,
                        (one.kld_median, one.kld_p90, one.kld_p99, one.kld_p999, one.kld_max),
                    ),
                    {"text": _signed(100 * one.mean_delta_p, 3), "sort": one.mean_delta_p},
                    {
                        "text": UNKNOWN
                        if one.delta_p_skew is None
                        else _signed(one.delta_p_skew, 2),
                        "sort": one.delta_p_skew,
                    },
                    {"text": f"{one.perplexity:.3f}", "sort": one.perplexity},
                    {"text": f"{one.parent_perplexity:.3f}", "sort": one.parent_perplexity},
                ],
            }
            for one in found
        ],
    }


def floor_table(floors: Sequence[FidelitySummary], names: Names) -> dict[str, Any]:
    """A row a parent and way: how far it is from itself."""
    return {
        "caption": "The noise floor: each parent against itself",
        "look": "plain",
        "sortable": False,
        "columns": [
            {"label": "parent"},
            {"label": "against itself"},
            {"label": "mean KLD", "numeric": True},
            {"label": "maximum", "numeric": True},
            {"label": "same top", "numeric": True},
        ],
        "rows": [
            {
                "id": f"{one.config} {one.way}",
                "cells": [
                    {"text": names.short(one.config), "full": names.full(one.config)},
                    {"text": FLOOR_WORDS[one.way].removeprefix("the parent ")},
                    _divergence(one.mean_kld, one.mean_kld_interval),
                    _divergence(one.kld_max),
                    _share(one.same_top, None),
                ],
            }
            for one in floors
        ],
    }


def pair_table(pairs: Sequence[KldPair], names: Names) -> dict[str, Any]:
    """A row for every two configs of a parent: which is further from it, by how much."""
    return {
        "caption": "Configs of one model against each other, paired by prompt",
        "look": "plain",
        "sortable": False,
        "columns": [
            {"label": "config"},
            {"label": "against"},
            {"label": "KLD ratio", "numeric": True},
            {"label": "verdict"},
            {"label": "p", "numeric": True},
        ],
        "rows": [
            {
                "id": f"{pair.config} {pair.other}",
                "cells": [
                    {"text": names.short(pair.config), "full": names.full(pair.config)},
                    {"text": names.short(pair.other), "full": names.full(pair.other)},
                    _pair_ratio(pair),
                    {
                        "text": pair.verdict,
                        "note": f"within {formats.percent(pair.margin)}"
                        if pair.verdict == ALIKE
                        else None,
                    },
                    {"text": p_words(pair.p), "note": f"{pair.prompts} shared"},
                ],
            }
            for pair in pairs[:MOST_PAIRS]
        ],
    }


def flip_table(
    flips: Sequence[ConfigFlips],
    divergences: Sequence[Divergence],
    precisions: Mapping[str, str],
    names: Names,
) -> dict[str, Any]:
    """A row a config: what flipped against its parent at both levels, and after how many tokens
    the texts differ."""
    diverged = {one.config: one for one in divergences}
    return {
        "caption": "Flips: verdicts that are not the parent's",
        "columns": [
            {"label": "config"},
            *(
                {"label": f"{what} {level}", "unit": unit, "numeric": True}
                for level in LEVELS
                for what, unit in (("lost", "passed at 16 bit"), ("gained", "failed at 16 bit"))
            ),
            {"label": "texts differ", "unit": "after tokens, median", "numeric": True},
            {"label": "identical", "unit": "outputs", "numeric": True},
        ],
        "rows": [
            {
                "id": one.config,
                "cells": [
                    config_cell(one.config, precisions[one.config], names),
                    *(cell for level in LEVELS for cell in _flips(one.count(level))),
                    *_diverged(diverged.get(one.config)),
                ],
            }
            for one in flips
        ],
    }


def flip_rows(one: ConfigFlips, link: Link, names: Names) -> dict[str, Any]:
    """A row a flip of a config: the prompt or constraint, and which side passes; it opens both
    outputs. `link` gives the view of a prompt."""
    return {
        "caption": f"Flips of {one.config} against {one.against}",
        "look": "plain",
        "columns": [
            {"label": "prompt"},
            {"label": "category"},
            {"label": "what"},
            {"label": f"at {names.short(one.against)}"},
            {"label": f"at {names.short(one.config)}"},
        ],
        "rows": [
            {
                "id": f"{flip.prompt_id} {flip.sample} {flip.place}",
                "link": link(flip.prompt_id),
                "cells": [
                    {
                        "text": flip.prompt_id,
                        "sort": flip.prompt_id,
                        "opens": True,
                        "note": f"sample {flip.sample}" if flip.sample else None,
                    },
                    {"text": flip.category, "sort": flip.category},
                    _what(flip),
                    *_sides(flip),
                ],
            }
            for flip in one.flips[:MOST_FLIPS]
        ],
    }


def same_top_words(share: float) -> str:
    """A share of tokens with a decimal, which is not all of them where any is left out."""
    shown = f"{100 * share:.1f} %"
    return "> 99.9 %" if shown == "100.0 %" and share < 1 else shown.replace("100.0", "100")


def _divergence(value: float, interval: Interval | None = None) -> Cell:
    cell: Cell = {"text": formats.divergence(value), "sort": value}
    if interval is not None:
        cell["note"] = formats.divergence_range(*interval)
    return cell


def _floor(one: FidelitySummary) -> Cell:
    if one.floor is None:
        return {"text": "not measured", "sort": None}
    way = FLOOR_WORDS[one.floor.way].removeprefix("the parent ")
    return {**_divergence(one.floor.mean_kld, one.floor.mean_kld_interval), "also": way}


def _share(value: float, interval: Interval | None) -> Cell:
    cell: Cell = {"text": same_top_words(value), "sort": value}
    if interval is not None:
        low, high = interval
        cell |= {"note": f"{100 * low:.1f}–{100 * high:.1f} %", "interval": [low, value, high]}
    return cell


def _ratio(value: float, interval: Interval | None) -> Cell:
    cell: Cell = {"text": f"{value:.4f}", "sort": value}
    if interval is not None:
        cell["note"] = f"{interval[0]:.4f}–{interval[1]:.4f}"
    return cell


def _pair_ratio(pair: KldPair) -> Cell:
    if pair.ratio is None:
        return {"text": "–", "note": "the other's is 0"}
    cell: Cell = {"text": f"× {formats.divergence(pair.ratio)}"}
    if pair.interval is not None:
        cell["note"] = formats.divergence_range(*pair.interval)
    return cell


def _signed(value: float, digits: int) -> str:
    shown = f"{abs(value):.{digits}f}"
    return shown if not float(shown) else f"{'−' if value < 0 else '+'}{shown}"


def _flips(count: FlipCount | None) -> list[Cell]:
    if count is None:
        return [{"text": UNKNOWN, "sort": None}] * 2
    note = f"of {count.judged}"
    return [
        {"text": f"{count.lost}", "sort": count.lost, "note": note},
        {"text": f"{count.gained}", "sort": count.gained, "note": f"p {p_words(count.p)}"},
    ]


def _diverged(one: Divergence | None) -> list[Cell]:
    if one is None:
        return [{"text": UNKNOWN, "sort": None}] * 2
    return [
        {"text": divergence_words(one), "sort": one.median_tokens},
        {"text": f"{one.identical}", "sort": one.identical, "note": f"of {one.outputs}"},
    ]


def _what(flip: Flip) -> Cell:
    if flip.level == "prompts":
        return {"text": "the whole prompt", "sort": ""}
    check = (flip.check or "").replace("_", " ")
    return {
        "text": f"constraint {(flip.place or 0) + 1}: {check}",
        "sort": check,
        "note": "; ".join(f"{name} {_value(value)}" for name, value in flip.arguments.items())
        or None,
    }


def _value(value: Any) -> str:
    """A constraint's argument without Python's brackets and quotes."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _sides(flip: Flip) -> list[Cell]:
    note = "the token limit decided one of the two" if flip.cut else None
    passes, fails = {"text": "✓ passes", "sort": 1}, {"text": "× fails", "sort": 0}
    return [passes, {**fails, "note": note}] if flip.lost else [fails, {**passes, "note": note}]
