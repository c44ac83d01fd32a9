"""What a checkpoint is to transformers and to engine `graph`, without its weights: what `inspect`
asks of a worker that has loaded nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.quantizers import AutoHfQuantizer

from vibecore.catalog.gguf import GgufFile, read_gguf
from vibecore.core.errors import RunError
from vibecore.core.records import LoadRequest
from vibecore.engine.chat import PromptFormat, encode_prompts, prompt_format
from vibecore.engine.checkpoints import vocabulary_of
from vibecore.engine.configs import read_config
from vibecore.engine.decoder import why_not
from vibecore.engine.gguf_weights import config_of, tokenizer_of
from vibecore.engine.stop_tokens import named_of_file, named_of_folder, union

EXAMPLE = "What is the capital of France?"


@dataclass(frozen=True)
class TokenizerFacts:
    """How a checkpoint is asked and where its answers end.

    `rendered` is EXAMPLE as the model reads it, special tokens included. `leading_bos` counts the
    BOS tokens that it begins with, None where the tokenizer has no BOS. `stop_tokens` maps an id
    to its text, None beyond the vocabulary, and to what names it. `problems`: why the model cannot
    be asked through its template, and what is wrong with its stop tokens.
    """

    rendered: str
    prompt_tokens: int
    bos: str | None
    leading_bos: int | None
    stop_tokens: Mapping[int, tuple[str | None, tuple[str, ...]]]
    problems: tuple[str, ...]


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


def describe(_: object, request: LoadRequest) -> Description:
    """Describe a model folder or a GGUF file. Raises nothing but what ends a process: the files
    may hold anything."""
    assert request.folder is not None
    source = Path(request.folder)
    file = read_gguf(source) if source.is_file() else None
    said, vocabulary = _describe_model(source, file)
    try:
        tokenizer = tokenizer_of(file) if file else _tokenizer_of(source)
        facts = _describe_tokenizer(tokenizer, request, file, vocabulary or len(tokenizer))
    except Exception as error:
        return replace(said, tokenizer_problem=_one_line(error))
    return replace(said, tokenizer=facts)


def _describe_model(source: Path, file: GgufFile | None) -> tuple[Description, int | None]:
    """What there is to say of the model, and how many tokens it has embeddings for."""
    try:
        config = config_of(file) if file else read_config(source)
        # Shapes without numbers: nothing is allocated.
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:
        return Description(_one_line(error)), None
    said = Description(None, why_not(model), _quantiser_problem(config))
    return said, vocabulary_of(model)


def _tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


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


def _describe_tokenizer(
    tokenizer: PreTrainedTokenizerBase,
    request: LoadRequest,
    file: GgufFile | None,
    vocabulary: int,
) -> TokenizerFacts:
    problems = []
    ask = PromptFormat()
    try:
        ask = prompt_format(tokenizer, request)
    except RunError as error:
        problems.append(str(error))
    (ids,) = encode_prompts(tokenizer, ask, [EXAMPLE])
    bos = tokenizer.bos_token_id
    leading = next((place for place, id_ in enumerate(ids) if id_ != bos), len(ids))
    if file is None:
        named, _ = named_of_folder(Path(str(request.folder)), tokenizer)
    else:
        named = named_of_file(file.path, file.stop_tokens, tokenizer)
    names: dict[int, list[str]] = {}
    try:
        for one in named:
            for id_ in one.ids:
                names.setdefault(id_, []).append(one.short)
        union(named, vocabulary)
    except RunError as error:
        problems.append(str(error))
    return TokenizerFacts(
        rendered=_text(tokenizer, ids),
        prompt_tokens=len(ids),
        bos=None if bos is None else str(tokenizer.bos_token),
        leading_bos=None if bos is None else leading,
        stop_tokens={
            id_: (
                _text(tokenizer, [id_]) if 0 <= id_ < len(tokenizer) else None,
                tuple(dict.fromkeys(files)),
            )
            for id_, files in names.items()
        },
        problems=tuple(problems),
    )


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
