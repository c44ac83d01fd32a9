"""What a worker does not import, and that what stays is what it was."""

from __future__ import annotations

import subprocess
import sys

from vibecore.core.paths import PROJECT_ROOT

QUANTISE = """
import torch
from vibecore import engine
from vibecore.catalog.models import find_configs
from vibecore.catalog.weights import load_request, resolve
[config] = find_configs(["1M-4bit"])
compile_ = torch.compile
loaded = engine.load(load_request(config, resolve(config, "hub"), "cpu", "eager"))
assert torch.compile is compile_
[made] = engine.generate(loaded, ["Name a colour."], 4)
assert made.new_tokens
"""


def loaded_by(code: str) -> set[str]:
    """Names of the modules that an interpreter has loaded after `code`."""
    code += "\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_waiting_worker_has_not_loaded_what_a_16_bit_model_never_uses() -> None:
    names = loaded_by("from vibecore import engine")
    assert "transformers.modeling_utils" in names
    assert not {"bitsandbytes", "scipy", "sklearn", "torch._inductor.compile_fx", "duckdb"} & names
    # Importing it initialises CUDA, after which the fork server's forks could not use the GPU.
    assert "torchao" not in names


def test_a_quantised_model_loads_without_the_compiler() -> None:
    names = loaded_by(QUANTISE)
    assert "bitsandbytes" in names
    assert "torch._inductor.compile_fx" not in names
