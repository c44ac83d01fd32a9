"""Rows as a person reads them in a terminal: the same words and units as the pages use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vibecore.analysis import Decision
from vibecore.analysis.metrics import ConfigMetrics, Metric, known_metrics
from vibecore.core.formats import counted
from vibecore.core.rows import OutputRow
from vibecore.core.terminal_text import safe_text
from vibecore.views.broken import NOT_MEASURED, broken_because
from vibecore.views.cut_off import explained, whole_decided
from vibecore.views.long_text import beginning, short_text
from vibecore.views.models_asked import model_column

Row = dict[str, Any]

STUDY_COLUMNS = (
    "name",
    "source",
    "title",
    "suite",
    "prompt_count",
    "configs",
    "complete",
    "failed",
    "generations",
    "hardware",
    "created_at",
)
# Wide enough for every column when the output is a pipe or a file.
PIPE_WIDTH = 200
# A terminal wraps a longer one for minutes, and all rows beside it with it.
MOST_CHARACTERS_OF_A_CELL = 4_000


def metrics_table(rows: Sequence[ConfigMetrics]) -> list[Row]:
    """The metrics of read_summary as text, one row a config; a note follows its figure. Where
    configs differ in their model's kind, how they were asked or how their weights were stored, each
    row says so."""
    metrics = known_metrics(rows)
    models = model_column(rows)
    return [
        {
            "config": f"{row.config} (sweet spot)" if row.sweet_spot else row.config,
            **({"model": ", ".join(filter(None, models[place]))} if models else {}),
            **{metric.heading or metric.label: _noted(metric, row) for metric in metrics},
            "status": row.status,
        }
        for place, row in enumerate(rows)
    ]


def _noted(metric: Metric, row: ConfigMetrics) -> str:
    notes = [metric.note(row)]
    # A rate's interval would widen every column.
    if not metric.of and (interval := metric.interval_of(row)) is not None:
        notes.insert(0, metric.show_range(*interval))
    said = ", ".join(filter(None, notes))
    return f"{metric.text(row)} ({said})" if said else metric.text(row)


def choice_rows(decision: Decision) -> list[Row]:
    """One row a config: whether it is the sweet spot, why, and how often resamples chose it."""
    spot = decision.sweet_spot
    shares = decision.stability.shares if decision.stability else {}
    chosen = [(spot.config, True, spot.reason)] if spot.config else []
    others = [(config, False, why) for config, why in spot.excluded.items()]
    return [
        {"config": config, "chosen": is_chosen, "why": why, "chosen_share": shares.get(config, 0.0)}
        for config, is_chosen, why in chosen + others
    ]


def pair_rows(decision: Decision) -> list[Row]:
    """One row a judgement: a metric, two configs, the verdict and what it rests on."""
    return [
        {
            "metric": pair.metric,
            "config": pair.config,
            "against": pair.best,
            "judgement": pair.sentence(),
        }
        for pair in decision.pairs
    ]


def print_table(rows: Sequence[Row], title: str) -> None:
    """Print rows to stdout; text of models and users is never read as markup."""
    console = _console()
    if not rows:
        console.print("Nothing to show.")
        return
    table = Table(title=_cell_text(title) if title else None, title_justify="left")
    for name in rows[0]:
        table.add_column(_cell_text(name), overflow="fold")
    for row in rows:
        table.add_row(*(_cell_text(_cell(value)) for value in row.values()))
    console.print(table)


def print_heading(title: str) -> None:
    """Print a rule with a title."""
    _console().rule(_cell_text(title), align="left")


def print_text(text: str) -> None:
    """Print a text as it is: nothing in it is read as markup, or obeyed by a terminal."""
    _console().print(_safe(short_text(text)))


def print_outputs(rows: Sequence[OutputRow]) -> None:
    """Print outputs one below the other, each with its scores and verdicts."""
    console = _console()
    if not rows:
        console.print("Nothing to show.")
    for whole in rows:
        row, cut = beginning(whole)
        console.rule(_cell_text(f"{row.prompt_id} · {row.config}"), align="left")
        if row.reasoning:
            tokens = counted(row.reasoning_tokens or 0, "token")
            console.print(_safe(f"(reasoning, {tokens})\n{row.reasoning}\n"))
        console.print(_safe(_text_of(row)))
        console.print(_safe(output_facts(row)), style="dim")
        for note in cut:
            console.print(_safe(f"({note}; --format json has all)"), style="dim")
        for verdict in row.constraints:
            why = explained(verdict, row.new_tokens)
            console.print(_cell_text(f"{verdict.status:7} {verdict.check}: {why}"))


def _text_of(row: OutputRow) -> str:
    """An output's text, or in brackets why there is none to see."""
    if row.text is None:
        return "(no text: only speed and memory were measured)"
    return row.text if row.text.strip() else "(empty)"


def output_facts(row: OutputRow) -> str:
    """One line on an output: tokens, how it ended, speed, repetition, and why it is broken."""
    facts = []
    if row.new_tokens is not None:
        facts.append(counted(row.new_tokens, "token"))
    if row.finish_reason:
        facts.append(FINISH_WORDS[row.finish_reason])
    if row.tokens_per_second is not None:
        facts.append(f"{row.tokens_per_second:.1f} tok/s")
    if row.repetition_ratio is not None:
        facts.append(f"repetition {row.repetition_ratio:.2f}")
    elif row.broken_by is not None:
        facts.append(f"repetition {NOT_MEASURED}")
    if because := broken_because(row):
        facts.append(because)
    if decided := whole_decided(row):
        facts.append(decided)
    return " · ".join(facts)


FINISH_WORDS: Mapping[str, str] = {
    "eos": "ended by itself",
    "length": "cut at the limit",
    "stopped": "stopped",
    "thinking": "cut while thinking, no answer",
    "non_finite": "numerically broken: the logits were not finite",
}


def _safe(text: str) -> Text:
    """A text without markup that a terminal shows and does not obey."""
    return Text(safe_text(text))


def _cell_text(text: str) -> Text:
    """The same of a cell or a heading: the beginning of a long one."""
    return _safe(short_text(text, MOST_CHARACTERS_OF_A_CELL))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


class SafeConsole(Console):
    """A console whose strings a terminal shows and does not obey."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as Rich shows it."""
        return super().render_str(safe_text(text), **options)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(PIPE_WIDTH, shutil.get_terminal_size().columns))
    return console
