"""Made FidelitySummary of a config against the bf16 config of its model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vibecore.analysis.fidelity.floor import NoiseFloor
from vibecore.analysis.fidelity.summary import (
    ABOVE,
    NO_FLOOR,
    CategoryKld,
    FidelitySummary,
)

FLOOR = NoiseFloor("graph", 1e-6, (5e-7, 2e-6), 30)


def summary(
    config: str, mean: float, floor: NoiseFloor | None = FLOOR, **changes: Any
) -> FidelitySummary:
    """A config whose KLDs are about `mean`, twice as far on code as on stories."""
    interval = (0.7 * mean, 1.4 * mean) if mean > 0 else None
    found = FidelitySummary(
        config=config,
        against=f"{config.partition('-')[0]}-bf16",
        way="alone",
        reference="outputs",
        prompts=30,
        tokens=3000,
        mean_kld=mean,
        mean_kld_interval=interval,
        kld_median=mean / 10,
        kld_p90=2 * mean,
        kld_p99=9 * mean,
        kld_p999=30 * mean,
        kld_max=80 * mean,
        same_top=0.94,
        same_top_interval=(0.93, 0.95),
        mean_delta_p=-0.002,
        rms_delta_p=0.05,
        delta_p_skew=-1.2,
        perplexity=1.45,
        parent_perplexity=1.4,
        perplexity_ratio=1.45 / 1.4,
        perplexity_ratio_interval=(1.02, 1.05),
        by_category=(
            CategoryKld("code", 8, 1000, 2 * mean, interval),
            CategoryKld("creative", 8, 1000, mean, None),
        ),
        floor=floor,
        p=None if floor is None else 0.0002,
        verdict=NO_FLOOR if floor is None else ABOVE,
    )
    return replace(found, **changes)
