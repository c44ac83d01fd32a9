"""Engines: how tokens are decoded, and which engine decoded a run. vibecore/engine has one function
an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vibecore.catalog.models import Config
from vibecore.catalog.precisions import (
    AS_IS,
    GGUF_METHOD,
    LLAMA_CPP_PACKAGE,
    PRECISIONS,
    Precision,
    method_of_files,
)
from vibecore.core.errors import InputError

# Those that can be asked for.
ENGINES = ("eager", "graph")
# What runs a GGUF file as it is, whatever engine is asked for.
LLAMA_CPP = "llama.cpp"
# Sequences that llama.cpp decodes together at most (LLAMA_MAX_SEQ, llama-cparams.h).
LLAMA_CPP_MOST_SEQUENCES = 256
# Ways of loading whose layers engine `graph` has a product for (engine/linear/join.py); of a folder
# that is quantised already, its layers decide when it is loaded.
GRAPH_METHODS = ("plain", "llm-int8", "bnb-nf4", AS_IS, method_of_files("bitsandbytes"))


def engine_of(config: Config, engine: str) -> str:
    """The engine that a config is loaded for where `engine` is asked for."""
    return LLAMA_CPP if is_native(config) else engine


def is_native(config: Config) -> bool:
    """Whether a config is a GGUF file that is run as it is, or a model that llama.cpp quantises to
    one: only llama.cpp runs them."""
    precision = config.precision
    as_it_is = config.model.weights == "gguf" and precision.as_stored
    return as_it_is or precision.method == GGUF_METHOD


def checked_engine(engine: str) -> str:
    """The engine. Raises InputError, with what to do, for one that cannot be asked for."""
    if engine == LLAMA_CPP:
        raise InputError(
            f"--engine {LLAMA_CPP} is not asked for: it runs every GGUF file that is run as it is, "
            f"beside configs of other engines. Use --model FILE.gguf --precision {AS_IS}."
        )
    if engine not in ENGINES:
        raise InputError(f"--engine must be one of {', '.join(ENGINES)}, not '{engine}'.")
    return engine


def require_llama_cpp() -> None:
    """Raise InputError, with the command that installs it, where llama.cpp's package is missing."""
    if not LLAMA_CPP_PACKAGE.is_met:
        raise InputError(
            f"Running a GGUF file as it is needs llama.cpp, in the package "
            f"{LLAMA_CPP_PACKAGE.package}, which is not installed. Install it: "
            f"{LLAMA_CPP_PACKAGE.install}"
        )


def why_not_graph(precision: Precision) -> str | None:
    """Why engine `graph` leaves a precision to `eager`; None where it does not."""
    if precision.method in GRAPH_METHODS:
        return None
    return "no product for its layers: by eager"


def why_left(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """Why engine `eager` decoded what engine `graph` was asked for, by a run's recorded
    environment; None where the engine that was asked for did."""
    if environment.get("engine") != "graph":
        return None
    if (left := environment.get("left_to_eager")) is not None:
        return left["batch" if batch_size > 1 else "single"]
    # Runs from before the reason was recorded: on a GPU LLM.int8() with outliers was left to eager
    # in batches, and without Triton.
    precision = PRECISIONS.get(environment.get("precision", ""))
    if environment.get("device") != "cuda" or precision is None or not precision.outlier_threshold:
        return None
    if batch_size > 1:
        return "batches of LLM.int8() with outliers cannot be captured"
    kernels = environment.get("kernels")
    return None if kernels == "triton" else f"LLM.int8() with outliers needs Triton ({kernels})"


def decoded_by(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """The engine that decoded, by a run's recorded environment; None where it has none."""
    return "eager" if why_left(environment, batch_size) else environment.get("engine")


def left_to(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """The engine that decoded in place of the requested one; None where the requested one did."""
    engine = decoded_by(environment, batch_size)
    return engine if engine != environment.get("engine") else None


def engine_in_words(engine: str, environment: Mapping[str, Any], batch_size: int) -> str:
    """The requested engine, and the one that decoded where it is another."""
    other = left_to(environment, batch_size)
    return f"{engine} (by {other})" if other else engine
