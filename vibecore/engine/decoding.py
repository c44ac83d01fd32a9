"""The arguments of transformers' `generate`: all of them ours.

`generate` fills every argument that is left None from the model's own generation_config.json, and
then from defaults of its own. So each that can change a token is written out here, and after
loading the model's own configuration holds its stop tokens and nothing else. They are the same for
sampled tokens: those are chosen by sampling.py, and `generate` takes the only one that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

# Argument -> the value at which it changes nothing. None where that is to be absent.
NEUTRAL: Mapping[str, Any] = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_cache": True,
    "min_length": 0,
    "min_new_tokens": None,
    "max_time": None,
    "stop_strings": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "exponential_decay_length_penalty": None,
    "guidance_scale": None,
    "watermarking_config": None,
    "token_healing": False,
    "remove_invalid_values": False,
    "renormalize_logits": False,
    "prompt_lookup_num_tokens": None,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
}


def arguments(stop_tokens: Sequence[int], pad_token_id: int) -> dict[str, Any]:
    """Every argument of a generation, but for its length."""
    return {
        **NEUTRAL,
        "do_sample": False,
        "eos_token_id": list(stop_tokens) or None,
        "pad_token_id": pad_token_id,
    }


def keep_only_stop_tokens(
    model: PreTrainedModel, stop_tokens: Sequence[int], pad_token_id: int
) -> None:
    """Replace what a loaded model would decode with of its own."""
    model.generation_config = GenerationConfig(
        eos_token_id=list(stop_tokens) or None, pad_token_id=pad_token_id
    )
