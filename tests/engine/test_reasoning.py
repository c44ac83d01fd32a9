"""A thinking model's reasoning told apart from its answer, whole and as it streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import chat_templates as templates
from tests.support.chat_templates import chat_folder
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.records import Asking, Generation, LoadRequest, TextPiece
from vibecore.engine import generate, load
from vibecore.engine.batch import encode, to_generations
from vibecore.engine.model import LoadedModel, Times
from vibecore.engine.stream import text_stream

THINK = ("<think>", "</think>")
# How a tokenizer writes the markers: in several tokens, as one added token, as one special token.
WAYS: dict[str, dict[str, Any]] = {
    "several tokens": {},
    "one token": {"markers": THINK},
    "one special token": {"markers": THINK, "special_markers": True},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WAYS[request.param]


def thinker(
    folder: Path, template: str | None, asking: Asking | None = None, **tokenizer: Any
) -> LoadedModel:
    path = chat_folder(folder / "model", template, **tokenizer)
    return load(LoadRequest("m-bf16", "bf16", "cpu", folder=str(path), asking=asking or Asking()))


def ids_of(loaded: LoadedModel, text: str) -> list[int]:
    return list(loaded.tokenizer.encode(text, add_special_tokens=False))


def written(loaded: LoadedModel, tokens: Sequence[int], budget: int = 500) -> Generation:
    """The generation of a model that wrote these tokens."""
    [generation] = to_generations(
        loaded,
        encode(loaded, ["Hi"], 1),
        [tokens],
        Times(0.0, 1.0, 2.0),
        0,
        stopped=False,
        max_new_tokens=budget,
    )
    return generation


def streamed(loaded: LoadedModel, tokens: Sequence[int]) -> tuple[str, str]:
    """The reasoning and the answer that streamed."""
    pieces: list[TextPiece] = []
    on_token = text_stream(loaded, 1, lambda _, piece: pieces.append(piece))
    for token in tokens:
        on_token(0, token)
    return (
        "".join(piece.text for piece in pieces if piece.reasoning),
        "".join(piece.text for piece in pieces if not piece.reasoning),
    )


BLOCK = "So:\n<think>\nx\n</think>\nthen"
MENTION = "Use text.split('</think>')[-1]."


@pytest.mark.parametrize(
    ("template", "output", "reasoning", "answer"),
    [
        (templates.QWEN3, "<think>\n4?\nYes.\n</think>\n\nIt is 4.", "4?\nYes.", "It is 4."),
        (
            templates.QWEN3,
            "<think>One < two, </thin.</think>It is.",
            "One < two, </thin.",
            "It is.",
        ),
        (templates.QWEN3, "\n<think>4</think>\n    indented", "4", "    indented"),
        # The prompt ended with the opening marker.
        (templates.DEEPSEEK, "Is it 4?\n</think>\n\nIt is 4.", "Is it 4?", "It is 4."),
        (templates.DEEPSEEK, "<think>\nIs it 4?\n</think>\n\nIt is 4.", "Is it 4?", "It is 4."),
        # Nobody wrote it.
        (templates.DEEPSEEK_FIRST, "Is it 4?\n</think>\n\nIt is 4.", "Is it 4?", "It is 4."),
        # Nothing was reasoned.
        (templates.QWEN3, "<think>\n\n</think>\n\nIt is 4.", None, "It is 4."),
        (templates.QWEN3, "It is 4.", None, "It is 4."),
        # An answer about the markers.
        (templates.QWEN3, "<think>x</think>Cut at '</think>'.", "x", "Cut at '</think>'."),
        (templates.QWEN3, MENTION, None, MENTION),
        (templates.QWEN3, BLOCK, None, BLOCK),
    ],
)
def test_reasoning_is_told_apart_from_the_answer(
    tmp_path: Path,
    way: dict[str, Any],
    template: str,
    output: str,
    reasoning: str | None,
    answer: str,
) -> None:
    loaded = thinker(tmp_path, template, **way)
    tokens = [*ids_of(loaded, output), loaded.eos_token_ids[0]]
    generation = written(loaded, tokens)
    assert (generation.reasoning, generation.text) == (reasoning, answer)
    assert generation.finish_reason == "eos"
    if output == answer:
        assert generation.reasoning_tokens == 0
    else:
        ends = [
            "</think>" in loaded.tokenizer.decode(tokens[:count], skip_special_tokens=False)
            for count in (generation.reasoning_tokens - 1, generation.reasoning_tokens)
        ]
        assert ends == [False, True]
    assert generation.answer_token_ids == tuple(tokens[generation.reasoning_tokens : -1])
    if template != templates.DEEPSEEK_FIRST:
        assert streamed(loaded, tokens) == (reasoning or "", answer)


@pytest.mark.parametrize(
    ("template", "output", "reasoning"),
    [
        (templates.QWEN3, "<think>\nIs it 4? Or", "Is it 4? Or"),
        (templates.DEEPSEEK, "Is it 4? Or", "Is it 4? Or"),
        (templates.QWEN3, "<think>\nIs it 4?\n</think>\n\n", "Is it 4?"),
        (templates.QWEN3, "<think>", None),
    ],
)
def test_a_budget_that_ends_in_reasoning_is_an_end_of_its_own(
    tmp_path: Path, way: dict[str, Any], template: str, output: str, reasoning: str | None
) -> None:
    loaded = thinker(tmp_path, template, **way)
    tokens = ids_of(loaded, output)
    generation = written(loaded, tokens, budget=len(tokens))
    assert generation.finish_reason == "thinking"
    assert generation.text == ""
    assert generation.reasoning == reasoning
    if "</think>" not in output:
        assert generation.reasoning_tokens == len(tokens)
        assert generation.answer_token_ids == ()


def test_a_budget_that_ends_in_the_answer_is_a_length(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.QWEN3, markers=THINK)
    tokens = ids_of(loaded, "<think>\nx\n</think>\n\nIt is")
    generation = written(loaded, tokens, budget=len(tokens))
    assert (generation.finish_reason, generation.text) == ("length", "It is")


def test_a_model_that_stops_in_its_reasoning_gave_an_empty_answer(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.DEEPSEEK, markers=THINK)
    tokens = [*ids_of(loaded, "It is 4."), loaded.eos_token_ids[0]]
    generation = written(loaded, tokens)
    assert generation.finish_reason == "eos"
    assert (generation.reasoning, generation.text) == ("It is 4.", "")
    assert generation.answer_token_ids == ()


def test_with_thinking_off_all_of_it_is_answer(tmp_path: Path, way: dict[str, Any]) -> None:
    loaded = thinker(tmp_path, templates.QWEN3, Asking(thinking="off"), **way)
    for output in ("It is 4.", "Alone on its line:\n</think>\nthat is it"):
        tokens = ids_of(loaded, output)
        generation = written(loaded, tokens)
        assert (generation.reasoning, generation.text) == (None, output)
        assert streamed(loaded, tokens) == ("", output)


@pytest.mark.parametrize("template", [None, templates.QWEN25])
def test_an_answer_of_a_model_without_reasoning_stays_whole(
    tmp_path: Path, template: str | None
) -> None:
    loaded = thinker(tmp_path, template)
    for output in (f"<think>x</think>{MENTION}", "x\n</think>\ny"):
        tokens = ids_of(loaded, output)
        generation = written(loaded, tokens)
        assert (generation.reasoning, generation.text) == (None, output)
        assert generation.reasoning_tokens == 0
        assert streamed(loaded, tokens) == ("", output)


def test_a_character_of_several_tokens_streams_whole(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.QWEN3, markers=THINK)
    output = "<think>\nŁódź 🚀\n</think>\n\n漢字 🚀"
    tokens = ids_of(loaded, output)
    assert streamed(loaded, tokens) == ("Łódź 🚀", "漢字 🚀")
    generation = written(loaded, tokens)
    assert (generation.reasoning, generation.text) == ("Łódź 🚀", "漢字 🚀")


def test_markers_of_several_special_tokens(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.GPT_OSS)
    output = "<|channel|>analysis<|message|>Is it 4?<|end|>"
    output += "<|start|>assistant<|channel|>final<|message|>It is 4.<|return|>"
    tokens = ids_of(loaded, output)
    generation = written(loaded, tokens)
    assert (generation.reasoning, generation.text) == ("Is it 4?", "It is 4.")
    assert streamed(loaded, tokens) == ("Is it 4?", "It is 4.")


# --- Prompts as a batch.


def test_a_batch_is_padded_on_the_left_without_a_padding_token(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.QWEN25, adds_bos=True)
    loaded.tokenizer.pad_token = None
    batch = encode(loaded, ["Hi", "Name the colours of the rainbow."], 8)
    short, long = batch.lengths
    assert batch.tokens.shape == batch.mask.shape == (2, long)
    assert batch.mask.sum(dim=1).tolist() == [short, long]
    assert batch.mask[0].tolist() == [0] * (long - short) + [1] * short
    [alone] = encode(loaded, ["Hi"], 8).tokens.tolist()
    assert batch.tokens[0].tolist()[-short:] == alone


def test_a_generation_says_what_was_really_asked(tmp_path: Path) -> None:
    loaded = thinker(tmp_path, templates.QWEN25, Asking(system="Be brief."), adds_bos=True)
    [generation] = generate(loaded, ["Name a colour."], 4)
    assert generation.rendered_prompt == (
        "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a colour.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert generation.prompt_tokens == len(ids_of(loaded, generation.rendered_prompt))
    environment = loaded.report.environment
    assert environment["chat_template"] is True
    assert environment["system"] == "Be brief."
    assert environment["thinking"] is None


def test_a_base_model_is_asked_as_the_prompt_stands() -> None:
    loaded = load(LoadRequest("5M-bf16", "bf16", "cpu", folder=str(MODELS_DIR / "5M")))
    [generation] = generate(loaded, ["Name a colour."], 4)
    assert generation.rendered_prompt == "Name a colour."
    assert loaded.report.environment["chat_template"] is False
