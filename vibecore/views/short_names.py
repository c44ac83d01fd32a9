"""Short names of configs for places with little room: charts' labels. The full name stands beside
them in tooltips and tables."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.analysis.asked import ModelAsked

# Longer names lose their middle: both ends say most, the family and the precision.
MOST_CHARACTERS = 28
ELLIPSIS = "…"


def short_names(rows: Sequence[ModelAsked]) -> dict[str, str]:
    """Config -> short name, distinct for every config.

    The words that all of a study's models have in common are left out:
    `SmolLM2-135M-Instruct-4bit` beside `Qwen2.5-Coder-0.5B-Instruct-4bit` is `SmolLM2-135M-4bit`.
    """
    models = short_models(rows)
    return _distinct({row.config: _shorter(row, models[row.model]) for row in rows})


def short_models(rows: Sequence[ModelAsked]) -> dict[str, str]:
    """Model -> short name, distinct for every model."""
    words = {row.model: row.model.split("-") for row in rows}
    shared = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    return _distinct(
        {
            model: "-".join(word for word in its if word not in shared) or model
            for model, its in words.items()
        }
    )


def _shorter(row: ModelAsked, model: str) -> str:
    name = row.config
    if name.startswith(row.model):
        name = model + name.removeprefix(row.model)
    if len(name) <= MOST_CHARACTERS:
        return name
    half = (MOST_CHARACTERS - len(ELLIPSIS)) // 2
    return f"{name[:half]}{ELLIPSIS}{name[-half:]}"


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The names, or the full ones where two would be alike."""
    return names if len(set(names.values())) == len(names) else {name: name for name in names}
