"""The weights and tokenizer of a GGUF file, read and dequantised by transformers.

What the file is, by its header, is for catalog/gguf.py to say; here are its tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from vibecore.catalog.gguf import HEAD, GgufFile
from vibecore.engine.configs import without_code
from vibecore.engine.integrity import load_whole


@contextmanager
def read_once() -> Iterator[None]:
    """Within it a file's header is parsed once, where transformers does so for the tokenizer and
    again for the weights, and its table of names is made once, not for every module: these were
    two thirds of the time that a 135M model took to load. Nor is a bar of progress drawn."""
    import gguf
    from transformers import modeling_gguf_pytorch_utils as reading

    with (
        patch.object(gguf, "GGUFReader", functools.cache(gguf.GGUFReader)),
        patch.object(gguf, "get_tensor_name_map", functools.cache(gguf.get_tensor_name_map)),
        patch.object(reading, "tqdm", lambda items, **_: items),
    ):
        yield


def tokenizer_of(file: GgufFile) -> PreTrainedTokenizerBase:
    """The file's own tokenizer, with its chat template."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        file.path.parent, gguf_file=file.path.name, local_files_only=True
    )
    if file.template is not None:
        tokenizer.chat_template = file.template
    return tokenizer


def read_weights(
    file: GgufFile, dtype: torch.dtype
) -> tuple[PreTrainedConfig, dict[str, torch.Tensor]]:
    """The model's configuration, and its tensors by their names in a checkpoint, in `dtype` on the
    CPU. Raises RunError where the file is not whole.

    Where the architecture ties embeddings and head and the file stores the matrix twice, at two
    quantisations, the finer one is taken for both.
    """
    config = config_of(file)
    wanted_tied = config.tie_word_embeddings
    # Read as two: transformers would compare them, find them different, and not tie them.
    config.tie_word_embeddings = wanted_tied and not file.head_stored_apart
    model = load_whole(
        AutoModelForCausalLM.from_pretrained,
        file.path.parent,
        named=str(file.path),
        described_by="header",
        gguf_file=file.path.name,
        config=config,
        dtype=dtype,
        quantization_config=GgufConfig(dequantize=True),
        local_files_only=True,
    )
    config.tie_word_embeddings = wanted_tied
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    if file.tie_source == HEAD:
        embeddings.weight = head.weight
    elif file.tie_source is not None:
        head.weight = embeddings.weight
    weights = dict(model.state_dict())
    if wanted_tied:
        for name in type(model)._tied_weights_keys or ():
            weights.pop(name, None)
    return config, weights


def config_of(file: GgufFile) -> PreTrainedConfig:
    """What the file's config.json would be."""
    if file.spec is not None and file.spec.raw is not None:
        return without_code(AutoConfig.for_model(**file.spec.raw))
    config: PreTrainedConfig = AutoConfig.from_pretrained(
        file.path.parent, gguf_file=file.path.name, local_files_only=True
    )
    return without_code(config)
