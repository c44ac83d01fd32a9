"""What a worker does before its first token, phase by phase: run by benchmarks/startup.py.

Prints one line of JSON, seconds by phase, in their order. Arguments: config (or a precision, with
a folder as the last one), weights, device, engine.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

PROMPT = "Write a Python function that adds two numbers."
NEW_TOKENS = 60


def main() -> None:
    """Go through the phases; each import stands where a worker would make it."""
    named, weights, device, engine_name, *folder = sys.argv[1:]
    seconds: dict[str, float] = {}
    begun = time.perf_counter()

    def lap(phase: str) -> None:
        nonlocal begun
        if device_type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        seconds[phase] = now - begun
        begun = time.perf_counter()

    device_type = "cpu"
    import torch

    lap("import torch")
    import transformers  # noqa: F401

    lap("import transformers")
    engine = import_module("vibecore.engine")
    lap("import the engine")
    from vibecore.catalog.models import find_configs, own_configs
    from vibecore.catalog.weights import load_request, resolve
    from vibecore.engine import graph
    from vibecore.engine.batch import encode
    from vibecore.engine.kernels.availability import why_no_triton
    from vibecore.engine.light import import_bitsandbytes
    from vibecore.engine.quantisers import DTYPES

    [config] = own_configs(folder[0], [named]) if folder else find_configs([named])
    resolved = resolve(config, weights)
    lap("find the weights")
    device_type = engine.choose_device(device)
    if device_type == "cuda":
        torch.zeros(1, device="cuda")
        lap("the GPU's context")
    if config.precision.method in ("llm-int8", "bnb-nf4"):
        import_bitsandbytes()
        lap("import bitsandbytes")
    spec = config.model.spec
    if spec is not None:
        kind = spec.model_type.removesuffix("_text")
        import_module(f"transformers.models.{kind}.modeling_{kind}")
        lap("import the model's code")
    loaded = engine.load(load_request(config, resolved, device_type, "eager"))
    lap("load")
    if device_type == "cuda" and engine_name == "graph":
        why_no_triton(DTYPES[config.precision.dtype])
        lap("try Triton's kernels")
    decoder, _ = graph.take_apart(loaded.model, engine_name)
    lap("take apart")
    if decoder is None:
        engine.generate(loaded, [PROMPT], 1)
        lap("first prompt")
    elif device_type == "cpu":
        from dataclasses import replace

        engine.generate(replace(loaded, decoder=decoder), [PROMPT], 1)
        lap("first prompt")
    else:
        from vibecore.engine.capture import recording_for
        from vibecore.engine.prefill import distinct_prompts

        with torch.inference_mode():
            batch = encode(loaded, [PROMPT], NEW_TOKENS)
            recording = recording_for(decoder, 1, batch.tokens.shape[1], NEW_TOKENS)
            lap("make the cache")
            recording.read(distinct_prompts(batch))
            lap("first prompt")
            step = recording.step(1)
            step.run()
            lap("first step")
            for one in recording.passes.values():
                one.prepare()
            lap("record the prompt's pass")
            step.run.prepare()
            lap("record the step")
            recording.read(distinct_prompts(batch))
            lap("the prompt again")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
