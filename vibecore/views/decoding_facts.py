"""What a run's decoding really was, as its worker recorded it: every argument, what ends an output,
and what attention is computed by on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vibecore.core.records import EARLIER_SAMPLER, Protocol


def decoding_facts(
    environment: Mapping[str, Any], protocol: Protocol | None = None
) -> dict[str, str]:
    """Label -> value, of a run's environment; empty for a run that did not record them. `protocol`
    is its study's."""
    facts = {}
    if arguments := environment.get("decoding"):
        facts["decoding arguments"] = ", ".join(
            f"{name} {value}" for name, value in dict(arguments).items()
        )
    if tokens := environment.get("stop_tokens"):
        facts["stop tokens"] = ", ".join(map(str, tokens))
    if backends := environment.get("attention_backends"):
        facts["attention"] = f"{environment['attention']}, by {' or '.join(backends)}"
    if found := environment.get("llama_cpp"):
        facts["llama.cpp's instructions"] = found["instructions"]
    if words := tokenizer_differs(environment):
        facts["tokenizer"] = words
    if facts and protocol and protocol.decoding.temperature is not None:
        facts["sampler"] = environment.get("sampler", EARLIER_SAMPLER)
    return facts


def tokenizer_differs(environment: Mapping[str, Any]) -> str | None:
    """What llama.cpp's own tokenizer reads otherwise than transformers does, whose token ids it is
    given; None where it reads the same, and of other engines."""
    found = environment.get("llama_cpp", {}).get("tokenizer")
    if not found or not found["differing"]:
        return None
    return (
        f"llama.cpp's own tokenizer reads {len(found['differing'])} of {found['texts']} test texts "
        f"otherwise, such as {found['differing'][0]!r}; it is given the token ids that "
        "transformers makes, as the other engines are, so llama.cpp's own programs may answer "
        "otherwise"
    )
