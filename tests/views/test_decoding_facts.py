"""What is shown of a run's decoding is what happened."""

from __future__ import annotations

from vibecore.core.records import EARLIER_SAMPLER, Decoding, Protocol
from vibecore.views.decoding_facts import decoding_facts, tokenizer_differs

RECORDED = {"decoding": {"do_sample": False, "num_beams": 1}, "stop_tokens": [2, 5]}
SAMPLED = Protocol(decoding=Decoding(0.7, 0.9, 3))


def test_a_greedy_run_has_arguments_and_stop_tokens() -> None:
    wanted = {"decoding arguments": "do_sample False, num_beams 1", "stop tokens": "2, 5"}
    assert decoding_facts({**RECORDED, "sampler": "by numbers"}, Protocol()) == wanted
    assert decoding_facts(RECORDED, None) == wanted
    assert decoding_facts({}, SAMPLED) == {}


def test_a_sampled_run_says_what_sampled() -> None:
    assert decoding_facts({**RECORDED, "sampler": "by numbers"}, SAMPLED)["sampler"] == "by numbers"
    assert decoding_facts(RECORDED, SAMPLED)["sampler"] == EARLIER_SAMPLER


def test_a_tokenizer_that_llama_cpp_reads_otherwise_is_told() -> None:
    found = {"texts": 6, "differing": []}
    native = {**RECORDED, "llama_cpp": {"instructions": "CPU : AVX2 = 1", "tokenizer": found}}
    assert decoding_facts(native)["llama.cpp's instructions"] == "CPU : AVX2 = 1"
    assert "tokenizer" not in decoding_facts(native)
    found["differing"] = ["naïve"]
    words = decoding_facts(native)["tokenizer"]
    assert "1 of 6 test texts otherwise, such as 'naïve'" in words
    assert tokenizer_differs(native) == words and tokenizer_differs({}) is None
