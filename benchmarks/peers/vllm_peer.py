"""A child that answers with vLLM, run by the interpreter that has it. Greedy, no prefix cache.

vLLM answers whole: the time to its first token is that of an answer of one token, and each length
of answer is asked for apart. Imports nothing of Vibe check.
"""

from __future__ import annotations

import random
import time
from importlib import import_module
from typing import Any

from benchmarks.peers.served import serve

_model: list[Any] = []


def load(folder: str, dummy: bool, precision: str, context: int, memory_share: float) -> str:
    """Load a model folder, or random weights of its config.json's shape. `memory_share` of the
    GPU is vLLM's to fill with its cache. Returns vLLM's version."""
    vllm = import_module("vllm")
    quantised = {"quantization": "bitsandbytes"} if precision == "4bit" else {}
    _model.append(
        vllm.LLM(
            model=folder,
            load_format="dummy" if dummy else "auto",
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_model_len=context,
            gpu_memory_utilization=memory_share,
            enable_prefix_caching=False,
            **quantised,
        )
    )
    return f"vLLM {vllm.__version__}"


def warm_up(prompt_tokens: int, new_tokens: int, batch_size: int) -> None:
    """One answer, untimed."""
    _seconds(prompt_tokens, new_tokens, batch_size)


def measure(prompt_tokens: int, new_tokens: list[int], batch_size: int) -> dict[str, Any]:
    """Seconds of an answer of one token, and of each length of answer."""
    return {
        "first_token": _seconds(prompt_tokens, 1, batch_size),
        "whole": [_seconds(prompt_tokens, new, batch_size) for new in new_tokens],
    }


def _seconds(prompt_tokens: int, new_tokens: int, batch_size: int) -> float:
    vllm = import_module("vllm")
    chosen = random.Random(0)
    prompts = [
        {"prompt_token_ids": [chosen.randrange(10, 4000) for _ in range(prompt_tokens)]}
        for _ in range(batch_size)
    ]
    asked = vllm.SamplingParams(
        temperature=0.0, max_tokens=new_tokens, ignore_eos=True, detokenize=False
    )
    started = time.perf_counter()
    answers = _model[0].generate(prompts, asked, use_tqdm=False)
    took = time.perf_counter() - started
    made = {len(answer.outputs[0].token_ids) for answer in answers}
    if made != {new_tokens}:
        raise RuntimeError(f"answers of {sorted(made)} tokens, not {new_tokens}")
    return took


if __name__ == "__main__":
    serve({"load": load, "warm_up": warm_up, "measure": measure})
