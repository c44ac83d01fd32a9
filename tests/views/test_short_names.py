"""Short names of configs and models: distinct, without what all models of a study share, and the
full name to be had."""

from __future__ import annotations

import pytest

from vibecore.analysis.asked import ModelAsked
from vibecore.views.short_names import MOST_CHARACTERS, Names, names_of, short_names

CODER = ("Qwen2.5-Coder-0.5B-Instruct", "Qwen2.5-Coder-1.5B-Instruct")


def rows(*models: str, precisions: tuple[str, ...] = ("bf16", "4bit")) -> list[ModelAsked]:
    return [
        ModelAsked(config=f"{model}-{precision}", model=model, precision=precision)
        for model in models
        for precision in precisions
    ]


@pytest.mark.parametrize(
    ("models", "first"),
    [
        (("0.5B", "1.5B"), "0.5B-bf16"),
        # Names that are short as they are stay so.
        (("0.5B-Coder", "1.5B-Coder"), "0.5B-Coder-bf16"),
        (("SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct"), "SmolLM2-135M-bf16"),
        (CODER, "0.5B-bf16"),
        # One model has nothing to be told apart from; its size is what a reader looks for.
        (CODER[:1], "0.5B-bf16"),
        (("a-model-without-size",), "a-model-without-size-bf16"),
        # A model whose every word the other has too keeps its name.
        (("Qwen3-of-some-length", "Qwen3-of-some-length-Coder"), "Qwen3-of-some-length-bf16"),
        # Of a long name the kind goes first, unless it is what tells two apart.
        ((*CODER[:1], "Qwen3-0.6B"), "Qwen2.5-Coder-0.5B-bf16"),
        (("Qwen2.5-Coder-0.5B-Instruct", "Qwen2.5-Coder-0.5B"), "0.5B-Instruct-bf16"),
    ],
)
def test_what_all_models_share_is_left_out(models: tuple[str, ...], first: str) -> None:
    names = short_names(rows(*models))
    assert next(iter(names.values())) == first
    assert len(set(names.values())) == 2 * len(models)


def test_a_long_name_loses_its_middle_and_never_its_difference() -> None:
    names = short_names(rows("an-organisation-with-many-words-and-a-model"))
    assert all(len(name) <= MOST_CHARACTERS + len("-bf16") for name in names.values())
    assert [name[-4:] for name in names.values()] == ["bf16", "4bit"]
    alike = short_names(rows(*(f"{'x' * 20}{middle}{'y' * 20}" for middle in "ab")))
    assert list(alike) == list(alike.values())


def test_a_config_that_is_not_named_after_its_model_stays_distinct() -> None:
    named = [
        ModelAsked(config=f"a-name-of-the-users-own-choice-{n}", model="m", precision="bf16")
        for n in (1, 2)
    ]
    assert len(set(short_names(named).values())) == 2


def test_sentences_are_shortened_and_the_key_says_what_was_left_out() -> None:
    names = names_of(rows(*CODER))
    assert names.short("Qwen2.5-Coder-0.5B-Instruct-4bit") == "0.5B-4bit"
    assert names.full("Qwen2.5-Coder-0.5B-Instruct-4bit") == "Qwen2.5-Coder-0.5B-Instruct-4bit"
    said = (
        "Qwen2.5-Coder-1.5B-Instruct beats Qwen2.5-Coder-0.5B-Instruct. Below the 9.1 of "
        "Qwen2.5-Coder-0.5B-Instruct-bf16, from /models/Qwen2.5-Coder-0.5B-Instruct and "
        "Qwen2.5-Coder-0.5B-Instruct-GGUF"
    )
    assert names.in_text(said) == (
        "1.5B beats 0.5B. Below the 9.1 of 0.5B-bf16, from /models/Qwen2.5-Coder-0.5B-Instruct and "
        "Qwen2.5-Coder-0.5B-Instruct-GGUF"
    )
    assert names.key() == (
        "0.5B is Qwen2.5-Coder-0.5B-Instruct; 1.5B is Qwen2.5-Coder-1.5B-Instruct."
    )


def test_short_names_have_no_key_and_unknown_ones_are_their_own() -> None:
    names = names_of(rows("0.5B", "1.5B"))
    assert (names.key(), names.full("0.5B-bf16")) == ("", None)
    assert names.in_text("1.5B-4bit is a choice") == "1.5B-4bit is a choice"
    assert Names().short("anything") == "anything"
