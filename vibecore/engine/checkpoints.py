"""A model and its tokenizer from a source: a folder, a GGUF file, or random weights.

Whatever the source, every weight of the model comes from it and every tensor of it is used, or
loading fails (integrity.py); and the same quantisers are applied to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from vibecore.catalog.architectures import spec_of
from vibecore.catalog.checkpoint import refuse_adapter, require_label
from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.gguf import is_gguf, read_gguf, require_dequantisable
from vibecore.catalog.precisions import AS_IS, Precision
from vibecore.core.errors import RunError
from vibecore.core.records import LoadRequest
from vibecore.engine.configs import read_config, without_code
from vibecore.engine.dummy import DUMMY_TOKENIZER, as_trained, random_weights
from vibecore.engine.gguf_weights import read_once, read_weights, tokenizer_of
from vibecore.engine.integrity import load_whole
from vibecore.engine.quantisers import DTYPES, QUANTISERS, unpack
from vibecore.engine.quiet import no_bars
from vibecore.engine.stop_tokens import stop_tokens_of_file, stop_tokens_of_folder


@dataclass(frozen=True)
class Checkpoint:
    """What was loaded, and the ids of the tokens that end a generation; none for random weights."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    stop_tokens: tuple[int, ...]


def load_checkpoint(request: LoadRequest, precision: Precision) -> Checkpoint:
    """Load what a request names, on its device. Raises VibeError where it cannot be loaded whole
    or not at this precision, and what transformers raises for files that it cannot read."""
    if request.folder is None:
        return _load_random(request, precision)
    source = Path(request.folder)
    if is_gguf(source):
        return _load_gguf(source, precision, request.device)
    return _load_folder(source, precision, request.device)


def load_tokenizer(source: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or a GGUF file, with its chat template."""
    if is_gguf(source):
        with read_once():
            return tokenizer_of(read_gguf(source))
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        source, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def _load_folder(folder: Path, precision: Precision, device: str) -> Checkpoint:
    # transformers would apply it where the package for that is installed, and else leave it out.
    refuse_adapter(folder)
    stored = require_label(folder, precision, device)
    config = read_config(folder)
    tokenizer = load_tokenizer(folder)
    with no_bars():
        model = load_whole(
            AutoModelForCausalLM.from_pretrained,
            folder,
            named=str(folder),
            config=config,
            dtype="auto" if precision.as_stored else DTYPES[precision.dtype],
            device_map={"": device},
            quantization_config=QUANTISERS[precision.method](precision, device),
            # Else the folder's own is read, and one that is invalid is an error.
            generation_config=GenerationConfig(),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        unpack(model)
    if precision.as_stored and getattr(model, "hf_quantizer", None) is None:
        raise RunError(
            f"{folder}: transformers does not know the quant_method that the quantization_config "
            f"in config.json names ({stored}), and would run the weights unquantised."
        )
    stop_tokens = stop_tokens_of_folder(folder, tokenizer, vocabulary_of(model))
    return Checkpoint(model, tokenizer, stop_tokens)


def _load_gguf(path: Path, precision: Precision, device: str) -> Checkpoint:
    if precision.as_stored:
        raise RunError(f"{path} runs as it is by engine {LLAMA_CPP} alone, not by transformers.")
    file = read_gguf(path)
    require_dequantisable(file)
    with read_once():
        tokenizer = tokenizer_of(file)
        config, weights = read_weights(file, DTYPES[precision.dtype])
    model = _from_weights(config, weights, precision, device, str(path))
    stop_tokens = stop_tokens_of_file(path, file.stop_tokens, tokenizer, vocabulary_of(model))
    return Checkpoint(model, tokenizer, stop_tokens)


def _load_random(request: LoadRequest, precision: Precision) -> Checkpoint:
    """Random weights through the same path that real ones take, quantiser included."""
    if precision.as_stored:
        raise RunError(f"Dummy weights have no precision of their own to run {AS_IS}.")
    assert request.architecture is not None
    spec = spec_of(request.architecture)
    assert spec is not None
    config = without_code(AutoConfig.for_model(**as_trained(request.architecture)))
    weights = random_weights(spec, DTYPES[precision.dtype])
    model = _from_weights(config, weights, precision, request.device, request.config_id)
    tokenizer = AutoTokenizer.from_pretrained(DUMMY_TOKENIZER, local_files_only=True)
    return Checkpoint(model, tokenizer, ())


def _from_weights(
    config: PreTrainedConfig,
    weights: Mapping[str, torch.Tensor],
    precision: Precision,
    device: str,
    source: str,
) -> PreTrainedModel:
    """A model of tensors by name, quantised as a folder's would be."""
    # Not AutoModelForCausalLM.from_pretrained, which looks for files first.
    model_class = cast(type[PreTrainedModel], MODEL_FOR_CAUSAL_LM_MAPPING[type(config)])
    return load_whole(
        model_class.from_pretrained,
        None,
        named=source,
        config=config,
        state_dict=weights,
        dtype=DTYPES[precision.dtype],
        device_map={"": device},
        quantization_config=QUANTISERS[precision.method](precision, device),
    )


def vocabulary_of(model: PreTrainedModel) -> int:
    """How many tokens a model has embeddings for."""
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.weight.shape[0])
