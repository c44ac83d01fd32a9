"""Rows of a summary, made by hand."""

from __future__ import annotations

from typing import Any

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core.machine import GIB


def metric_row(config: str, **changes: Any) -> ConfigMetrics:
    """A finished, scored config that the rule can compare, with some fields changed."""
    fields = {
        "model": config,
        "precision": "bf16",
        "prompts": 30,
        "tokens_per_second": 100.0,
        "broken": 5,
        "broken_judged": 30,
        "adherent_prompts": 5,
        "adherence_judged": 30,
        "memory_bytes": GIB,
        "memory_source": "measured",
    }
    return ConfigMetrics(config=config, **fields | changes)
