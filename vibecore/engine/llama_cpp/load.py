"""Load a GGUF file as it is: its weights by llama.cpp, its tokenizer and template as for every
other engine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.gguf import GgufFile, read_gguf
from vibecore.catalog.precisions import LLAMA_CPP_PACKAGE
from vibecore.core.errors import RunError
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.chat import prompt_format
from vibecore.engine.environment import read_environment
from vibecore.engine.gguf_weights import read_once, tokenizer_of
from vibecore.engine.llama_cpp.library import system_info, why_no_gpu
from vibecore.engine.llama_cpp.native import READ_AT_ONCE, NativeModel
from vibecore.engine.llama_cpp.tokens import TEXTS, differing_texts
from vibecore.engine.memory import reset_peak
from vibecore.engine.model import LoadedFile
from vibecore.engine.stop_tokens import pad_token, stop_tokens_of_file
from vibecore.engine.threads import use_threads

# What llama.cpp is given besides the tokens; everything else is its default or the file's.
ARGUMENTS = {"cache": "f16", "flash_attention": "auto", "tokens_read_at_once": READ_AT_ONCE}


def load_file(request: LoadRequest, device: torch.device) -> LoadedFile:
    """Load a GGUF file, its report without the time it took. Raises VibeError, with what to do,
    where that cannot be done, and MemoryError."""
    assert request.folder is not None
    on_gpu = device.type == "cuda"
    if on_gpu and (reason := why_no_gpu()):
        raise RunError(f"{request.config_id} cannot run on the GPU: {reason}.")
    path = Path(request.folder)
    file = read_gguf(path)
    with read_once():
        tokenizer = tokenizer_of(file)
    native = NativeModel(path, gpu=on_gpu, threads=use_threads(file.parameters))
    stop_tokens = stop_tokens_of_file(path, file.stop_tokens, tokenizer, native.vocabulary)
    pad_token_id = pad_token(tokenizer, stop_tokens, native.vocabulary)
    ask = prompt_format(tokenizer, request)
    differing = differing_texts(native, tokenizer, ask)
    environment = read_environment(request, device, stop_tokens, ARGUMENTS, LLAMA_CPP)
    environment["packages"] |= {LLAMA_CPP_PACKAGE.package: version(LLAMA_CPP_PACKAGE.package)}
    environment["threads"] = native.threads
    environment["bits_per_weight"] = vars(file.bits_per_weight)
    environment["llama_cpp"] = {"instructions": system_info(), "tokenizer": _said(differing)}
    if not on_gpu:
        reset_peak(device)
    return LoadedFile(
        native=native,
        tokenizer=tokenizer,
        device=device,
        vocabulary=native.vocabulary,
        eos_token_ids=stop_tokens,
        pad_token_id=pad_token_id,
        context=_context(file),
        dummy=False,
        request=request,
        ask=ask,
        report=LoadReport(
            load_seconds=0.0,
            weight_bytes=native.weight_bytes,
            dtype=file.file_type,
            environment=environment | ask.environment(),
        ),
    )


def _said(differing: list[str]) -> dict[str, Any]:
    """How llama.cpp's own tokenizer compares, as an environment records it."""
    return {"texts": len(TEXTS), "differing": differing}


def _context(file: GgufFile) -> int | None:
    return None if file.spec is None else file.spec.context
