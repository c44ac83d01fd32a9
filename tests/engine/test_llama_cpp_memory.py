"""The memory model of engine `llama.cpp`, against what llama.cpp says of the buffers it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

from tests.support.gguf_files import write_gguf
from vibecore.catalog.memory import MIB, Need, Workload, largest_batch, need
from vibecore.catalog.models import Config, own_configs
from vibecore.core.errors import RunError
from vibecore.engine.llama_cpp import library
from vibecore.engine.llama_cpp.native import NativeModel

ARCHITECTURES = ("qwen2", "llama", "qwen3", "gemma3")
# As llama.cpp logs it: "llama_kv_cache:        CPU KV buffer size =     0.06 MiB".
BUFFER = re.compile(r"CPU +(KV|compute|output) buffer size = +([\d.]+) MiB")
# Of what it logs, at two decimals.
ROUNDING = 0.005 * MIB


@pytest.fixture(scope="module", params=ARCHITECTURES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", request.param)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What llama.cpp logs, at every level."""
    lines: list[str] = []
    take = library.LogCallback(lambda _, text, __: lines.append(text.decode()))
    library.library().llama_log_set(take, None)
    yield lines
    library.library().llama_log_set(library.LOG.callback, None)


def config_of(file: Path) -> Config:
    [config] = own_configs(str(file), ["as-is"])
    return config


def estimated(file: Path, workload: Workload) -> Need:
    found = need(config_of(file), "cpu", workload)
    assert found is not None
    return found


def said(file: Path, workload: Workload, logged: list[str]) -> dict[str, float]:
    """Bytes of each kind of buffer that are made for a workload, and of the weights."""
    model = NativeModel(file, gpu=False, threads=1)
    logged.clear()
    model.sequences(workload.batch_size, workload.prompt_tokens + workload.new_tokens)
    sizes = {"KV": 0.0, "compute": 0.0, "output": 0.0, "weights": float(model.weight_bytes)}
    for kind, size in BUFFER.findall("".join(logged)):
        sizes[kind] += float(size) * MIB
    model.free()
    return sizes


@pytest.mark.parametrize(
    "workload",
    [
        Workload(40, 60, 16),
        # Longer than gemma3's window with what is read at once.
        Workload(200, 1500, 8),
        Workload(200, 3800, 1),
        # More sequences than divide what is read at once.
        Workload(100, 300, 30),
        Workload(10, 20, 256),
    ],
    ids=lambda workload: f"{workload.batch_size} sequences",
)
def test_the_cache_is_what_is_said_and_the_rest_is_bounded(
    file: Path, workload: Workload, logged: list[str]
) -> None:
    found, model = said(file, workload, logged), estimated(file, workload)
    assert model.weights == found["weights"]
    # A cache for each kind of layer is logged, rounded.
    assert model.cache == pytest.approx(found["KV"], rel=0, abs=2 * ROUNDING)
    rest = found["compute"] + found["output"]
    assert rest - 2 * ROUNDING <= model.activations <= 1.6 * rest


def test_more_sequences_than_it_knows_are_refused_in_words_and_never_chosen(file: Path) -> None:
    native = NativeModel(file, gpu=False, threads=1)
    with pytest.raises(RunError, match=r"256 sequences together at most, not 257\. Take a"):
        native.sequences(257, 10)
    assert native.sequences(256, 10).count == 256
    assert largest_batch([config_of(file)], "cpu", 10, 10, 2**50, most=4096) == 256
    native.free()
