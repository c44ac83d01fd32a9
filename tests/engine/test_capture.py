"""What a GPU records, called on a CPU: prompts in padded parts, smaller steps, shared prompts."""

from __future__ import annotations

import pytest
import torch

from tests.engine.test_architectures import NEW_TOKENS, tokens_of
from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog import prefill as lengths
from vibecore.catalog.prefill import CHUNKS, MOST_TOKENS, chunks_of
from vibecore.engine import capture, recorded
from vibecore.engine.decoder import build_decoder
from vibecore.engine.model import Batch, Collector, StopSwitch
from vibecore.engine.sampling import Rule

NAMES = [name for name in TINY if name != "mistral"]


def decode(
    model: torch.nn.Module, batch: Batch, stop: tuple[int, ...] = (), *, prepared: bool = True
) -> tuple[list[tuple[int, ...]], capture.Recording]:
    """The tokens of each row by what a GPU records."""
    decoder = build_decoder(model)
    rows, longest = batch.tokens.shape
    collector = Collector(rows, stop, NEW_TOKENS, StopSwitch(), None)
    with torch.inference_mode():
        recording = capture.recording_for(decoder, rows, longest, NEW_TOKENS)
        if prepared:
            recording.prepare(rows, longest)
        capture.decode_recorded(decoder, batch, collector)
    return [tuple(tokens) for tokens in collector.tokens], recording


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompts", [(17,), (3, 17, 9), (40,), (40, 21)], ids=str)
def test_prompts_in_padded_parts_give_the_tokens_of_eager(
    name: str, prompts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (lengths, capture):
        monkeypatch.setattr(module, "CHUNKS", (8, 16))
    model = tiny_model(TINY[name])
    batch = random_prompts("cpu", *prompts)
    wanted = tokens_of("eager", loaded(model, "eager"), batch)
    assert decode(model, batch)[0] == wanted


@pytest.mark.parametrize("prepared", [True, False])
def test_finished_sequences_leave_where_a_smaller_step_is_ready(
    prepared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(TINY["gemma3, a window shorter than the prompt"])
    batch = random_prompts("cpu", 3, 17, 9, 12, 5)
    whole = tokens_of("eager", loaded(model, "eager"), batch)
    # Each ends some of them early.
    stop = tuple(row[place] for row, place in zip(whole, (2, 4, 7, 9), strict=False))
    wanted = tokens_of("eager", loaded(model, "eager", list(stop)), batch)
    assert len({len(tokens) for tokens in wanted}) >= 3
    kept: list[tuple[int, int]] = []
    keep = capture.Recording.keep

    def noted(self: capture.Recording, places: list[int], rows: int, rule: Rule) -> None:
        kept.append((rows, len(places)))
        keep(self, places, rows, rule)

    monkeypatch.setattr(capture.Recording, "keep", noted)
    made, _ = decode(model, batch, stop, prepared=prepared)
    assert made == wanted
    assert bool(kept) == prepared
    assert all(after < before and after in (1, 2, 4) for before, after in kept)


def test_samples_of_one_prompt_read_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(TINY["llama"])
    one, other = random_prompts("cpu", 9, 9).tokens
    tokens = torch.stack([other, one, other, other])
    batch = Batch(tokens, torch.ones_like(tokens), (9,) * 4)
    wanted = tokens_of("eager", loaded(model, "eager"), batch)
    made, recording = decode(model, batch, prepared=False)
    assert made == wanted
    assert list(recording.passes) == [(2, 32)]


@pytest.mark.parametrize("rows", [1, 2, 30, 200, 1000])
@pytest.mark.parametrize("prompt", [1, 31, 32, 33, 117, 512, 513, 5000])
def test_passes_hold_a_prompt_and_little_more(prompt: int, rows: int) -> None:
    chunks = chunks_of(prompt, rows)
    assert prompt <= sum(chunks)
    assert sum(chunks[:-1]) < prompt
    assert set(chunks) <= set(CHUNKS)
    assert rows * max(chunks) <= max(MOST_TOKENS, rows * CHUNKS[0])
    # The last is the shortest that holds the rest, so no more than half of it is padding.
    assert sum(chunks) - prompt < max(CHUNKS[0], chunks[-1] / 2)


class Graph:
    """Stands for a CUDA graph: notes when it is recorded and replayed."""

    def __init__(self, made: list[str]) -> None:
        self.made = made

    def replay(self) -> None:
        self.made.append("replay")


def test_what_was_called_is_recorded_when_told_to_and_replayed_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def record(self: recorded.Recorded) -> None:
        made.append("record")
        self._graph = Graph(made)  # type: ignore[assignment]

    monkeypatch.setattr(recorded.Recorded, "_record", record)
    one = recorded.Recorded(lambda: made.append("work"), torch.device("cuda"), None)
    one.record()
    assert made == []
    one()
    assert made == ["work"] and not one.ready
    one.record()
    one.record()
    one()
    assert made == ["work", "record", "replay"] and one.ready
    other = recorded.Recorded(lambda: made.append("work"), torch.device("cuda"), None)
    other.prepare()
    other()
    assert made[3:] == ["work", "record", "replay"]


def test_a_prompt_s_passes_are_recorded_after_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[recorded.Recorded] = []
    monkeypatch.setattr(recorded.Recorded, "record", lambda self: told.append(self))
    model = tiny_model(TINY["llama"])
    _, recording = decode(model, random_prompts("cpu", 9), prepared=False)
    before = list(told)
    capture.record_passes(recording.decoder)
    assert told[len(before) :] == list(recording.passes.values())
