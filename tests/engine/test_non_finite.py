"""Logits that are NaN or infinite end a generation, in both engines, and its neighbours go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.core.errors import RunError
from vibecore.core.records import GREEDY, Decoding, Generation
from vibecore.engine import eager, graph
from vibecore.engine.cache import new_cache
from vibecore.engine.capture import Told
from vibecore.engine.choice import Chosen, choose
from vibecore.engine.decoder import build_decoder
from vibecore.engine.generate import time_steps
from vibecore.engine.model import Batch, Collector, LoadedModel, StopSwitch
from vibecore.engine.prefill import prefill
from vibecore.engine.step import fixed_step

NEW_TOKENS = 20
ENGINES = {"eager": eager, "graph": graph}
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
BATCHES = [(17,), (3, 17, 9)]


def outputs(one: LoadedModel, batch: Batch, decoding: Decoding = GREEDY) -> list[Generation]:
    module: Any = ENGINES[one.request.engine]
    made: list[Generation] = module.generate(
        one, batch, NEW_TOKENS, StopSwitch(), decoding=decoding
    )
    return made


def first_repeat(tokens: tuple[int, ...], others: set[int]) -> int:
    """Where the first token stands that no other sequence, and no earlier place, has."""
    return next(at for at in range(3, len(tokens)) if tokens[at] not in {*others, *tokens[:at]})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("lengths", BATCHES, ids=["single", "batch"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_sequence_ends_before_the_token_that_its_logits_cannot_give(
    engine: str, lengths: tuple[int, ...], device: str
) -> None:
    """A weight that is NaN comes into play when one sequence has made a certain token."""
    model = tiny_model(TINY["llama"], device=device)
    batch = random_prompts(device, *lengths)
    whole = [one.token_ids for one in outputs(loaded(model, engine), batch)]
    others = {*batch.tokens.flatten().tolist(), *(token for row in whole[1:] for token in row)}
    at = first_repeat(whole[0], others)
    with torch.no_grad():
        model.model.embed_tokens.weight[whole[0][at]] = float("nan")
    first, *rest = outputs(loaded(model, engine), batch)
    assert first.finish_reason == "non_finite"
    assert first.token_ids == whole[0][: at + 1]
    assert [one.token_ids for one in rest] == whole[1:]
    assert {one.finish_reason for one in rest} <= {"length"}


def overflowing(dtype: torch.dtype = torch.float16) -> Any:
    """Hidden states reach beyond float16's 65,504."""
    model = tiny_model(TINY["qwen2"], dtype)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.down_proj.weight.mul_(30_000.0)
    return model


@pytest.mark.parametrize("lengths", BATCHES, ids=["single", "batch"])
@pytest.mark.parametrize("engine", ENGINES)
def test_an_overflow_of_float16_makes_no_token(engine: str, lengths: tuple[int, ...]) -> None:
    batch = random_prompts("cpu", *lengths)
    made = outputs(loaded(overflowing(), engine), batch)
    assert [(one.finish_reason, one.token_ids) for one in made] == [("non_finite", ())] * len(made)
    assert {one.decode_tokens_per_second for one in made} == {None}
    fine = outputs(loaded(overflowing(torch.bfloat16), engine), batch)
    assert {one.finish_reason for one in fine} == {"length"}


def test_nothing_is_sampled_from_logits_that_are_not_finite() -> None:
    sampled = Decoding(temperature=1.0, seed=1)
    for engine in ENGINES:
        made = outputs(loaded(overflowing(), engine), random_prompts("cpu", 3, 9), sampled)
        assert [(one.finish_reason, one.token_ids) for one in made] == [("non_finite", ())] * 2


@pytest.mark.parametrize("engine", ENGINES)
def test_the_token_that_does_not_exist_is_not_streamed(engine: str) -> None:
    streamed: list[tuple[int, int]] = []
    module: Any = ENGINES[engine]
    module.generate(
        loaded(overflowing(), engine),
        random_prompts("cpu", 3, 9),
        NEW_TOKENS,
        StopSwitch(),
        lambda index, token: streamed.append((index, token)),
    )
    assert streamed == []


