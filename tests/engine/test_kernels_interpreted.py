"""The cases of test_kernels.py where there is no GPU, in Triton's interpreter.

In a process of its own: Triton decides when it is first imported, and other tests import it too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
CASES = Path(__file__).with_name("test_kernels.py")


def test_every_kernel_agrees_with_torch() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("test_kernels.py runs on the GPU")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(CASES)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout
