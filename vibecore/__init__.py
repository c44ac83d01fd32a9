"""Vibe check: which small language model, at which precision, to run on one GPU.

The public surface, loaded on first use, so that `import vibecore` loads neither torch nor
duckdb.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# public name -> the module that has it
_PUBLIC = {
    "DEFAULT_DB": "vibecore.paths",
    "InputError": "vibecore.errors",
    "PromptFilter": "vibecore.store",
    "Rule": "vibecore.analysis",
    "VibeError": "vibecore.errors",
    "content_key": "vibecore.store",
    "decide": "vibecore.analysis",
    "find_prompts": "vibecore.reading",
    "list_studies": "vibecore.reading",
    "load_suite": "vibecore.scoring",
    "read_evidence": "vibecore.reading",
    "read_bench": "vibecore.reading",
    "read_outputs": "vibecore.reading",
    "read_prompt_results": "vibecore.reading",
    "read_prompts": "vibecore.reading",
    "read_runs": "vibecore.reading",
    "read_scores": "vibecore.reading",
    "read_summary": "vibecore.reading",
    "score_output": "vibecore.scoring",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vibecore' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)
