"""The files of tests that need a GPU, or Triton's interpreter: each imports triton_cases first."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "engine"
KERNEL_TESTS = tuple(
    FOLDER / name for name in ("test_kernels.py", "test_row_kernels.py", "test_prompt_attention.py")
)
