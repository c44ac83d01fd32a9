"""All SQL, and the only importer of duckdb.

Writers open, commit one short transaction and close; readers open read-only, query and close.
DuckDB allows one writing process or many reading ones, so no connection is kept open while idle.
"""

from vibecore.store.columns import AGGREGATE_COLUMNS
from vibecore.store.connection import (
    check_writable,
    content_key,
    copy_compact,
    prepare,
    reading,
    writing,
)
from vibecore.store.outcomes import read_outcomes
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
    read_bench,
    read_configs,
    read_outputs,
    read_patterns,
    read_prompts,
    read_scores,
    read_study,
    read_verdicts,
    study_exists,
)
from vibecore.store.run_progress import read_run_progress, read_speeds
from vibecore.store.scores import add_scores, count_scores, read_texts, set_protocol
from vibecore.store.write import (
    NewRun,
    NewStudy,
    add_aggregate,
    add_generations,
    create_study,
    finish_run,
    generation_row,
    now,
    set_bench,
    start_run,
)

__all__ = [
    "AGGREGATE_COLUMNS",
    "NewRun",
    "NewStudy",
    "PromptFilter",
    "add_aggregate",
    "add_generations",
    "add_scores",
    "check_writable",
    "content_key",
    "copy_compact",
    "count_scores",
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
    "read_bench",
    "read_configs",
    "read_outcomes",
    "read_outputs",
    "read_patterns",
    "read_prompt_results",
    "read_prompts",
    "read_run_progress",
    "read_scores",
    "read_speeds",
    "read_study",
    "read_texts",
    "read_verdicts",
    "reading",
    "set_bench",
    "set_protocol",
    "start_run",
    "study_exists",
    "writing",
]
