"""A bench's report as a GPU would give it: made up, for tests; no figure in it was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vibecore.catalog.models import family_configs
from vibecore.studies.bench.figures import llama_rate, speed
from vibecore.studies.bench.report import FORMAT, VERSION

GPU = "Test GPU 80GB"
CEILING = 400e9
# How long the device takes for a step over the time that reading the weights would, by precision.
SLOWDOWN = {"bf16": 1.3, "8bit": 3.0, "4bit": 1.8}
HOST_SECONDS = {"eager": 0.02, "graph": 0.00002}
KERNELS = {"self_attn.q_proj": "gemv<bf16>", "mlp.up_proj": "gemv<bf16>", "input_layernorm": "norm"}


def make_report(broken: str | None = None) -> dict[str, Any]:
    """Six dummy configs, two engines, batches 1 and 30, five repetitions, profiles; `broken`
    names a config whose engine graph failed."""
    results = [
        _failed(config, engine)
        if config.id == broken and engine == "graph"
        else _result(config, engine)
        for config in family_configs("qwen2.5")
        for engine in HOST_SECONDS
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_at": "2026-11-23T12:00:00+00:00",
        "hardware": GPU,
        "device": "cuda",
        "interleaved": True,
        "settings": {
            "weights": "dummy",
            "prompt_tokens": 64,
            "new_tokens": 200,
            "batch_sizes": [1, 30],
            "repetitions": 5,
            "engines": list(HOST_SECONDS),
        },
        "results": results,
    }


def write_report(path: Path, **changes: Any) -> Path:
    """The report in a file, top-level fields changed."""
    path.write_text(json.dumps({**make_report(), **changes}), encoding="utf-8")
    return path


def _named(config: Any, engine: str) -> dict[str, Any]:
    return {
        "config": config.id,
        "model": config.model.name,
        "precision": config.precision.name,
        "engine": engine,
        "source": config.model.source,
        "weights": "dummy",
        "revision": None,
        "estimated_weight_bytes": config.estimated_weight_bytes,
        "error": None,
    }


def _failed(config: Any, engine: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("load_seconds", "weight_bytes", "dtype", "profile"))
    rates = dict.fromkeys(("prompt_processing", "token_generation"))
    named = {**_named(config, engine), "error": "out of memory"}
    return {**named, **nothing, **rates, "environment": {}, "speeds": []}


def _result(config: Any, engine: str) -> dict[str, Any]:
    size = config.estimated_weight_bytes
    facts = {
        "on_gpu": True,
        "context": 32_768,
        "bytes_per_step": size,
        "ceiling_bytes_per_second": CEILING,
        "cache_bytes": 50_000_000,
        "threads": 8,
    }
    return {
        **_named(config, engine),
        "load_seconds": 1.5,
        "weight_bytes": size,
        "dtype": "bfloat16",
        "environment": {"device": "cuda", "gpu": {"name": GPU}, "engine": engine},
        **facts,
        "speeds": [
            speed(
                [_repetition(config, engine, batch, i) for i in range(5)],
                batch,
                facts,
                _costs(config, engine, batch),
            )
            for batch in (1, 30)
        ],
        "prompt_processing": llama_rate("pp", 512, [0.05]),
        "token_generation": llama_rate("tg", 128, [2.0]),
        "profile": _profile(config.model.spec.layers),
    }


def _costs(config: Any, engine: str, batch: int) -> dict[str, float]:
    device = config.estimated_weight_bytes / CEILING * SLOWDOWN[config.precision.name]
    return {"host_seconds": HOST_SECONDS[engine], "gpu_seconds": device * (1 + batch / 100)}


def _repetition(config: Any, engine: str, batch: int, index: int) -> dict[str, Any]:
    step = max(_costs(config, engine, batch).values())
    return {
        "prefill_seconds": 0.03,
        "step_seconds": [step * (1 + index / 50)] * 199,
        "peak_allocated_bytes": config.estimated_weight_bytes + batch * 10**7,
        "peak_reserved_bytes": config.estimated_weight_bytes + batch * 10**7 + 10**8,
        "joules": 20.0,
    }


def _profile(layers: int) -> list[dict[str, Any]]:
    rows = [
        {
            "layer": f"layer {layer}",
            "module": module,
            "kernel": kernel,
            "host_us": 30.0,
            "device_us": 12.0 + len(module),
            "calls": 1,
        }
        for layer in range(layers)
        for module, kernel in KERNELS.items()
    ]
    head = {"layer": "outside the layers", "module": "lm_head", "kernel": "gemv<bf16>"}
    return [*rows, {**head, "host_us": 20.0, "device_us": 160.0, "calls": 1}]