@pytest.mark.parametrize("engine", ENGINES)
def test_an_end_before_the_overflow_is_an_end(engine: str) -> None:
    """In a batch of eager's a finished row goes on as padding, whatever its logits are then."""
    model = tiny_model(TINY["llama"])
    batch = random_prompts("cpu", 3, 17, 9)
    whole = [one.token_ids for one in outputs(loaded(model, engine), batch)]
    at = first_repeat(whole[0], {*batch.tokens.flatten().tolist(), *whole[1], *whole[2]})
    end = whole[0][at]
    with torch.no_grad():
        model.model.embed_tokens.weight[end] = float("nan")
    made = outputs(replace(loaded(model, engine, [end]), pad_token_id=end), batch)
    assert made[0].finish_reason == "eos"
    assert made[0].token_ids == whole[0][: at + 1]
    assert [one.token_ids for one in made[1:]] == whole[1:]


def test_a_sequence_ends_for_it_only_where_a_token_was_made_of_it() -> None:
    made = [[5, 6, 7, 0], [5, 2, 9, 9], [5, 6, 7, 8], [5, 6, 7, 8]]
    # The second had stopped at 2; the third broke in a step after its last; the fourth never.
    ended = eager.cut_short(made, [3, 3, 4, None], (2,))
    assert ended == {0}
    assert made == [[5, 6, 7], [5, 2, 9, 9], [5, 6, 7, 8], [5, 6, 7, 8]]


def test_the_step_of_fixed_shapes_tells_of_it_beside_a_valid_token() -> None:
    decoder = build_decoder(overflowing())
    batch = random_prompts("cpu", 3, 17)
    with torch.inference_mode():
        cache = new_cache(decoder, 2, 32)
        first = choose(prefill(decoder, batch, cache))
        logits = fixed_step(decoder, cache, first.tokens[:, None], torch.tensor([17]))
        second = choose(logits)
    for chosen in (first, second):
        assert not chosen.highest.isfinite().any()
        assert ((chosen.tokens >= 0) & (chosen.tokens < decoder.spec.vocab_size)).all()


BROKEN: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "one NaN": lambda logits: logits.index_fill(1, torch.tensor([4]), float("nan")),
    "one infinity": lambda logits: logits.index_fill(1, torch.tensor([4]), float("inf")),
    "all minus infinity": lambda logits: torch.full_like(logits, -float("inf")),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_highest_logit_tells_of_any(kind: str) -> None:
    logits = torch.randn(2, 300)
    assert torch.equal(choose(logits).tokens, logits.argmax(-1))
    assert choose(logits).highest.isfinite().all()
    chosen = choose(BROKEN[kind](logits))
    assert not chosen.highest.isfinite().any()
    assert (chosen.tokens < 300).all()


def test_of_equal_logits_the_first_is_chosen() -> None:
    """As argmax in transformers' generate does: in 16 bit equal ones are common."""
    logits = torch.randint(0, 3, (40, 151_936)).to(torch.bfloat16)
    assert torch.equal(choose(logits).tokens, logits.argmax(-1))


def test_what_a_gpu_tells_comes_in_one_piece() -> None:
    told = Told.empty(3, torch.bfloat16, torch.device("cpu"))
    chosen = Chosen(torch.tensor([5, 151_935, 0]), torch.tensor([1.5, float("nan"), -2.0]))
    told.take(chosen)
    tokens, highest = told.send().arrived()
    assert tokens == [5, 151_935, 0]
    assert (highest[0], highest[2]) == (1.5, -2.0)
    collector = Collector(3, (), 9, StopSwitch(), None)
    assert collector.take(range(3), tokens, highest)
    assert collector.tokens == [[5], [], [0]]
    assert collector.non_finite == {1}
    assert collector.running == [0, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_has_no_next_token_is_not_timed(engine: str) -> None:
    one = replace(loaded(overflowing(), engine), context=None)
    with pytest.raises(RunError, match="not finite after 0 of 8 tokens"):
        time_steps(one, 5, 8)


def test_without_a_limit_no_length_is_refused() -> None:
    one = replace(loaded(tiny_model(TINY["llama"]), "eager"), context=None)
    assert len(time_steps(one, 250, 30).step_seconds) == 29
