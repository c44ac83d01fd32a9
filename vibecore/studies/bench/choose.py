"""The options of `bench`, validated, as a Bench that can run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from vibecore.catalog.engines import checked_engine
from vibecore.catalog.models import Config, family_configs, find_configs
from vibecore.core.errors import InputError
from vibecore.studies.limits import DEVICES, MOST_BATCH_SIZE, MOST_TOKENS, one_of, within

MOST_REPETITIONS = 1_000
# llama-bench's own defaults: a prompt of 512 tokens, and 128 tokens decoded from nothing.
LLAMA_PROMPT_TOKENS, LLAMA_NEW_TOKENS = 512, 128


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the options say as it will be done; llama-bench's pp and tg are measured where
    `llama`."""

    weights: str = "hub"
    device: str = "auto"
    prompt_tokens: int = 64
    new_tokens: int = 200
    repetitions: int = 5
    llama: bool = True
    profile: bool = False


@dataclass(frozen=True, kw_only=True)
class Options(Settings):
    """The options of the command line."""

    family: str | None = None
    configs: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Bench(Settings):
    """What will be measured: every config with every engine, at every batch size. After the
    first, a repetition that would not end within `most_seconds` of its group's start is not
    begun."""

    configs: tuple[Config, ...]
    engines: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    most_seconds: float


def choose(options: Options) -> Bench:
    """Raises InputError, with what to do, for options that are invalid."""
    if bool(options.family) == bool(options.configs):
        raise InputError(
            "Say what to measure with one of: --family qwen2.5 or demo, --config ID (repeatable)."
        )
    configs = family_configs(options.family) if options.family else find_configs(options.configs)
    engines = tuple(dict.fromkeys(options.engines or ("eager",)))
    for engine in engines:
        checked_engine(engine)
    one_of("--device", options.device, DEVICES)
    within("--prompt-tokens", options.prompt_tokens, 1, MOST_TOKENS)
    within("--new-tokens", options.new_tokens, 2, MOST_TOKENS)
    within("--repetitions", options.repetitions, 1, MOST_REPETITIONS)
    if options.seconds is not None and not options.seconds > 0:
        raise InputError(f"--seconds must be more than 0, not {options.seconds:g}.")
    batch_sizes = tuple(dict.fromkeys(options.batch_sizes or (1,)))
    for size in batch_sizes:
        within("--batch-size", size, 1, MOST_BATCH_SIZE)
    _require_context(configs, options.prompt_tokens + options.new_tokens)
    return Bench(
        **{one.name: getattr(options, one.name) for one in fields(Settings)},
        configs=configs,
        engines=engines,
        batch_sizes=batch_sizes,
        most_seconds=math.inf if options.seconds is None else options.seconds,
    )


def _require_context(configs: Sequence[Config], tokens: int) -> None:
    for config in configs:
        spec = config.model.spec
        if spec and tokens > spec.context:
            raise InputError(
                f"--prompt-tokens and --new-tokens make {tokens} tokens; the context of "
                f"{config.model.name} is {spec.context}. Lower one of them."
            )
