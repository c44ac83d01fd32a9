"""Engine `graph` against engine `eager`, token for token, on small random models of every
architecture in the catalogue; and why it leaves the others to `eager`. On a GPU too, if there is
one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.tiny_models import GEMMA, TINY, loaded, random_prompts, tiny_model
from vibecore.catalog.architectures import ARCHITECTURES
from vibecore.catalog.engines import decoded_by, why_left
from vibecore.core.errors import RunError
from vibecore.core.records import Generation
from vibecore.engine import eager, graph
from vibecore.engine.cache import new_cache
from vibecore.engine.choice import choose
from vibecore.engine.decoder import build_decoder, why_not
from vibecore.engine.model import Batch, LoadedModel, StopSwitch
from vibecore.engine.prefill import prefill
from vibecore.engine.step import fixed_step

NEW_TOKENS = 40
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
# One prompt, and three of which two are padded, one of them to more than most windows here.
BATCHES = [(17,), (3, 17, 9)]


def tokens_of(engine: str, loaded_model: LoadedModel, batch: Batch) -> list[tuple[int, ...]]:
    module = {"eager": eager, "graph": graph}[engine]
    made: list[Generation] = module.generate(loaded_model, batch, NEW_TOKENS, StopSwitch())
    return [generation.token_ids for generation in made]


def test_every_architecture_of_the_catalogue_has_a_case() -> None:
    assert {raw["model_type"] for raw in TINY.values()} == set(ARCHITECTURES)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("lengths", BATCHES, ids=["single", "batch"])
@pytest.mark.parametrize("name", TINY)
def test_graph_decodes_the_tokens_of_eager(
    name: str, lengths: tuple[int, ...], device: str
) -> None:
    model = tiny_model(TINY[name], device=device)
    batch = random_prompts(device, *lengths)
    wanted = tokens_of("eager", loaded(model, "eager"), batch)
    lean = loaded(model, "graph")
    assert lean.decoder is not None, lean.report.environment
    assert tokens_of("graph", lean, batch) == wanted
    # Outputs of one token repeated would be the same whatever was computed.
    assert len(lengths) == 1 or max(len(set(tokens)) for tokens in wanted) >= 5


@pytest.mark.parametrize("lengths", BATCHES, ids=["single", "batch"])
@pytest.mark.parametrize("name", TINY)
def test_the_step_of_fixed_shapes_decodes_the_same(name: str, lengths: tuple[int, ...]) -> None:
    """What a GPU records where it has no kernels for a model."""
    model = tiny_model(TINY[name])
    batch = random_prompts("cpu", *lengths)
    wanted = tokens_of("eager", loaded(model, "eager"), batch)
    decoder = build_decoder(model)
    with torch.inference_mode():
        cache = new_cache(decoder, len(lengths), 64)
        tokens = choose(prefill(decoder, batch, cache)).tokens
        slot = torch.tensor([batch.tokens.shape[1]])
        made = [tokens.tolist()]
        for _ in range(NEW_TOKENS - 1):
            tokens = choose(fixed_step(decoder, cache, tokens[:, None], slot)).tokens
            slot += 1
            made.append(tokens.tolist())
    assert [tuple(row) for row in zip(*made, strict=True)] == wanted


def test_a_finished_sequence_leaves_the_batch() -> None:
    model = tiny_model(TINY["gemma3, a window shorter than the prompt"])
    batch = random_prompts("cpu", 3, 17, 9)
    whole = tokens_of("eager", loaded(model, "eager"), batch)
    # Ends the first of them early, and the others where they happen to have it.
    end = whole[0][5]
    wanted = tokens_of("eager", loaded(model, "eager", [end]), batch)
    assert len(wanted[0]) <= 6
    assert tokens_of("graph", loaded(model, "graph", [end]), batch) == wanted


ROPES = {
    "dynamic": {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0},
    "longrope": {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 64,
        "short_factor": [1.0] * 8,
        "long_factor": [2.0] * 8,
    },
}
# What graph cannot carry out exactly -> what it says.
LEFT = {
    "phi": ({"model_type": "phi"}, "does not know the architecture 'phi'"),
    "qwen2, gelu": ({"model_type": "qwen2", "hidden_act": "gelu"}, "the activation 'gelu'"),
    "llama, gelu": ({"model_type": "llama", "hidden_act": "gelu"}, "the activation 'gelu'"),
    "llama, relu": ({"model_type": "llama", "hidden_act": "relu"}, "the activation 'relu'"),
    "llama, gelu_new": (
        {"model_type": "llama", "hidden_act": "gelu_new"},
        "the activation 'gelu_new'",
    ),
    "qwen2, relu": ({"model_type": "qwen2", "hidden_act": "relu"}, "the activation 'relu'"),
    "llama, dynamic": (
        {"model_type": "llama", "rope_parameters": ROPES["dynamic"]},
        "'dynamic' depends on the length",
    ),
    "llama, longrope": (
        {"model_type": "llama", "rope_parameters": ROPES["longrope"]},
        "'longrope' depends on the length",
    ),
    "gemma3, capped": ({**GEMMA, "final_logit_softcapping": 30.0}, "does not cap logits"),
    "gemma3, both ways": ({**GEMMA, "use_bidirectional_attention": True}, "causal attention only"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_graph_cannot_do_exactly_is_left_to_eager_by_reason(name: str) -> None:
    raw, says = LEFT[name]
    model = tiny_model(raw)
    asked = loaded(model, "graph")
    environment = {"engine": "graph", "device": "cpu", **asked.report.environment}
    for rows in (1, 3):
        assert says in (why_left(environment, rows) or "")
        assert decoded_by(environment, rows) == "eager"
    batch = random_prompts("cpu", 9)
    assert tokens_of("graph", asked, batch) == tokens_of("eager", loaded(model, "eager"), batch)
    with pytest.raises(RunError, match="Use --engine eager"):
        build_decoder(model)


class OtherLinear(nn.Linear):
    """Stands for a quantiser's module that no projection of ours reads."""


def test_a_linear_layer_of_an_unknown_kind_is_left_to_eager() -> None:
    model = tiny_model(TINY["llama"])
    assert why_not(model) is None
    model.model.layers[2].mlp.up_proj.__class__ = OtherLinear
    assert "no product for" in (why_not(model) or "")


def test_a_weight_that_the_spec_does_not_name_is_left_to_eager() -> None:
    model = tiny_model(TINY["llama"])
    model.model.layers[1].self_attn.gate = nn.Linear(64, 4)
    assert "'model.layers.1.self_attn.gate.bias'" in (why_not(model) or "")
