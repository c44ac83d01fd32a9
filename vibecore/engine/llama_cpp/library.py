"""llama.cpp's C interface, of the build that the package xllamacpp brings.

The package's own Python interface is a server, which gives no logits. Its extension module is
llama.cpp whole, though, with the functions of llama.h for everybody to call; here are those that
decoding needs, as llama.h declares them (llama.cpp b11549, include/llama.h). Parameters are passed
by value, so what llama.cpp takes for its defaults is looked at before anything else is called.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vibecore.catalog.engines import require_llama_cpp
from vibecore.catalog.precisions import LLAMA_CPP_PACKAGE
from vibecore.core.errors import RunError

# Of ggml_log_level: what an error is logged at, and what goes on with the last line.
ERROR, CONTINUED = 4, 5
KEPT_LINES = 20
# Of llama_load_mode: the file is mapped into memory, and its weights are read where they lie.
MAPPED = 1
POINTER, INT, UNSIGNED, FLOAT = ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_float
FLAG, SIZE, ENUM = ctypes.c_bool, ctypes.c_size_t, ctypes.c_int


class ModelParameters(ctypes.Structure):
    """llama_model_params."""

    _fields_ = [
        ("devices", POINTER),
        ("tensor_buft_overrides", POINTER),
        ("n_gpu_layers", INT),
        ("split_mode", ENUM),
        ("load_mode", ENUM),
        ("lazy_mode", ENUM),
        ("main_gpu", INT),
        ("tensor_split", POINTER),
        ("progress_callback", POINTER),
        ("progress_callback_user_data", POINTER),
        ("kv_overrides", POINTER),
        ("vocab_only", FLAG),
        ("check_tensors", FLAG),
        ("use_extra_bufts", FLAG),
        ("no_host", FLAG),
        ("no_alloc", FLAG),
        ("load_mtp", FLAG),
    ]


class ContextParameters(ctypes.Structure):
    """llama_context_params."""

    _fields_ = [
        ("n_ctx", UNSIGNED),
        ("n_batch", UNSIGNED),
        ("n_ubatch", UNSIGNED),
        ("n_seq_max", UNSIGNED),
        ("n_rs_seq", UNSIGNED),
        ("n_outputs_max", UNSIGNED),
        ("n_outputs_max_per_seq", UNSIGNED),
        ("n_threads", INT),
        ("n_threads_batch", INT),
        ("ctx_type", ENUM),
        ("rope_scaling_type", ENUM),
        ("pooling_type", ENUM),
        ("attention_type", ENUM),
        ("flash_attn_type", ENUM),
        ("rope_freq_base", FLOAT),
        ("rope_freq_scale", FLOAT),
        ("yarn_ext_factor", FLOAT),
        ("yarn_attn_factor", FLOAT),
        ("yarn_beta_fast", FLOAT),
        ("yarn_beta_slow", FLOAT),
        ("yarn_orig_ctx", UNSIGNED),
        ("defrag_thold", FLOAT),
        ("cb_eval", POINTER),
        ("cb_eval_user_data", POINTER),
        ("type_k", ENUM),
        ("type_v", ENUM),
        ("moe_cache_size", SIZE),
        ("abort_callback", POINTER),
        ("abort_callback_data", POINTER),
        ("embeddings", FLAG),
        ("offload_kqv", FLAG),
        ("no_perf", FLAG),
        ("op_offload", FLAG),
        ("swa_full", FLAG),
        ("kv_unified", FLAG),
        ("samplers", POINTER),
        ("n_samplers", SIZE),
        ("ctx_other", POINTER),
    ]


class TokenBatch(ctypes.Structure):
    """llama_batch: token ids, each one's place, sequences, and whether its logits are wanted."""

    _fields_ = [
        ("n_tokens", INT),
        ("token", ctypes.POINTER(INT)),
        ("embd", POINTER),
        ("pos", ctypes.POINTER(INT)),
        ("n_seq_id", ctypes.POINTER(INT)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(INT))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

# Function -> (what it returns, what it takes).
FUNCTIONS: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_model_default_params": (ModelParameters, ()),
    "llama_context_default_params": (ContextParameters, ()),
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (LogCallback, POINTER)),
    "llama_print_system_info": (ctypes.c_char_p, ()),
    "llama_supports_gpu_offload": (FLAG, ()),
    "llama_model_load_from_file": (POINTER, (ctypes.c_char_p, ModelParameters)),
    "llama_model_free": (None, (POINTER,)),
    "llama_model_get_vocab": (POINTER, (POINTER,)),
    "llama_model_size": (ctypes.c_uint64, (POINTER,)),
    "llama_vocab_n_tokens": (INT, (POINTER,)),
    "llama_tokenize": (
        INT,
        (POINTER, ctypes.c_char_p, INT, ctypes.POINTER(INT), INT, FLAG, FLAG),
    ),
    "llama_init_from_model": (POINTER, (POINTER, ContextParameters)),
    "llama_free": (None, (POINTER,)),
    "llama_n_ctx_seq": (UNSIGNED, (POINTER,)),
    "llama_get_memory": (POINTER, (POINTER,)),
    "llama_memory_clear": (None, (POINTER, FLAG)),
    "llama_memory_seq_cp": (None, (POINTER, INT, INT, INT, INT)),
    "llama_batch_init": (TokenBatch, (INT, INT, INT)),
    "llama_batch_free": (None, (TokenBatch,)),
    "llama_decode": (INT, (POINTER, TokenBatch)),
    "llama_get_logits_ith": (ctypes.POINTER(FLOAT), (POINTER, INT)),
    "ggml_backend_dev_count": (SIZE, ()),
    "ggml_backend_dev_get": (POINTER, (SIZE,)),
    "ggml_backend_dev_type": (ENUM, (POINTER,)),
    "ggml_backend_dev_memory": (None, (POINTER, ctypes.POINTER(SIZE), ctypes.POINTER(SIZE))),
}
# Of ggml_backend_dev_type.
GPU_DEVICE = 1

