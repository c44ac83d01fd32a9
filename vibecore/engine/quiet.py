"""Silence what third parties log at every step, and nothing else: real warnings stay."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Logger -> the start of the message it repeats. The cast is part of LLM.int8() (one line per
# matmul on bf16 input); the kernel is an optional download from the hub, which is not wanted.
REPEATED = {
    "bitsandbytes.autograd._functions": "MatMul8bitLt: inputs will be cast from",
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    # Kernels for other GPUs or Pythons, and a word to torchao's own authors.
    "torchao": "Failed to load",
    "torch.utils._pytree": "%s is an Enum subclass",
}


class _Drop(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(REPEATED[self.name])


def silence() -> None:
    """Set before transformers is imported; safe to call twice."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # transformers shows one over a GGUF file's tensors, whatever its verbosity.
    os.environ.setdefault("TQDM_DISABLE", "1")
    for name in REPEATED:
        logger = logging.getLogger(name)
        if not any(isinstance(present, _Drop) for present in logger.filters):
            logger.addFilter(_Drop(name))


@contextmanager
def no_bars() -> Iterator[None]:
    """No progress bar within, not those either that are shown whatever TQDM_DISABLE says
    (compressed-tensors')."""
    from tqdm.std import tqdm

    begin: Any = tqdm.__init__

    def begin_hidden(self: Any, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **{**options, "disable": True})

    tqdm.__init__ = begin_hidden
    try:
        yield
    finally:
        tqdm.__init__ = begin
