"""What a model's files say about generation reaches no run, but for its stop tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.folders import demo_folder, request_for
from vibecore import engine
from vibecore.core.errors import RunError
from vibecore.core.records import Decoding
from vibecore.engine.decoding import NEUTRAL, arguments
from vibecore.engine.sampling import SAMPLER

PROMPTS = ["Write a Python function that adds two numbers.", "Name a colour.", "List five birds."]
NEW_TOKENS = 40
# Each of these changes a greedy run of transformers' generate; num_beams ends it in an IndexError.
LOUD: dict[str, Any] = {
    "eos_token_id": 0,
    "repetition_penalty": 1.1,
    "no_repeat_ngram_size": 2,
    "num_beams": 3,
    "min_new_tokens": 50,
    "bad_words_ids": [[5], [17]],
    "forced_bos_token_id": 7,
    "suppress_tokens": [*range(260, 400)],
    "begin_suppress_tokens": [300],
    "do_sample": True,
    "temperature": 0.3,
    "top_k": 3,
    "max_length": 12,
    "num_return_sequences": 2,
    "use_cache": False,
    "guidance_scale": 2.0,
    "sequence_bias": [[[11], 50.0]],
    "max_time": 0.0001,
    "stop_strings": ["e"],
    "output_scores": True,
    "return_dict_in_generate": True,
    "num_assistant_tokens": 4,
    "prompt_lookup_num_tokens": 3,
    "cache_implementation": "static",
}


def tokens(folder: Path, name: str, prompts: list[str]) -> list[tuple[int, ...]]:
    loaded = engine.load(request_for(folder, engine=name))
    return [made.token_ids for made in engine.generate(loaded, prompts, NEW_TOKENS)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[tuple[int, ...]]]:
    """What the same folder gives without a generation_config.json, by the number of prompts."""
    folder = demo_folder(tmp_path_factory.mktemp("plain") / "model")
    (folder / "generation_config.json").unlink()
    loaded = engine.load(request_for(folder))
    return {
        count: [made.token_ids for made in engine.generate(loaded, PROMPTS[:count], NEW_TOKENS)]
        for count in (1, 3)
    }


@pytest.mark.parametrize("count", [1, 3], ids=["single", "batch"])
@pytest.mark.parametrize("name", ["eager", "graph"])
def test_a_folders_own_generation_arguments_change_no_token(
    name: str, count: int, plain: dict[int, list[tuple[int, ...]]], tmp_path: Path
) -> None:
    folder = demo_folder(tmp_path / "loud", generation_config=LOUD)
    assert tokens(folder, name, PROMPTS[:count]) == plain[count]


@pytest.mark.parametrize("name", ["eager", "graph"])
def test_nor_do_those_that_an_old_config_json_has(
    name: str, plain: dict[int, list[tuple[int, ...]]], tmp_path: Path
) -> None:
    legacy = {key: value for key, value in LOUD.items() if key != "eos_token_id"}
    folder = demo_folder(tmp_path / "old", config=legacy)
    (folder / "generation_config.json").unlink()
    assert tokens(folder, name, PROMPTS) == plain[3]


INVALID = {
    "not JSON": "{",
    "no object": "[1, 2]",
    "no text": "\x00",
    "invalid values": json.dumps({"num_beams": -3, "temperature": "warm", "eos_token_id": 0}),
    "of another kind": json.dumps({"cache_implementation": "none", "compile_config": 3}),
}


@pytest.mark.parametrize("kind", INVALID)
def test_an_invalid_generation_config_is_passed_over(
    kind: str, plain: dict[int, list[tuple[int, ...]]], tmp_path: Path
) -> None:
    folder = demo_folder(tmp_path / "invalid", generation_config=INVALID[kind])
    for name in ("eager", "graph"):
        assert tokens(folder, name, PROMPTS[:1]) == plain[1]


def test_unless_it_alone_could_name_the_stop_token(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "invalid", config={"eos_token_id": None}, generation_config="{")
    no_tokenizer_end(folder)
    with pytest.raises(RunError, match=r"generation_config\.json cannot be read.*eos_token_id"):
        engine.load(request_for(folder))


def no_tokenizer_end(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token": None}))


def test_sampling_follows_the_protocol_alone(tmp_path: Path) -> None:
    sampled = Decoding(temperature=0.8, top_p=0.9, seed=5)
    made = []
    for name, generation_config in (("loud", LOUD), ("quiet", {"eos_token_id": 0})):
        folder = demo_folder(tmp_path / name, generation_config=generation_config)
        for by in ("eager", "graph"):
            loaded = engine.load(request_for(folder, engine=by))
            [one] = engine.generate(loaded, PROMPTS[:1], NEW_TOKENS, decoding=sampled)
            made.append(one.token_ids)
    assert len(set(made)) == 1


def test_the_arguments_are_recorded_in_full(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "loud", generation_config=LOUD)
    loaded = engine.load(request_for(folder))
    decoding = loaded.report.environment["decoding"]
    assert decoding == {**NEUTRAL, "do_sample": False, "eos_token_id": [0], "pad_token_id": 0}
    assert json.loads(json.dumps(decoding)) == decoding
    assert loaded.report.environment["sampler"] == SAMPLER
    assert loaded.model.generation_config.to_diff_dict().keys() <= {
        *("eos_token_id", "pad_token_id", "transformers_version"),
    }


def test_nothing_is_left_to_the_defaults_of_transformers() -> None:
    """A default that changes tokens, of this version or a later one, has to be in our table."""
    from transformers import GenerationConfig

    harmless = {
        # Of other ways to decode, of what is returned, and the length, which is the protocol's.
        *("max_length", "early_stopping", "length_penalty", "encoder_repetition_penalty"),
        *("encoder_no_repeat_ngram_size", "output_scores", "return_dict_in_generate"),
        *("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_lookbehind"),
        *("assistant_confidence_threshold", "target_lookbehind"),
        *("diversity_penalty", "num_beam_groups"),
    }
    defaults = GenerationConfig._get_default_generation_params()
    assert set(defaults) - harmless <= set(arguments((0,), 0))


def test_greedy_runs_no_processor_but_our_own(tmp_path: Path) -> None:
    loaded = engine.load(request_for(demo_folder(tmp_path / "loud", generation_config=LOUD)))
    model: Any = loaded.model
    from vibecore.engine.eager import _generation_config

    config, _ = model._prepare_generation_config(_generation_config(loaded, NEW_TOKENS))
    processors = model._get_logits_processor(config, input_ids_seq_length=3, device="cpu")
    assert list(processors) == []
    assert torch.is_tensor(model.model.embed_tokens.weight)
