"""Distances of next-token distributions: right by hand, and nought between ways that are one."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.agreement import compare, parser
from benchmarks.distributions import (
    distances,
    eager_token_by_token,
    graph_token_by_token,
)
from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog.models import find_configs
from vibecore.engine import eager, graph
from vibecore.engine.divergence import divergence
from vibecore.engine.forced import recorded_steps
from vibecore.engine.model import StopSwitch

NEW_TOKENS = 12
WAYS = ["graph", "graph in a batch", "eager in a batch", "eager in one pass"]


def test_a_divergence_is_the_sum_by_hand() -> None:
    wanted = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]]).log()
    found = torch.tensor([[0.25, 0.25, 0.5], [0.2, 0.3, 0.5]]).log()
    by_hand = 0.5 * math.log(2) - 0.25 * math.log(2)
    # What is added to all logits alike is no difference.
    assert divergence(wanted + 3.0, found).tolist() == pytest.approx([by_hand, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    "name",
    ["qwen2", "qwen3", "llama, wide heads, tied", "gemma3, a window shorter than the prompt"],
)
def test_every_way_of_a_model_in_float32_is_the_same(name: str) -> None:
    model = tiny_model(TINY[name])
    plain, lean = loaded(model, "eager"), loaded(model, "graph")
    batch = random_prompts("cpu", 3, 17, 9)
    outputs = [
        made.token_ids[: NEW_TOKENS - row]
        for row, made in enumerate(eager.generate(plain, batch, NEW_TOKENS, StopSwitch()))
    ]
    found = distances(plain, lean, batch, outputs)
    assert list(found) == WAYS
    for distance in found.values():
        assert distance.tokens == 3 * NEW_TOKENS - 3
        assert abs(distance.mean) < 1e-6
        assert distance.percentile_99 < 1e-5
    # Along tokens that it would choose, each way's highest are those.
    tokens = torch.tensor(
        [made.token_ids for made in eager.generate(plain, batch, NEW_TOKENS, StopSwitch())]
    )
    assert lean.decoder is not None
    with torch.inference_mode():
        for logits in (
            eager_token_by_token(plain, batch, tokens),
            graph_token_by_token(lean.decoder, batch, tokens),
            torch.stack(list(recorded_steps(lean.decoder, batch, tokens)), 1),
        ):
            assert torch.equal(logits.argmax(-1), tokens)


def test_a_model_that_differs_is_told() -> None:
    model, other = (tiny_model(TINY["qwen2"]) for _ in range(2))
    with torch.no_grad():
        other.model.layers[1].mlp.down_proj.weight *= 1.1
    batch = random_prompts("cpu", 9, 4)
    plain, lean = loaded(model, "eager"), loaded(other, "graph")
    outputs = [made.token_ids for made in graph.generate(lean, batch, NEW_TOKENS, StopSwitch())]
    found = distances(plain, lean, batch, outputs)
    assert found["graph"].percentile_99 >= found["graph"].mean > 1e-4
    assert found["graph"].mean == pytest.approx(found["graph in a batch"].mean, rel=1e-3)
    assert abs(found["eager in a batch"].mean) < 1e-6


def test_agreement_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    options = parser().parse_args(["--new-tokens", "8", "--kld-tokens", "6"])
    [config] = find_configs(["1M-bf16"])
    compare(config, options, ["Name a colour.", "List five birds, please."])
    printed = capsys.readouterr().out
    assert "graph = eager   2/2" in printed
    for way in WAYS:
        assert way in printed
    assert "12 distributions" in printed
