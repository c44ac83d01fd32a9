"""Engine `graph` against engine `eager` on the demo models: the same tokens, by a shorter way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vibecore import engine
from vibecore.catalog.architectures import read_spec
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.engines import decoded_by, why_left
from vibecore.catalog.models import find_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.records import Decoding
from vibecore.engine import capture
from vibecore.engine import graph as graph_engine
from vibecore.engine.batch import encode
from vibecore.engine.cache import new_cache
from vibecore.engine.choice import choose
from vibecore.engine.graph import why_eager
from vibecore.engine.model import LoadedModel
from vibecore.engine.prefill import prefill
from vibecore.engine.step import fixed_step

PROMPTS = ["Write a Python function that adds two numbers.", "Name a colour.", "List five birds."]


def loaded(config_id: str, name: str) -> LoadedModel:
    [config] = find_configs([config_id])
    return engine.load(load_request(config, resolve(config, "hub"), "cpu", name))


@pytest.fixture(scope="module", params=["1M-bf16", "1M-4bit", "1M-8bit", "1M-8bit-t0", "1M-fp16"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[LoadedModel, LoadedModel]]:
    yield loaded(request.param, "eager"), loaded(request.param, "graph")


@pytest.fixture(scope="module")
def graph() -> LoadedModel:
    return loaded("1M-bf16", "graph")


def test_a_single_prompt_gives_the_same_tokens(pair: tuple[LoadedModel, LoadedModel]) -> None:
    for prompt in PROMPTS:
        eager, graph = (engine.generate(each, [prompt], 40)[0] for each in pair)
        assert graph.token_ids == eager.token_ids
        assert graph.text == eager.text
        assert graph.finish_reason == eager.finish_reason
        assert 0 < graph.first_token_seconds <= graph.total_seconds


def test_a_batch_gives_the_same_tokens(pair: tuple[LoadedModel, LoadedModel]) -> None:
    eager, graph = (engine.generate(each, PROMPTS, 60) for each in pair)
    assert [each.token_ids for each in graph] == [each.token_ids for each in eager]
    assert [each.prompt_tokens for each in graph] == [each.prompt_tokens for each in eager]


def test_taking_a_model_apart_copies_no_weights(pair: tuple[LoadedModel, LoadedModel]) -> None:
    eager, graph = pair
    # A CPU packs 4-bit weights at first use, which has happened in one of the two.
    assert graph.report.weight_bytes <= eager.report.weight_bytes


def test_every_token_is_streamed_to_its_sequence(graph: LoadedModel) -> None:
    streamed: dict[int, list[int]] = {0: [], 1: [], 2: []}
    generations = engine.generate(
        graph, PROMPTS, 60, on_token=lambda index, token: streamed[index].append(token)
    )
    assert {each.finish_reason for each in generations} == {"eos", "length"} or all(
        each.finish_reason == "eos" for each in generations
    )
    assert [list(each.token_ids) for each in generations] == list(streamed.values())


def test_it_stops_within_a_token(graph: LoadedModel) -> None:
    switch = engine.StopSwitch()
    seen: list[int] = []

    def on_token(index: int, token: int) -> None:
        seen.append(token)
        if len(seen) == 3:
            switch.event.set()

    [generation] = engine.generate(graph, PROMPTS[:1], 200, switch, on_token)
    assert generation.finish_reason == "stopped"
    assert generation.new_tokens == 3


def test_it_samples_the_tokens_of_eager(pair: tuple[LoadedModel, LoadedModel]) -> None:
    if pair[1].request.precision == "fp16":
        pytest.skip("the two round a step of fp16 otherwise, which a greedy choice seldom shows")
    batches = [PROMPTS[:1], PROMPTS[1:2], PROMPTS]
    if pair[1].decoder is not None and pair[1].decoder.outlier_threshold:
        # There the outliers of finished sequences, which stay in eager's batch, change the others.
        batches.pop()
    decoding, seeds = Decoding(temperature=1.5, top_p=0.9), (4, 5, 6)
    for prompts in batches:
        eager, graph = (
            engine.generate(one, prompts, 20, decoding=decoding, seeds=seeds[: len(prompts)])
            for one in pair
        )
        assert [made.token_ids for made in graph] == [made.token_ids for made in eager]
        assert len({made.token_ids for made in graph}) == len(prompts)


@pytest.mark.parametrize("name", ["eager", "graph"])
def test_steps_are_timed_one_by_one_whatever_the_model_says(name: str) -> None:
    times = engine.time_steps(loaded("1M-bf16", name), prompt_tokens=16, new_tokens=70)
    assert len(times.step_seconds) == 69
    assert min(times.step_seconds) > 0
    assert times.prefill_seconds > 0


def test_what_does_not_fit_the_context_is_told(graph: LoadedModel) -> None:
    with pytest.raises(RunError, match="context is 512"):
        engine.generate(graph, PROMPTS[:1], 600)
    with pytest.raises(RunError, match="context is 512"):
        engine.time_steps(graph, 500, 100)


def test_the_step_recorded_where_triton_is_not_gives_the_same_tokens(
    pair: tuple[LoadedModel, LoadedModel],
) -> None:
    _, graph = pair
    decoder = graph.decoder
    assert decoder is not None
    if decoder.outlier_threshold:
        pytest.skip("without Triton, LLM.int8() with outliers is decoded by eager")
    wanted = [made.token_ids for made in engine.generate(graph, PROMPTS, 20)]
    batch = encode(graph, PROMPTS, 20)
    with torch.inference_mode():
        cache = new_cache(decoder, len(PROMPTS), capture.CACHE_STEP)
        tokens = choose(prefill(decoder, batch, cache)).tokens
        slot = torch.tensor([batch.tokens.shape[1]])
        made = [tokens.tolist()]
        for _ in range(19):
            tokens = choose(fixed_step(decoder, cache, tokens[:, None], slot)).tokens
            slot += 1
            made.append(tokens.tolist())
    for row, expected in zip(zip(*made, strict=True), wanted, strict=True):
        assert row[: len(expected)] == expected


def test_the_recording_used_least_recently_goes_first(graph: LoadedModel) -> None:
    assert graph.decoder is not None
    decoder = replace(graph.decoder, recordings={})
    for rows in range(1, capture.MOST_RECORDINGS + 1):
        capture.recording_for(decoder, rows, 50, 100)
    assert list(decoder.recordings) == [
        (rows, 512) for rows in range(1, capture.MOST_RECORDINGS + 1)
    ]
    capture.recording_for(decoder, 1, 64, 448)
    assert len(decoder.recordings) == capture.MOST_RECORDINGS
    capture.recording_for(decoder, 1, 65, 448)
    assert (2, 512) not in decoder.recordings
    assert {(1, 512), (1, 1024)} <= set(decoder.recordings)
    others = capture.idle_bytes(decoder, 1)
    assert list(decoder.recordings)[-2:] == [(1, 512), (1, 1024)]
    one_row = decoder.recordings[1, 512].held_bytes
    assert others == one_row * sum((3, 4, 5, 6, 1))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("reason", [None, "no Triton"])
def test_what_is_shown_of_a_run_is_what_the_engine_does(
    precision: str, device: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_engine, "why_no_triton", lambda dtype: reason)
    decoder: Any = SimpleNamespace(
        device=torch.device(device),
        dtype=torch.bfloat16,
        spec=read_spec(MODELS_DIR / "1M"),
        layers=[SimpleNamespace(down=None)],
        outlier_threshold=PRECISIONS[precision].outlier_threshold or 0.0,
    )
    recorded = {
        "engine": "graph",
        "device": device,
        "precision": precision,
        "kernels": f"torch: {reason}" if reason else "triton",
    }
    why = why_eager(decoder)
    engine = "eager" if why else "graph"
    # Runs of earlier versions have not recorded the reason.
    assert decoded_by(recorded, 1) == engine
    for rows in (1, 2):
        left = {"single": why, "batch": why}
        assert decoded_by({**recorded, "precision": "?", "left_to_eager": left}, rows) == engine
        assert why_left({**recorded, "left_to_eager": left}, rows) == why


def test_earlier_runs_left_batches_with_outliers_to_eager() -> None:
    recorded = {"engine": "graph", "device": "cuda", "kernels": "triton", "precision": "8bit"}
    assert decoded_by(recorded, 2) == "eager"
    assert "outliers" in (why_left(recorded, 2) or "")
    assert decoded_by({**recorded, "precision": "8bit-t0"}, 2) == "graph"
    assert decoded_by({**recorded, "device": "cpu"}, 2) == "graph"


def test_a_run_records_why_it_was_left_to_eager(graph: LoadedModel) -> None:
    environment = graph.report.environment
    assert environment["left_to_eager"] == {"single": None, "batch": None}
    assert environment["kernels"] is None
    assert "left_to_eager" not in loaded("1M-bf16", "eager").report.environment
