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
    if facts and protocol and protocol.decoding.temperature is not None:
        facts["sampler"] = environment.get("sampler", EARLIER_SAMPLER)
    return facts
