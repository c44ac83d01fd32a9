"""Pure: from answers to figures, and to the rows of the tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PLAIN, LLAMA = "generate", "llama.cpp"
UNKNOWN = "–"
# From here on a decimal says nothing more.
LARGE = 100
Row = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer of each sequence of a batch: seconds from the prompt to its first token, and to
    the end of answers of so many new tokens."""

    first_token_seconds: float
    seconds: Mapping[int, float]

    @property
    def token_seconds(self) -> float:
        """Of each token after the first of the longest answer (TPOT)."""
        longest = max(self.seconds)
        return (self.seconds[longest] - self.first_token_seconds) / max(longest - 1, 1)


@dataclass
class Measured:
    """A peer with a config at a batch size: an answer a round, and the seconds to the first token
    of a prompt of each length, its first use."""

    config: str
    peer: str
    batch_size: int
    answers: list[Answer] = field(default_factory=list)
    first_tokens: dict[int, float] = field(default_factory=dict)

    @property
    def first_token_seconds(self) -> float:
        """TTFT, the median of the rounds."""
        return statistics.median(answer.first_token_seconds for answer in self.answers)

    @property
    def token_seconds(self) -> float:
        """TPOT, the median of the rounds."""
        return statistics.median(answer.token_seconds for answer in self.answers)

    def tokens_per_second(self, new_tokens: int) -> float:
        """Of whole answers of so many tokens, all sequences together: the median of the rounds."""
        seconds = statistics.median(answer.seconds[new_tokens] for answer in self.answers)
        return self.batch_size * new_tokens / seconds

    def record(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = {
            "config": self.config,
            "peer": self.peer,
            "batch_size": self.batch_size,
            "rounds": [
                {
                    "first_token_seconds": answer.first_token_seconds,
                    "seconds": {str(tokens): took for tokens, took in answer.seconds.items()},
                }
                for answer in self.answers
            ],
        }
        if self.answers:
            found |= {
                "first_token_seconds": self.first_token_seconds,
                "token_seconds": self.token_seconds,
                "tokens_per_second": {
                    str(tokens): self.tokens_per_second(tokens)
                    for tokens in self.answers[0].seconds
                },
            }
        if self.first_tokens:
            found["new_lengths"] = {
                "seconds": {str(length): took for length, took in self.first_tokens.items()},
                "median": statistics.median(self.first_tokens.values()),
                "most": max(self.first_tokens.values()),
            }
        return found


def speed_rows(measured: Sequence[Measured], prompt_tokens: int) -> list[Row]:
    """TTFT, TPOT and whole answers, config by config and batch by batch, with each peer's ratios to
    plain generate and to llama.cpp, if they were measured, at the same config and batch."""
    known = [one for one in measured if one.answers]
    configs = list(dict.fromkeys(one.config for one in known))
    known.sort(key=lambda one: (configs.index(one.config), one.batch_size))
    bases = [name for name in (PLAIN, LLAMA) if any(one.peer == name for one in known)]
    return [_speed_row(one, known, bases, prompt_tokens) for one in known]


def length_rows(measured: Sequence[Measured]) -> list[Row]:
    """TTFT over prompts of many lengths, each used for the first time."""
    return [
        {
            "config": one.config,
            "peer": one.peer,
            "lengths": f"{min(one.first_tokens)}–{max(one.first_tokens)}",
            "median TTFT ms": _short(1000 * statistics.median(one.first_tokens.values())),
            "worst TTFT ms": _short(1000 * max(one.first_tokens.values())),
        }
        for one in measured
        if one.first_tokens
    ]


def _speed_row(
    one: Measured, known: Sequence[Measured], bases: Sequence[str], prompt_tokens: int
) -> Row:
    lengths = list(one.answers[0].seconds)
    row = {
        "config": one.config,
        "batch": str(one.batch_size),
        "peer": one.peer,
        "rounds": str(len(one.answers)),
        "TTFT ms": _short(1000 * one.first_token_seconds),
        "TPOT ms": f"{1000 * one.token_seconds:.3f}",
    }
    for new in lengths:
        row[f"tok/s {prompt_tokens}+{new}"] = _short(one.tokens_per_second(new))
    beside = {
        other.peer: other
        for other in known
        if (other.config, other.batch_size) == (one.config, one.batch_size)
    }
    for base in bases:
        for new in lengths:
            other = beside.get(base)
            ratio = one.tokens_per_second(new) / other.tokens_per_second(new) if other else None
            row[f"× {base}, {new}"] = UNKNOWN if ratio is None else f"{ratio:.2f}"
    return row


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= LARGE else f"{value:.2f}"
