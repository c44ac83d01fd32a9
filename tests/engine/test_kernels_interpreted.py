"""The tests of Triton kernels where there is no GPU, in Triton's interpreter.

In a process of its own: Triton decides when it is first imported, and other tests import it too.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests.support.kernel_tests import KERNEL_TESTS

pytest.importorskip("triton")


@pytest.mark.timeout(900)
def test_every_kernel_agrees_with_torch() -> None:
    if torch.cuda.is_available():
        pytest.skip("they run on the GPU")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, KERNEL_TESTS)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout
