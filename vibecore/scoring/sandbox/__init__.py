"""The sandbox: untrusted code, run where it can do no harm.

A program runs with no network, no file of the host but Python's own, read-only, no other process,
no way to start one, an empty environment, and limits on time, memory, files and output. It is
called from outside and answers with data. Without such isolation nothing is run.

    execution = run_calls("def double(x): return 2 * x", [Call("double", [21])])
    execution.replies[0].value      # 42
    find_isolation().way            # "bubblewrap", "namespaces", or None and a reason
"""

from vibecore.scoring.sandbox.calls import Call, Foreign, Reply
from vibecore.scoring.sandbox.execute import Execution, run_calls
from vibecore.scoring.sandbox.isolation import (
    Isolation,
    SandboxError,
    find_isolation,
    require_isolation,
)
from vibecore.scoring.sandbox.limits import LIMITS, Limits

__all__ = [
    "LIMITS",
    "Call",
    "Execution",
    "Foreign",
    "Isolation",
    "Limits",
    "Reply",
    "SandboxError",
    "find_isolation",
    "require_isolation",
    "run_calls",
]
