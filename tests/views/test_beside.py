"""Which outputs are read beside a config's own."""

from __future__ import annotations

import pytest

from tests.support.metric_rows import metric_row
from vibecore.views.beside import read_beside

ROWS = [
    metric_row("S-bf16", model="S"),
    metric_row("S-4bit", model="S", precision="4bit"),
    metric_row("L-bf16", model="L"),
    metric_row("Q-8bit", model="Q", precision="8bit"),
]


@pytest.mark.parametrize(
    ("config", "spot", "opened"),
    [
        ("S-4bit", "L-bf16", ["S-bf16", "S-4bit"]),
        ("S-bf16", "S-4bit", ["S-bf16", "S-4bit"]),
        ("L-bf16", "S-4bit", ["L-bf16", "S-4bit"]),
        # No baseline of its model in the study.
        ("Q-8bit", "S-4bit", ["Q-8bit", "S-4bit"]),
        # Nothing else to stand beside it.
        ("L-bf16", "L-bf16", ["L-bf16"]),
        ("L-bf16", None, ["L-bf16"]),
    ],
)
def test_a_config_stands_beside_its_baseline_or_the_sweet_spot(
    config: str, spot: str | None, opened: list[str]
) -> None:
    assert read_beside(config, ROWS, spot) == opened
