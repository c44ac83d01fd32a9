"""Vibe check: which small language model, at which precision, to run on one GPU.

The public surface, loaded on first use, so that `import vibecore` loads neither torch nor
duckdb.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# public name -> the module that has it
_PUBLIC = {
    "DEFAULT_DB": "vibecore.core.paths",
    "InputError": "vibecore.core.errors",
    "PromptFilter": "vibecore.store",
    "Rule": "vibecore.analysis",
    "VibeError": "vibecore.core.errors",
    "content_key": "vibecore.store",
    "decide": "vibecore.analysis",
    "find_prompts": "vibecore.studies.queries",
    "list_studies": "vibecore.studies.queries",
    "load_suite": "vibecore.scoring",
    "read_evidence": "vibecore.studies.queries",
    "read_bench": "vibecore.studies.queries",
    "read_outputs": "vibecore.studies.queries",
    "read_prompt_outputs": "vibecore.studies.queries",
    "read_prompt_results": "vibecore.studies.queries",
    "read_prompts": "vibecore.studies.queries",
    "read_runs": "vibecore.studies.queries",
    "read_scores": "vibecore.studies.queries",
    "read_summary": "vibecore.studies.queries",
    "score_output": "vibecore.scoring",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vibecore' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)
