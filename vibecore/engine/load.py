"""Load one config and say what it cost and where it happened."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.precisions import PRECISIONS, require_here
from vibecore.core.errors import InputError, RunError
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.chat import prompt_format
from vibecore.engine.checkpoints import load_checkpoint, vocabulary_of
from vibecore.engine.decoding import arguments, keep_only_stop_tokens
from vibecore.engine.environment import read_environment
from vibecore.engine.graph import take_apart
from vibecore.engine.memory import explain_out_of_memory, give_back, reset_peak
from vibecore.engine.model import Loaded, LoadedModel
from vibecore.engine.quantisers import leave_unpacked
from vibecore.engine.stop_tokens import pad_token
from vibecore.engine.threads import use_threads
from vibecore.engine.weight_size import bits_per_weight, weight_bytes

NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` is CUDA where there is one. Raises RunError when it is absent."""
    # Set for the process that forks workers, which must not touch the GPU. Here it would count
    # the GPUs alone, and not see a driver that is too old for this torch.
    os.environ.pop(NVML_CHECK, None)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RunError(
            f"CUDA was asked for, but torch {torch.__version__} sees no GPU. Use --device cpu, "
            "or install a CUDA build of torch and an NVIDIA driver. `python -m vibecore doctor` "
            "shows what is there."
        )
    return device


def gpu_in_use() -> bool:
    """Whether this process has initialised CUDA, after which none of its forks can."""
    return torch.cuda.is_initialized()


def load(request: LoadRequest) -> Loaded:
    """Load a config and report what it cost. Raises RunError, out of memory included."""
    device = torch.device(choose_device(request.device))
    # cuDNN's attention builds a plan for every new shape, some 70 ms each on an H100: longer than a
    # short answer takes. scaled_dot_product_attention has others.
    torch.backends.cuda.enable_cudnn_sdp(False)
    started = time.perf_counter()
    if request.engine == LLAMA_CPP:
        from vibecore.engine.llama_cpp.load import load_file

        with _in_one_line(request, device):
            loaded = load_file(request, device)
        seconds = time.perf_counter() - started
        return replace(loaded, report=replace(loaded.report, load_seconds=seconds))
    precision = PRECISIONS[request.precision]
    with _in_one_line(request, device):
        require_here(precision, device.type)
        _begin_context(device)
        checkpoint = load_checkpoint(request, precision)
    model, tokenizer, stop_tokens = checkpoint.model, checkpoint.tokenizer, checkpoint.stop_tokens
    pad_token_id = pad_token(tokenizer, stop_tokens, vocabulary_of(model))
    keep_only_stop_tokens(model, stop_tokens, pad_token_id)
    ask = prompt_format(tokenizer, request)
    model.eval()
    if device.type == "cpu":
        give_back()
        leave_unpacked(model)
        use_threads(model.num_parameters())
    # Before anything runs: quantised layers move and pack their weights at first use.
    size, bits = weight_bytes(model), bits_per_weight(model)
    decoder, decoded_how = take_apart(model, request.engine)
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    reset_peak(device)
    environment = read_environment(
        request,
        device,
        stop_tokens,
        arguments(stop_tokens, pad_token_id),
        model.config._attn_implementation,
    )
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        device=device,
        vocabulary=vocabulary_of(model),
        eos_token_ids=stop_tokens,
        pad_token_id=pad_token_id,
        context=_context(model),
        dummy=request.folder is None,
        request=request,
        decoder=decoder,
        ask=ask,
        report=LoadReport(
            load_seconds=seconds,
            weight_bytes=size,
            dtype=str(model.dtype).removeprefix("torch."),
            environment=environment
            | {"bits_per_weight": vars(bits)}
            | decoded_how
            | ask.environment(),
        ),
    )


@contextmanager
def _in_one_line(request: LoadRequest, device: torch.device) -> Iterator[None]:
    """Turn whatever loading raises into a RunError with the reason in one line."""
    try:
        with explain_out_of_memory(request, device, loading=True):
            yield
    except InputError as error:
        raise RunError(str(error)) from None
    except RunError:
        raise
    # Files that somebody else wrote: their readers raise whatever comes, tokenizers' a bare one.
    except Exception as error:
        raise RunError(f"{request.config_id} cannot be loaded: {_reason(error)}") from error


def _begin_context(device: torch.device) -> None:
    """Have a GPU's context made while the checkpoint's files are read, which needs none at first:
    it takes a good part of a second, nearly all of it in the driver."""

    def make() -> None:
        # What is wrong with the GPU is told where it is needed.
        with contextlib.suppress(Exception):
            torch.zeros(1, device=device)

    if device.type == "cuda":
        threading.Thread(target=make, name="gpu-context", daemon=True).start()


def _reason(error: Exception) -> str:
    """An error in one line: its first, and the second where the first only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def _context(model: PreTrainedModel) -> int | None:
    """Tokens that the model was made for; None where its architecture sets no limit."""
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None
