"""Prompts read on a CPU: in parts as long as many rows leave room for."""

from __future__ import annotations

import pytest

from tests.engine.test_architectures import tokens_of
from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog import prefill as lengths
from vibecore.engine import prefill

NAMES = [name for name in TINY if name != "mistral"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompts", [(40,), (3, 17, 40, 9)], ids=str)
def test_parts_of_prompts_give_the_tokens_of_eager(
    name: str, prompts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "CHUNKS", (8, 16, 32))
    monkeypatch.setattr(lengths, "MOST_TOKENS", 64)
    model = tiny_model(TINY[name])
    batch = random_prompts("cpu", *prompts)
    parts: list[int] = []
    step = prefill.growing_step

    def noted(decoder, cache, tokens, slot):  # type: ignore[no-untyped-def]
        parts.append(tokens.shape[1])
        return step(decoder, cache, tokens, slot)

    monkeypatch.setattr(prefill, "growing_step", noted)
    wanted = tokens_of("eager", loaded(model, "eager"), batch)
    assert tokens_of("graph", loaded(model, "graph"), batch) == wanted
    assert parts == ([32, 8] if len(prompts) == 1 else [16, 16, 8])
