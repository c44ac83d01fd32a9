"""A child that answers with transformers' `generate` or with one of our engines.

Every way is given the same random token ids and asked for exactly as many new ones: no text is
tokenised, no end of sequence ends an answer. An answer is timed from its prompt to its last token
on the host; a shorter answer is read off the longest one, when its last token came.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.streamers import BaseStreamer

from benchmarks.peers.served import serve
from vibecore import engine
from vibecore.catalog.models import find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.engine import eager, graph
from vibecore.engine.batch import random_batch, synchronise
from vibecore.engine.model import Batch, LoadedModel, StopSwitch

ENGINES = {"eager": eager, "graph": graph}
# No token, so no end: transformers takes the model's own for an empty list.
NEVER = -1
# A CPU has nothing to set up for a length.
CPU_WARM_UP_TOKENS = 4


class Stamps(BaseStreamer):
    """When each token came, by time.perf_counter. `generate` sends the prompt first."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._prompt_came = False

    def put(self, value: torch.Tensor) -> None:
        """Called with the prompt, then with a token of each sequence."""
        if self._prompt_came:
            self.times.append(time.perf_counter())
        self._prompt_came = True

    def end(self) -> None:
        """Nothing is kept back."""


@dataclass
class Way:
    """A loaded model and how it is made to answer."""

    loaded: LoadedModel
    name: str
    how: dict[str, Any] = field(default_factory=dict)

    def stamps(self, batch: Batch, new_tokens: int, *, only_first: bool = False) -> list[float]:
        """Seconds from the prompts to each token, or to the first alone."""
        synchronise(self.loaded.device)
        started = time.perf_counter()
        decode = self._by_engine if self.name in ENGINES else self._by_generate
        times = decode(batch, new_tokens, only_first)
        return [stamp - started for stamp in times]

    def _by_engine(self, batch: Batch, new_tokens: int, only_first: bool) -> list[float]:
        switch = StopSwitch()
        times: list[float] = []

        def on_token(index: int, _: int) -> None:
            if index == 0:
                times.append(time.perf_counter())
            if only_first:
                switch.event.set()

        ENGINES[self.name].generate(self.loaded, batch, new_tokens, switch, on_token)
        return times

    def _by_generate(self, batch: Batch, new_tokens: int, only_first: bool) -> list[float]:
        stamps = Stamps()
        # Typed by transformers as whatever a module may have of that name.
        generate: Any = self.loaded.model.generate
        generate(
            input_ids=batch.tokens,
            attention_mask=batch.mask,
            max_new_tokens=1 if only_first else new_tokens,
            do_sample=False,
            streamer=stamps,
            **self.how,
        )
        return stamps.times


_ways: list[Way] = []


def load(config: str, weights: str, device: str, way: str) -> str | None:
    """Load a config for `generate`, `static` (a static cache, which transformers compiles the
    decode step for), `eager` or `graph`. Returns what is to be said of it."""
    [chosen] = find_configs([config])
    request = load_request(
        chosen, resolve(chosen, weights), device, way if way in ENGINES else "eager"
    )
    loaded = replace(engine.load(request), eos_token_ids=(NEVER,))
    _ways.append(Way(loaded, way, {"cache_implementation": "static"} if way == "static" else {}))
    if way in ENGINES:
        left = loaded.report.environment.get("left_to_eager") or {}
        return f"decoded by eager: {left['single']}" if left.get("single") else None
    # As a script has it that knows nothing of Vibe check.
    torch.backends.cuda.enable_cudnn_sdp(True)
    loaded.model.generation_config = GenerationConfig(pad_token_id=loaded.pad_token_id)
    # Else the second batch size is compiled for any, which is slower.
    torch._dynamo.config.automatic_dynamic_shapes = False
    if way == "static" and loaded.device.type == "cpu":
        return "static cache, not compiled: transformers compiles on GPUs only"
    return None


def warm_up(prompt_tokens: int, new_tokens: int, batch_size: int) -> None:
    """Everything that a timed answer of this shape needs, untimed; at full length on a GPU, where
    each new length of a cache costs transformers something."""
    [way] = _ways
    batch = random_batch(way.loaded, batch_size, prompt_tokens, new_tokens)
    if way.loaded.device.type == "cpu":
        way.stamps(batch, min(new_tokens, CPU_WARM_UP_TOKENS))
        return
    if way.name == "graph" and way.loaded.decoder is not None:
        with torch.inference_mode():
            graph.prepare(way.loaded.decoder, batch, new_tokens)
    way.stamps(batch, new_tokens)
    if way.name == "static":
        # What torch.compile captures it captures at the second call.
        way.stamps(batch, new_tokens)


def measure(prompt_tokens: int, new_tokens: list[int], batch_size: int) -> dict[str, Any]:
    """Seconds to the first token and to the end of each length of answer. Raises RuntimeError
    where an answer ended early."""
    [way] = _ways
    longest = max(new_tokens)
    stamps = way.stamps(random_batch(way.loaded, batch_size, prompt_tokens, longest), longest)
    if len(stamps) != longest:
        raise RuntimeError(f"{len(stamps)} of {longest} tokens came")
    return {"first_token": stamps[0], "whole": [stamps[new - 1] for new in new_tokens]}


def first_tokens(lengths: Sequence[int], new_tokens: int) -> list[float]:
    """Seconds to the first token of one prompt of each length, in this order, in what an answer of
    `new_tokens` would be decoded with."""
    [way] = _ways
    return [
        way.stamps(random_batch(way.loaded, 1, length, new_tokens), new_tokens, only_first=True)[0]
        for length in lengths
    ]


if __name__ == "__main__":
    serve(
        {"load": load, "warm_up": warm_up, "measure": measure, "first_tokens": first_tokens},
    )
