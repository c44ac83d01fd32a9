"""Load one config: real weights from a folder, or random ones in a published architecture."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from vibecore.catalog.configs import PRECISIONS, Precision
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.errors import RunError
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.environment import read_environment
from vibecore.engine.graph import take_apart
from vibecore.engine.light import import_bitsandbytes
from vibecore.engine.memory import explain_out_of_memory, reset_peak
from vibecore.engine.model import LoadedModel

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
# Random weights speak no language, so any tokenizer whose ids fit will do; this one ships.
DUMMY_TOKENIZER = MODELS_DIR / "1M"
# The standard deviation Qwen2 initialises with (Qwen2Config.initializer_range).
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
    if precision.weight_bits < 16:
        import_bitsandbytes()
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
    model.eval()
    if device.type == "cpu" and model.num_parameters() < ONE_THREAD_PARAMETERS:
        torch.set_num_threads(1)
    decoder, decoded_how = take_apart(model, request.engine)
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    reset_peak(device)
    dtype = str(model.dtype).removeprefix("torch.")
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
        report=LoadReport(
            load_seconds=seconds,
            weight_bytes=weight_bytes(model),
            dtype=dtype,
            environment=read_environment(request, model, device) | decoded_how,
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
        quantization_config=_quantization(precision),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    return model, tokenizer


def _load_dummy(
    request: LoadRequest, precision: Precision
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Random weights through the very path real ones take, quantiser included."""
    assert request.architecture is not None
    shape = dict(request.architecture)
    rope = {"rope_type": "default", "rope_theta": shape.pop("rope_theta")}
    config = Qwen2Config(**shape, rope_parameters=rope)
    model = Qwen2ForCausalLM.from_pretrained(
        None,
        config=config,
        state_dict=_random_weights(config, DTYPES[precision.dtype]),
        dtype=DTYPES[precision.dtype],
        device_map={"": request.device},
        quantization_config=_quantization(precision),
    )
    return model, AutoTokenizer.from_pretrained(DUMMY_TOKENIZER, local_files_only=True)


def _random_weights(config: Qwen2Config, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:
    with torch.device("meta"):
        shapes = {
            name: tensor.shape for name, tensor in Qwen2ForCausalLM(config).state_dict().items()
        }
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    generator = torch.Generator().manual_seed(DUMMY_SEED)
    pool = torch.empty(DUMMY_POOL, dtype=dtype).normal_(0.0, DUMMY_DEVIATION, generator=generator)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("norm.weight"):
            weights[name] = torch.ones(shape, dtype=dtype)
        else:
            weights[name] = _from_pool(pool, shape, generator)
    return weights


def _from_pool(pool: torch.Tensor, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """A tensor of the pool's numbers from a random start on: drawing each anew takes a minute."""
    start = int(torch.randint(pool.numel(), (1,), generator=generator))
    flat = torch.empty(shape.numel(), dtype=pool.dtype)
    filled = 0
    while filled < flat.numel():
        piece = pool[start : start + flat.numel() - filled]
        flat[filled : filled + piece.numel()] = piece
        filled, start = filled + piece.numel(), 0
    return flat.view(shape)


def _quantization(precision: Precision) -> BitsAndBytesConfig | None:
    if precision.weight_bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=precision.outlier_threshold)
    if precision.weight_bits == 4:
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=DTYPES[precision.dtype],
        )
    return None


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


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of all weights and buffers as loaded, quantiser scales included, each once."""
    tensors = {tensor.data_ptr(): tensor for tensor in _tensors(model) if tensor.numel()}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _tensors(model: torch.nn.Module) -> Iterable[torch.Tensor]:
    for parameter in model.parameters():
        yield parameter.data
        scales = getattr(parameter, "SCB", None)
        if isinstance(scales, torch.Tensor):
            yield scales
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            yield state.absmax
            yield state.code
    yield from model.buffers()
    for module in model.modules():
        # LLM.int8() moves its weights and scales here at the first forward pass.
        state = getattr(module, "state", None)
        for name in ("CB", "SCB"):
            tensor = getattr(state, name, None)
            if isinstance(tensor, torch.Tensor):
                yield tensor
