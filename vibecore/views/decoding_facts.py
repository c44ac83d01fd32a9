"""What a run's decoding really was, as its worker recorded it: every argument, what ends an output,
and what attention is computed by on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def decoding_facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Label -> value, of a run's environment; empty for a run that did not record them."""
    facts = {}
    if arguments := environment.get("decoding"):
        facts["decoding arguments"] = ", ".join(
            f"{name} {value}" for name, value in dict(arguments).items()
        )
    if tokens := environment.get("stop_tokens"):
        facts["stop tokens"] = ", ".join(map(str, tokens))
    if backends := environment.get("attention_backends"):
        facts["attention"] = f"{environment['attention']}, by {' or '.join(backends)}"
    return facts
