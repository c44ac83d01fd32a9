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
from vibecore.core import formats

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
PIPE_WIDTH = 160


def metrics_table(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The metrics of read_summary with units, one row a config."""
    return [
        {
            "config": f"{row['config']} (sweet spot)" if row["sweet_spot"] else row["config"],
            "tok/s": _speed(row),
            "vs bf16": formats.percent(row["vs_bf16"], signed=True),
            "repetitive": formats.count_and_rate(row["repetitive"], row["repetition_judged"]),
            **_if_any(rows, row, "degenerate", "degenerate", "degenerate_judged"),
            "empty": formats.count_and_rate(row["empty"], row["repetition_judged"]),
            "adherent prompts": formats.count_and_rate(
                row["adherent_prompts"], row["adherence_judged"]
            ),
            "constraints met": formats.count_and_rate(
                row["constraints_met"], row["constraints_judged"]
            ),
            **_if_any(
                rows, row, "adherent, loose", "adherent_prompts_loose", "adherence_judged_loose"
            ),
            **_if_any(rows, row, "met, loose", "constraints_met_loose", "constraints_judged_loose"),
            "memory": _memory(row),
            "status": row["status"],
        }
        for row in rows
    ]


def _speed(row: Mapping[str, Any]) -> str:
    speed = formats.number(row["tokens_per_second"])
    return speed if row["decoded_by"] == row["engine"] else f"{speed} ({row['decoded_by']})"


def _if_any(
    rows: Sequence[Mapping[str, Any]], row: Mapping[str, Any], label: str, count: str, total: str
) -> Row:
    """A rate's cell where any row knows the rate, else none."""
    if all(other[count] is None for other in rows):
        return {}
    return {label: formats.count_and_rate(row[count], row[total])}


def _memory(row: Mapping[str, Any]) -> str:
    size = formats.memory(row["memory_bytes"])
    return f"{size} est." if row["memory_source"] == "estimated" else size


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
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name in rows[0]:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console.print(table)


def print_outputs(rows: Sequence[Row]) -> None:
    """Print outputs one below the other, each with its scores and verdicts."""
    console = _console()
    if not rows:
        console.print("Nothing to show.")
    for row in rows:
        console.rule(Text(f"{row['prompt_id']} · {row['config']}"), align="left")
        text = (
            row["text"]
            if row["text"] is not None
            else "(no text: only speed and memory were measured)"
        )
        console.print(Text(text))
        console.print(Text(output_facts(row)), style="dim")
        for constraint in row["constraints"]:
            line = f"{constraint['status']:7} {constraint['check']}: {constraint['explanation']}"
            console.print(Text(line))


def output_facts(row: Mapping[str, Any]) -> str:
    """One line on an output: tokens, how it ended, speed, repetition."""
    facts = []
    if row["new_tokens"] is not None:
        facts.append(f"{row['new_tokens']} tokens")
    if row["finish_reason"]:
        facts.append(FINISH_WORDS[row["finish_reason"]])
    if row["tokens_per_second"] is not None:
        facts.append(f"{row['tokens_per_second']:.1f} tok/s")
    if row["repetition_ratio"] is not None:
        word = ", repetitive" if row["repetitive"] else ""
        word += ", degenerate" if row["degenerate"] else ""
        facts.append(f"repetition {row['repetition_ratio']:.2f}{word}")
    return " · ".join(facts)


FINISH_WORDS = {"eos": "ended by itself", "length": "cut at the limit", "stopped": "stopped"}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(PIPE_WIDTH, shutil.get_terminal_size().columns))
    return console
