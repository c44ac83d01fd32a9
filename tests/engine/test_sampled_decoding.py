"""Sampled tokens are the same by either engine, in any batch, called or in recorded steps."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedModel

from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog import prefill as lengths
from vibecore.core.records import GREEDY, Decoding
from vibecore.engine import capture, eager, graph
from vibecore.engine.decoder import Decoder, build_decoder
from vibecore.engine.model import Batch, Collector, StopSwitch
from vibecore.engine.sampling import draw, rule_of

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
NEW_TOKENS = 20
ALL, CUT = Decoding(temperature=0.9, seed=3), Decoding(temperature=1.2, top_p=0.8, seed=3)
NAMES = ["qwen2", "llama", "qwen3", "gemma3, a window shorter than the prompt"]
Tokens = list[tuple[int, ...]]


def tokens_of(
    engine: str,
    model: PreTrainedModel,
    batch: Batch,
    decoding: Decoding,
    seeds: tuple[int, ...] | None = None,
    stop: tuple[int, ...] = (),
) -> Tokens:
    """Each row's tokens, by an engine's `generate`."""
    module = {"eager": eager, "graph": graph}[engine]
    one = loaded(model, engine, list(stop))
    made = module.generate(one, batch, NEW_TOKENS, StopSwitch(), None, decoding, seeds)
    return [each.token_ids for each in made]


def recorded(
    decoder: Decoder,
    batch: Batch,
    decoding: Decoding,
    seeds: tuple[int, ...],
    stop: tuple[int, ...] = (),
    new_tokens: int = NEW_TOKENS,
) -> Tokens:
    """Each row's tokens, by what a GPU records."""
    collector = Collector(len(seeds), stop, new_tokens, StopSwitch(), None)
    draws = draw(decoding, seeds, new_tokens, decoder.device)
    with torch.inference_mode():
        capture.decode_recorded(decoder, batch, collector, draws)
    return [tuple(tokens) for tokens in collector.tokens]


def same_prompts(*which: int) -> Batch:
    """Prompts of 9 tokens, the same where the numbers are."""
    known = random_prompts("cpu", *(9,) * (max(which) + 1)).tokens
    tokens = torch.stack([known[number] for number in which])
    return Batch(tokens, torch.ones_like(tokens), (9,) * len(which))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("decoding", [ALL, CUT], ids=["all", "top-p"])
@pytest.mark.parametrize("name", NAMES)
def test_graph_samples_the_tokens_of_eager(name: str, decoding: Decoding, device: str) -> None:
    model = tiny_model(TINY[name], device=device)
    batch, seeds = random_prompts(device, 3, 17, 9), (7, 8, 9)
    wanted = tokens_of("eager", model, batch, decoding, seeds)
    assert tokens_of("graph", model, batch, decoding, seeds) == wanted
    assert wanted != tokens_of("eager", model, batch, GREEDY)
    assert wanted != tokens_of("eager", model, batch, decoding, (8, 9, 7))


@pytest.mark.parametrize("engine", ["eager", "graph"])
def test_a_sample_is_its_seeds_in_any_batch(engine: str) -> None:
    model = tiny_model(TINY["llama"])
    batch, seeds = same_prompts(0, 1, 0, 0), (5, 5, 6, 5)
    made = tokens_of(engine, model, batch, ALL, seeds)
    alone = [tokens_of(engine, model, same_prompts(0), ALL, (seed,))[0] for seed in (5, 6)]
    assert [made[0], made[2], made[3]] == [alone[0], alone[1], alone[0]]
    assert len(set(made)) == 3
    # Without seeds of their own all rows have the decoding's.
    assert len(set(tokens_of(engine, model, batch, ALL))) == 2


@pytest.mark.parametrize("decoding", [ALL, CUT], ids=["all", "top-p"])
@pytest.mark.parametrize("prepared", [True, False])
def test_recorded_steps_sample_the_same_and_finished_sequences_leave(
    prepared: bool, decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(TINY["qwen3"])
    batch, seeds = random_prompts("cpu", 3, 17, 9, 12, 5), (1, 2, 3, 4, 5)
    whole = tokens_of("eager", model, batch, decoding, seeds)
    stop = tuple(row[place] for row, place in zip(whole, (2, 4, 7, 9), strict=False))
    wanted = tokens_of("eager", model, batch, decoding, seeds, stop)
    assert len({len(tokens) for tokens in wanted}) >= 3
    kept: list[tuple[int, int]] = []
    keep = capture.Recording.keep

    def noted(self: capture.Recording, places: list[int], rows: int, rule: capture.Rule) -> None:
        kept.append((rows, len(places)))
        keep(self, places, rows, rule)

    monkeypatch.setattr(capture.Recording, "keep", noted)
    decoder = build_decoder(model)
    if prepared:
        with torch.inference_mode():
            recording = capture.recording_for(decoder, 5, 17, NEW_TOKENS)
            recording.prepare(5, 17, rule_of(decoding))
    assert recorded(decoder, batch, decoding, seeds, stop) == wanted
    assert bool(kept) == prepared


def test_one_recorded_step_serves_every_temperature_and_top_p() -> None:
    model = tiny_model(TINY["llama"])
    batch, seeds = random_prompts("cpu", 3, 9), (1, 2)
    decoder = build_decoder(model)
    decodings = [
        GREEDY,
        *(Decoding(temperature, top_p) for temperature in (0.7, 1.4) for top_p in (0.6, 0.9, 1.0)),
    ]
    made = [recorded(decoder, batch, decoding, seeds) for decoding in decodings]
    assert made == [tokens_of("eager", model, batch, decoding, seeds) for decoding in decodings]
    assert len(set(map(tuple, made))) == len(made)
    [recording] = decoder.recordings.values()
    assert sorted(recording.steps) == [(2, "all"), (2, "greedy"), (2, "top-p")]


def test_samples_of_a_prompt_read_it_once() -> None:
    model = tiny_model(TINY["llama"])
    batch, seeds = same_prompts(1, 0, 1, 1), (1, 2, 3, 4)
    decoder = build_decoder(model)
    wanted = tokens_of("eager", model, batch, ALL, seeds)
    assert recorded(decoder, batch, ALL, seeds) == wanted
    assert len(set(wanted)) == 4
    [recording] = decoder.recordings.values()
    assert list(recording.passes) == [(2, 32)]


def test_a_prompt_read_once_for_many_rows_fits_their_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alone it is read in longer parts than many prompts at once, and padded further."""
    for module in (lengths, capture):
        monkeypatch.setattr(module, "CHUNKS", (2, 16))
    monkeypatch.setattr(lengths, "MOST_TOKENS", 16)
    monkeypatch.setattr(capture, "CACHE_STEP", 1)
    model = tiny_model(TINY["llama"])
    batch, seeds = same_prompts(0, 0, 0), (1, 2, 3)
    wanted = tokens_of("eager", model, batch, ALL, seeds)
    assert recorded(build_decoder(model), batch, ALL, seeds) == wanted
