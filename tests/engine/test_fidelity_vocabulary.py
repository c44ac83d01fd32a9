"""Two models are compared over the tokens that both have; what neither has is no difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gguf_files import TOKENS, write_gguf
from vibecore import engine
from vibecore.core.errors import RunError
from vibecore.core.records import LoadRequest
from vibecore.engine.fidelity import load_beside, measure, running_text, shared_vocabulary
from vibecore.engine.model import LoadedModel

TEXT = "th he the " * 200


@pytest.fixture
def two(tmp_path: Path) -> LoadedModel:
    # Qwen2's tokenizer is given an <|endoftext|> of its own where a file has none: one more token
    # than the model has embeddings.
    request = LoadRequest(
        "tiny-bf16", "bf16", "cpu", folder=str(write_gguf(tmp_path / "tiny.gguf", "qwen2"))
    )
    config = engine.load(request)
    load_beside(config, request)
    assert max(config.tokenizer.get_vocab().values()) >= len(TOKENS)
    return config


def test_a_token_that_neither_model_has_is_no_difference(two: LoadedModel) -> None:
    assert shared_vocabulary(two) == len(TOKENS)
    [first, *_] = measure(two, running_text(two, TEXT))
    assert set(first.kld) == {0.0}


def test_a_token_that_one_model_lacks_is_told(two: LoadedModel) -> None:
    parent = two.beside.model
    assert parent is not None
    two.beside.model = replace(parent, vocabulary=len(TOKENS) + 6)
    with pytest.raises(RunError, match="the one has 1 tokens that the other lacks"):
        shared_vocabulary(two)