# Some of what llama.h's functions give for defaults, each at another place of its structure.
MODEL_DEFAULTS: Mapping[str, Any] = {
    "n_gpu_layers": -1,
    "split_mode": 1,
    "load_mode": -1,
    "kv_overrides": None,
    "vocab_only": False,
    "use_extra_bufts": True,
    "no_alloc": False,
}
CONTEXT_DEFAULTS: Mapping[str, Any] = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "flash_attn_type": -1,
    "yarn_ext_factor": -1.0,
    "defrag_thold": -1.0,
    "type_k": 1,
    "type_v": 1,
    "embeddings": False,
    "offload_kqv": True,
    "op_offload": True,
    "kv_unified": False,
    "n_samplers": 0,
    "ctx_other": None,
}


class Log:
    """The errors that llama.cpp logged last, which it would write to standard error."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.keeping = False
        # Called for as long as the process lives, so it is kept as long.
        self.callback = LogCallback(self._take)

    def _take(self, level: int, text: bytes, _: Any) -> None:
        self.keeping = self.keeping if level == CONTINUED else level >= ERROR
        if not self.keeping:
            return
        words = text.decode("utf-8", "replace")
        if level == CONTINUED and self.lines:
            self.lines[-1] += words.rstrip("\n")
        else:
            self.lines.append(words.rstrip("\n"))

    @property
    def reason(self) -> str:
        """The first error since the log was cleared, as whoever fails first knows why; without the
        function's name before it."""
        first = next((line.strip() for line in self.lines if line.strip()), "it gives no reason")
        function, _, rest = first.partition(": ")
        words = rest if rest and " " not in function else first
        return words.removeprefix("error loading model: ").rstrip(".")


LOG = Log()


@cache
def library() -> Any:
    """llama.cpp, loaded once a process. Raises RunError, with what to do, where the package is
    missing, cannot be loaded, or is not of a version that is known here."""
    require_llama_cpp()
    found = find_spec(LLAMA_CPP_PACKAGE.package)
    places = (found and found.submodule_search_locations) or ()
    files = [file for place in places for file in Path(place).glob("xllamacpp*.so")]
    try:
        loaded = ctypes.CDLL(str(files[0]))
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, list(arguments)
    # No such file; a library that it needs is missing; a function is.
    except (IndexError, OSError, AttributeError) as error:
        raise RunError(
            f"llama.cpp cannot be called through the package {LLAMA_CPP_PACKAGE.package} "
            f"({error}). Install it anew: {LLAMA_CPP_PACKAGE.install}"
        ) from None
    _check_defaults(loaded)
    loaded.llama_log_set(LOG.callback, None)
    loaded.llama_backend_init()
    return loaded


def _check_defaults(loaded: Any) -> None:
    """Raise RunError where parameters are laid out otherwise than here: of another version."""
    for made, wanted in (
        (loaded.llama_model_default_params(), MODEL_DEFAULTS),
        (loaded.llama_context_default_params(), CONTEXT_DEFAULTS),
    ):
        if any(getattr(made, name) != value for name, value in wanted.items()):
            raise RunError(
                f"The package {LLAMA_CPP_PACKAGE.package} is of a version whose llama.cpp takes "
                "other parameters than are known here. Install the one that was tried: "
                f"{LLAMA_CPP_PACKAGE.install}"
            )


@contextmanager
def logged() -> Iterator[Log]:
    """What llama.cpp logs within, and nothing from before."""
    LOG.lines.clear()
    yield LOG


def system_info() -> str:
    """The instructions that this build uses: `CPU : AVX2 = 1 | FMA = 1 | …`."""
    return str(library().llama_print_system_info().decode()).strip(" |")


def why_no_gpu() -> str | None:
    """Why llama.cpp runs nothing on a GPU here; None where it does."""
    if library().llama_supports_gpu_offload():
        return None
    return (
        f"the package {LLAMA_CPP_PACKAGE.package} is installed in its build for CPUs. Install one "
        "of its CUDA wheels (https://github.com/xorbitsai/xllamacpp#installation), or use --device "
        "cpu"
    )


def gpu_memory() -> tuple[int, int] | None:
    """(free, total) bytes of the first GPU that llama.cpp sees; None where it sees none."""
    lib = library()
    for number in range(lib.ggml_backend_dev_count()):
        device = lib.ggml_backend_dev_get(number)
        if lib.ggml_backend_dev_type(device) == GPU_DEVICE:
            free, total = SIZE(), SIZE()
            lib.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            return free.value, total.value
    return None
