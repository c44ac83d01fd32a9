"""Load one config: real weights from a folder, or random ones in a published architecture."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from vibecore.catalog.architectures import ModelSpec, Weight, spec_of
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.precisions import PRECISIONS, Precision, require_package
from vibecore.core.errors import InputError, RunError
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.chat import prompt_format
from vibecore.engine.environment import read_environment
from vibecore.engine.graph import take_apart
from vibecore.engine.memory import explain_out_of_memory, reset_peak
from vibecore.engine.model import LoadedModel
from vibecore.engine.quantisers import DTYPES, QUANTISERS

# Random weights speak no language, so any tokenizer whose ids fit will do; this one ships.
DUMMY_TOKENIZER = MODELS_DIR / "1M"
# The standard deviation that these architectures initialise with (initializer_range).
DUMMY_DEVIATION = 0.02
DUMMY_SEED = 0
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
# A prime, so that rows of no tensor line up with the pool's repetition.
DUMMY_POOL = 16_777_213
# Below this a second CPU thread costs more, in waiting at every small operation, than it gives:
# measured on the demo models, at batch 1 and 30.
ONE_THREAD_PARAMETERS = 20_000_000


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


def load(request: LoadRequest) -> LoadedModel:
    """Load a config and report what it cost. Raises RunError, out of memory included."""
    device = torch.device(choose_device(request.device))
    precision = PRECISIONS[request.precision]
    try:
        require_package(precision)
    except InputError as error:
        raise RunError(str(error)) from None
    started = time.perf_counter()
    try:
        with explain_out_of_memory(request, device, loading=True):
            if request.folder is None:
                model, tokenizer = _load_dummy(request, precision)
            else:
                model, tokenizer = _load_folder(Path(request.folder), precision, request.device)
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"{request.config_id} cannot be loaded: {reason}") from error
    ask = prompt_format(tokenizer, request)
    model.eval()
    if device.type == "cpu" and model.num_parameters() < ONE_THREAD_PARAMETERS:
        torch.set_num_threads(1)
    # Before anything runs: quantised layers move and pack their weights at first use.
    size = weight_bytes(model)
    decoder, decoded_how = take_apart(model, request.engine)
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    reset_peak(device)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        device=device,
        eos_token_ids=() if request.folder is None else _eos_token_ids(model, tokenizer),
        pad_token_id=_pad_token_id(model, tokenizer),
        context=model.config.max_position_embeddings,
        dummy=request.folder is None,
        request=request,
        decoder=decoder,
        ask=ask,
        report=LoadReport(
            load_seconds=seconds,
            weight_bytes=size,
            dtype=str(model.dtype).removeprefix("torch."),
            environment=read_environment(request, model, device) | decoded_how | ask.environment(),
        ),
    )


def _load_folder(
    folder: Path, precision: Precision, device: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=DTYPES[precision.dtype],
        device_map={"": device},
        quantization_config=QUANTISERS[precision.method](precision),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return model, tokenizer


def _load_dummy(
    request: LoadRequest, precision: Precision
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Random weights through the same path that real ones take, quantiser included."""
    assert request.architecture is not None
    spec = spec_of(request.architecture)
    assert spec is not None
    config = AutoConfig.for_model(**_as_trained(request.architecture))
    dtype = DTYPES[precision.dtype]
    # Not AutoModelForCausalLM.from_pretrained, which looks for files first.
    model_class = cast(type[PreTrainedModel], MODEL_FOR_CAUSAL_LM_MAPPING[type(config)])
    model = model_class.from_pretrained(
        None,
        config=config,
        state_dict=_random_weights(spec, dtype),
        dtype=dtype,
        device_map={"": request.device},
        quantization_config=QUANTISERS[precision.method](precision),
    )
    return model, AutoTokenizer.from_pretrained(DUMMY_TOKENIZER, local_files_only=True)


def _as_trained(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without what tells how its weights were quantised: dummy ones are not."""
    return {name: value for name, value in raw.items() if name != "quantization_config"}


def _random_weights(spec: ModelSpec, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:
    """Tensors by name: norms that leave their input alone, all else drawn at random."""
    generator = torch.Generator().manual_seed(DUMMY_SEED)
    pool = torch.empty(DUMMY_POOL, dtype=dtype).normal_(0.0, DUMMY_DEVIATION, generator=generator)
    neutral = 0.0 if spec.norm == "rms_plus_one" else 1.0
    return {
        weight.name: torch.full(weight.shape, neutral, dtype=dtype)
        if weight.kind == "norm"
        else _from_pool(pool, weight, generator)
        for weight in spec.weights()
    }


def _from_pool(pool: torch.Tensor, weight: Weight, generator: torch.Generator) -> torch.Tensor:
    """A tensor of the pool's numbers from a random start on: drawing all of them takes a minute."""
    start = int(torch.randint(pool.numel(), (1,), generator=generator))
    flat = torch.empty(weight.parameters, dtype=pool.dtype)
    filled = 0
    while filled < flat.numel():
        piece = pool[start : start + flat.numel() - filled]
        flat[filled : filled + piece.numel()] = piece
        filled, start = filled + piece.numel(), 0
    return flat.view(weight.shape)


def _eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    found = model.generation_config.eos_token_id if model.generation_config else None
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        return ()
    return tuple(found) if isinstance(found, list) else (found,)


def _pad_token_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    candidates = (tokenizer.pad_token_id, *_eos_token_ids(model, tokenizer), 0)
    return next(id_ for id_ in candidates if id_ is not None)


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of all weights as loaded, with the scales of a quantiser, each tensor once.

    What follows from the config alone is left out: rotary tables and NF4's sixteen values.
    """
    derived = {id(buffer) for _, buffer in model.named_non_persistent_buffers()}
    stored = [buffer for buffer in model.buffers() if id(buffer) not in derived]
    # LLM.int8() moves its scales into the module's state at the first forward pass.
    states = [getattr(module, "state", None) for module in model.modules()]
    tensors = {
        tensor.data_ptr(): tensor
        for holder in (*model.parameters(), *stored, *states)
        for tensor in _tensors_of(holder)
        if tensor.numel()
    }
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _tensors_of(holder: Any) -> Iterator[torch.Tensor]:
    """The plain tensors that a weight is stored in, bitsandbytes' scales beside it included."""
    if flatten := getattr(holder, "__tensor_flatten__", None):
        for name in flatten()[0]:
            yield from _tensors_of(getattr(holder, name))
        return
    quant_state = getattr(holder, "quant_state", None)
    for part in (holder, getattr(holder, "SCB", None), getattr(quant_state, "absmax", None)):
        if isinstance(part, torch.Tensor):
            yield part
