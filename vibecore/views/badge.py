"""What marks the config that the rule chose, wherever configs are shown."""

from __future__ import annotations

from vibecore.analysis import SweetSpot


def choice_badge(spot: SweetSpot, config: str) -> str | None:
    """`sweet spot`, or `leading so far` while something is missing; None for any other config."""
    if config != spot.config:
        return None
    return "leading so far" if spot.leading else "sweet spot"
