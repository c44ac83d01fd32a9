"""All SQL, and the only importer of duckdb.

Writers open, commit one short transaction and close (a run's `Writer` keeps what is not the file);
readers open read-only, query and close.
DuckDB allows one writing process or many reading ones, so no connection is kept open while idle.
"""

# ruff: noqa: F401 (what other rooms use)
from vibecore.store.checksum import find_loss, seal_study, unseal
from vibecore.store.columns import AGGREGATE_COLUMNS
from vibecore.store.connection import (
    check_writable,
    content_key,
    copy_compact,
    prepare,
    reading,
    waiting_on,
    writing,
)
from vibecore.store.copy import copy_studies, is_database
from vibecore.store.digest import write_digests
from vibecore.store.fidelity import (
    add_fidelity,
    drop_fidelity,
    drop_fidelity_text,
    fidelity_places,
    list_compared,
    missing_fidelity,
    note_floor_left_out,
    read_fidelity,
    read_fidelity_speeds,
    read_kld_sums,
    read_parents,
    read_token_marks,
    reference_outputs,
    stored_fidelity,
)
from vibecore.store.join import Joined, join_study
from vibecore.store.manage import delete_study, rename_study, set_note
from vibecore.store.outcomes import read_outcomes
from vibecore.store.parquet import CONTENTS, read_parquet, write_parquet
from vibecore.store.places import place_id
from vibecore.store.prompt_list import (
    PromptFilter,
    compares_words,
    find_prompts,
    list_categories,
    list_checks,
    read_prompt_outputs,
    read_prompt_results,
)
from vibecore.store.read import (
    count_batches,
    count_outputs,
    list_benches,
    list_studies,
    missing_prompts,
    read_bench,
    read_configs,
    read_outputs,
    read_prompts,
    read_scores,
    read_study,
    read_verdicts,
    run_ids,
    study_exists,
)
from vibecore.store.run_progress import read_run_progress, read_speeds
from vibecore.store.run_status import settle_runs
from vibecore.store.scores import (
    count_scores,
    read_judged,
    read_texts,
    replace_scores,
    set_protocol,
    text_keys,
)
from vibecore.store.write import (
    NewBatch,
    NewRun,
    NewStudy,
    add_aggregate,
    add_batches,
    add_generations,
    add_runs,
    create_study,
    finish_run,
    generation_row,
    now,
    set_bench,
    start_run,
)
from vibecore.store.writer import Writer
