"""All SQL, and the only importer of duckdb.

Writers open, commit one short transaction and close; readers open read-only, query and close.
DuckDB allows one writing process or many reading ones, so nobody holds a connection while idle.
"""

from vibecore.store.connection import (
    check_writable,
    content_key,
    copy_compact,
    prepare,
    reading,
    writing,
)
from vibecore.store.prompt_list import (
    PromptFilter,
    find_prompts,
    list_categories,
    list_checks,
    read_prompt_results,
)
from vibecore.store.read import (
    list_studies,
    missing_prompts,
    read_configs,
    read_outputs,
    read_patterns,
    read_prompts,
    read_scores,
    read_study,
    read_verdicts,
    study_exists,
)
from vibecore.store.write import (
    NewRun,
    NewStudy,
    add_aggregate,
    add_generations,
    create_study,
    finish_run,
    generation_row,
    now,
    start_run,
)

__all__ = [
    "NewRun",
    "NewStudy",
    "PromptFilter",
    "add_aggregate",
    "add_generations",
    "check_writable",
    "content_key",
    "copy_compact",
    "create_study",
    "find_prompts",
    "finish_run",
    "generation_row",
    "list_categories",
    "list_checks",
    "list_studies",
    "missing_prompts",
    "now",
    "prepare",
    "read_configs",
    "read_outputs",
    "read_patterns",
    "read_prompt_results",
    "read_prompts",
    "read_scores",
    "read_study",
    "read_verdicts",
    "reading",
    "start_run",
    "study_exists",
    "writing",
]
