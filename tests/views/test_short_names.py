"""Short names of configs: distinct, and without what all models of a study have in common."""

from __future__ import annotations

import pytest

from vibecore.analysis.asked import ModelAsked
from vibecore.views.short_names import MOST_CHARACTERS, short_names


def named(*models: str, precisions: tuple[str, ...] = ("bf16", "4bit")) -> dict[str, str]:
    return short_names(
        [
            ModelAsked(config=f"{model}-{precision}", model=model, precision=precision)
            for model in models
            for precision in precisions
        ]
    )


@pytest.mark.parametrize(
    ("models", "first"),
    [
        (("0.5B", "1.5B"), "0.5B-bf16"),
        (("SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct"), "SmolLM2-135M-bf16"),
        (("Qwen2.5-Coder-0.5B-Instruct", "Qwen2.5-Coder-1.5B-Instruct"), "0.5B-bf16"),
        # One model has nothing to be told apart from.
        (("Qwen2.5-0.5B",), "Qwen2.5-0.5B-bf16"),
        # A model whose every word the other has too keeps its name.
        (("Qwen3", "Qwen3-Coder"), "Qwen3-bf16"),
    ],
)
def test_what_all_models_share_is_left_out(models: tuple[str, ...], first: str) -> None:
    names = named(*models)
    assert next(iter(names.values())) == first
    assert len(set(names.values())) == 2 * len(models)


def test_a_long_name_loses_its_middle_and_never_its_difference() -> None:
    long = "an-organisation-with-many-words-and-a-model"
    names = named(long)
    assert all(len(name) <= MOST_CHARACTERS for name in names.values())
    assert [name[-4:] for name in names.values()] == ["bf16", "4bit"]
    alike = named(*(f"{'x' * 20}{middle}{'y' * 20}" for middle in "ab"))
    assert list(alike) == list(alike.values())
