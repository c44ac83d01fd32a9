"""What a person asks of the playground: a prompt, the configs to run it on, and how to decode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from vibecore.catalog import models as catalogue
from vibecore.catalog.engines import ENGINES
from vibecore.catalog.models import Config
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import InputError
from vibecore.core.records import GREEDY, Asking, Decoding
from vibecore.scoring import load_suite
from vibecore.scoring.sandbox import require_isolation
from vibecore.studies.limits import DEVICES, MOST_TOKENS
from vibecore.studies.plan import asking_of

MOST_CONFIGS = 6
NEW_TOKENS = 200
OWN_PROMPT_ID = "tried"
HIGHEST_TEMPERATURE = 10.0
# The largest seed that torch.manual_seed accepts.
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Request:
    """One prompt on some configs. `weights` is `hub`, `dummy` or a folder (see weights.resolve);
    `execute_code` runs the code in the outputs, sandboxed, where a constraint needs its result;
    `asking` is how the prompt is put to the models."""

    prompt: Prompt
    configs: tuple[Config, ...]
    weights: str = "hub"
    device: str = "auto"
    engine: str = "eager"
    max_new_tokens: int = NEW_TOKENS
    decoding: Decoding = GREEDY
    execute_code: bool = False
    asking: Asking = field(default_factory=Asking)

    @property
    def comparable(self) -> bool:
        """Whether the outputs compare with a study's: studies decode greedily."""
        return self.decoding == GREEDY


def own_prompt(text: str, constraints: Sequence[Constraint] = ()) -> Prompt:
    """A prompt outside any suite. Raises InputError for one without a visible character."""
    if not text.strip():
        raise InputError("The prompt is empty: write at least one character.")
    return Prompt(OWN_PROMPT_ID, "instruction", text, tuple(constraints))


def suite_prompt(suite: str, prompt_id: str) -> Prompt:
    """A prompt of a suite, constraints included. Raises InputError for an unknown one."""
    prompts = {prompt.id: prompt for prompt in load_suite(suite).prompts}
    if prompt_id not in prompts:
        raise InputError(
            f"The suite {suite} has no prompt '{prompt_id}'. Its prompts: {', '.join(prompts)}."
        )
    return prompts[prompt_id]


def choose_configs(
    ids: Sequence[str] = (),
    models: Sequence[str] = (),
    precisions: Sequence[str] = (),
    names: Sequence[str] = (),
) -> tuple[Config, ...]:
    """Known configs by id, and those of models of one's own (see catalog.models.choose_configs).

    Raises InputError for an unknown config, for none and for more than MOST_CONFIGS.
    """
    configs = catalogue.choose_configs(ids=ids, sources=models, names=names, precisions=precisions)
    if not 1 <= len(configs) <= MOST_CONFIGS:
        found = f"{len(configs)} are chosen" if configs else "none is chosen"
        raise InputError(f"Choose one to {MOST_CONFIGS} configs: {found}.")
    return configs


def make_request(
    prompt: Prompt,
    configs: tuple[Config, ...],
    *,
    weights: str = "hub",
    device: str = "auto",
    engine: str = "eager",
    max_new_tokens: int = NEW_TOKENS,
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
    execute_code: bool = False,
    chat: str | None = None,
    system: str | None = None,
    thinking: str | None = None,
) -> Request:
    """A request that can be run. Raises InputError that names a wrong value and what is allowed.

    Without a `temperature` decoding is greedy, and `top_p` and `seed` are ignored. `chat` and
    `thinking` are `auto` where they are None.
    """
    if not 1 <= max_new_tokens <= MOST_TOKENS:
        raise InputError(
            f"The number of new tokens must be from 1 to {MOST_TOKENS}, not {max_new_tokens}."
        )
    for what, value, allowed in (("device", device, DEVICES), ("engine", engine, ENGINES)):
        if value not in allowed:
            raise InputError(f"The {what} must be one of {', '.join(allowed)}, not '{value}'.")
    if execute_code:
        require_isolation()
    return Request(
        prompt,
        configs,
        weights=weights or "hub",
        device=device,
        engine=engine,
        max_new_tokens=max_new_tokens,
        decoding=GREEDY if temperature is None else _sampled(temperature, top_p, seed),
        execute_code=execute_code,
        asking=asking_of(chat, system, thinking),
    )


def _sampled(temperature: float, top_p: float, seed: int) -> Decoding:
    if not (math.isfinite(temperature) and 0 < temperature <= HIGHEST_TEMPERATURE):
        raise InputError(
            f"The temperature must be above 0 and at most {HIGHEST_TEMPERATURE:g}, not "
            f"{temperature:g}. Leave it out for greedy decoding."
        )
    if not 0 < top_p <= 1:
        raise InputError(f"Top-p must be above 0 and at most 1, not {top_p:g}.")
    if not 0 <= seed <= MOST_SEED:
        raise InputError(f"The seed must be from 0 to {MOST_SEED}, not {seed}.")
    return Decoding(temperature, top_p, seed)
