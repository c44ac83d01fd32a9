"""What a checkpoint is to transformers and to engine `graph`, without its weights: what `inspect`
asks of a worker that has loaded nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.quantizers import AutoHfQuantizer

from vibecore.catalog.architectures import RawConfig
from vibecore.core.errors import RunError
from vibecore.core.records import LoadRequest
from vibecore.engine.chat import PromptFormat, encode_prompts, prompt_format, turn_end_tokens
from vibecore.engine.decoder import why_not

EXAMPLE = "What is the capital of France?"


@dataclass(frozen=True)
class TokenizerFacts:
    """How a checkpoint is asked and where its answers end.

    `asked_through_template` is whether EXAMPLE was; `rendered` is EXAMPLE as the model reads it,
    special tokens included. `leading_bos` counts the BOS tokens that it begins with, None where
    the tokenizer has no BOS. `eos` is the tokenizer's own stop token, `turn_end` are those that
    the chat template ends a turn with; `token_texts` has the text of every stop token by its id.
    `problem`: why the model cannot be asked through its template; None where it can, or has none.
    """

    asked_through_template: bool
    rendered: str
    prompt_tokens: int
    bos: str | None
    leading_bos: int | None
    eos: int | None
    turn_end: tuple[int, ...]
    token_texts: Mapping[int, str]
    problem: str | None = None


@dataclass(frozen=True)
class Description:
    """What transformers makes of a checkpoint's small files: why it builds no language model of
    the config, why engine `graph` cannot decode that one at 16 bit, why what it is quantised with
    cannot be loaded here, and why there is no tokenizer; each None where nothing is in the way."""

    model_problem: str | None = None
    graph_problem: str | None = None
    quantiser_problem: str | None = None
    tokenizer_problem: str | None = None
    tokenizer: TokenizerFacts | None = None


def describe(
    _: object, request: LoadRequest, raw: RawConfig | None, stop_ids: tuple[int, ...]
) -> Description:
    """Describe a model folder, or a GGUF file whose config.json would be `raw`. `stop_ids` are
    the stop tokens that its files name by their ids. Raises nothing but what ends a process: the
    files may hold anything."""
    said = _describe_model(request, raw)
    try:
        facts = _describe_tokenizer(_load_tokenizer(request), request, stop_ids)
    except Exception as error:
        return replace(said, tokenizer_problem=_one_line(error))
    return replace(said, tokenizer=facts)


def _describe_model(request: LoadRequest, raw: RawConfig | None) -> Description:
    try:
        config = _load_config(request, raw)
        # Shapes without numbers: nothing is allocated.
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:
        return Description(_one_line(error))
    return Description(None, why_not(model), _quantiser_problem(config))


def _quantiser_problem(config: PreTrainedConfig) -> str | None:
    found = getattr(config, "quantization_config", None)
    if found is None:
        return None
    try:
        quantiser = AutoHfQuantizer.from_config(found, pre_quantized=True)
        quantiser.validate_environment(dtype=torch.bfloat16, device_map={"": "cpu"})
    except Exception as error:
        return _one_line(error)
    return None


def _load_config(request: LoadRequest, raw: RawConfig | None) -> PreTrainedConfig:
    if raw is not None:
        return AutoConfig.for_model(**raw)
    folder, named = _place(request)
    return AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, **named
    )


def _load_tokenizer(request: LoadRequest) -> PreTrainedTokenizerBase:
    folder, named = _place(request)
    return AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, **named
    )


def _place(request: LoadRequest) -> tuple[Path, dict[str, str]]:
    """The folder to load from, and the GGUF file in it where that is the source."""
    assert request.folder is not None
    path = Path(request.folder)
    return (path.parent, {"gguf_file": path.name}) if path.is_file() else (path, {})


def _describe_tokenizer(
    tokenizer: PreTrainedTokenizerBase, request: LoadRequest, stop_ids: tuple[int, ...]
) -> TokenizerFacts:
    problem = None
    try:
        ask = prompt_format(tokenizer, request)
        (ids,) = encode_prompts(tokenizer, ask, [EXAMPLE])
    except RunError as error:
        problem = str(error)
        ask = PromptFormat()
        (ids,) = encode_prompts(tokenizer, ask, [EXAMPLE])
    bos = tokenizer.bos_token_id
    leading = next((place for place, id_ in enumerate(ids) if id_ != bos), len(ids))
    turn_end = turn_end_tokens(tokenizer)
    eos = tokenizer.eos_token_id
    stops = {*stop_ids, *turn_end, *(() if eos is None else (eos,))}
    return TokenizerFacts(
        asked_through_template=ask.template is not None,
        rendered=_text(tokenizer, ids),
        prompt_tokens=len(ids),
        bos=None if bos is None else tokenizer.bos_token,
        leading_bos=None if bos is None else leading,
        eos=eos,
        turn_end=turn_end,
        # An id beyond the vocabulary has no text.
        token_texts={id_: _text(tokenizer, [id_]) for id_ in stops if 0 <= id_ < len(tokenizer)},
        problem=problem,
    )


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
