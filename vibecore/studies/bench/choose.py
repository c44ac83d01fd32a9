"""The options of `bench`, validated, as a Bench that can run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from vibecore.catalog.engines import checked_engine, engine_of
from vibecore.catalog.models import FAMILIES, Config, choose_configs
from vibecore.core.errors import InputError
from vibecore.studies.limits import (
    DEVICES,
    MOST_BATCH_SIZE,
    MOST_TOKENS,
    one_of,
    refuse_unused_weights,
    within,
)

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

    families: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Bench(Settings):
    """What will be measured: every config with every one of its engines, at every batch size.
    After the first, a repetition that would not end within `most_seconds` of its group's start is
    not begun."""

    configs: tuple[Config, ...]
    engines: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    most_seconds: float

    @property
    def pairs(self) -> tuple[tuple[Config, str], ...]:
        """What is measured, each in a process of its own: a config with an engine. What only one
        engine runs has that one, whichever are asked for."""
        pairs = (
            (config, engine_of(config, one)) for config in self.configs for one in self.engines
        )
        return tuple({(config.id, engine): (config, engine) for config, engine in pairs}.values())


def choose(options: Options) -> Bench:
    """Raises InputError, with what to do, for options that are invalid."""
    if not (options.families or options.configs or options.models):
        raise InputError(
            f"Say what to measure with --family ({', '.join(FAMILIES)}), --config ID, or --model "
            "ID|PATH with --precision; each may be repeated, and they go together."
        )
    if options.names and not options.models:
        raise InputError("--name goes with --model: it is the model's short name.")
    configs = choose_configs(
        families=options.families,
        ids=options.configs,
        sources=options.models,
        names=options.names,
        precisions=options.precisions,
    )
    refuse_unused_weights(options.weights, configs)
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
