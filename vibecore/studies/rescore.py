"""Rescore stored outputs with the current scorers; and which versions scored a study.

rescore(Path("results.duckdb"), "demo")
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.suites import Prompt
from vibecore.core.errors import InputError
from vibecore.core.rows import RunRow, TextRow
from vibecore.runtime import study_use
from vibecore.scoring import SCORER_VERSION, Score, score_output
from vibecore.scoring.judge import EXECUTING
from vibecore.scoring.sandbox import require_isolation
from vibecore.studies import digests
from vibecore.studies.plan import stored_prompt
from vibecore.studies.published import score_sample
from vibecore.studies.score_changes import Change, find_changes

Row = dict[str, Any]

# Read, scored outside any transaction, then written in one, so short that a running study can wait.
OUTPUTS_AT_ONCE = 200


def rescore(
    db: Path, study: str, *, execute_code: bool = False, changes: list[Change] | None = None
) -> list[Row]:
    """Score every stored output of a study again. Returns rows of measure, before, after.

    To `changes`, where it is given, every verdict and flag that changed is added, batch by batch,
    in the order of the study; a second rescoring adds none.

    The prompts and constraints are those stored with the study. A batch is one transaction, and
    rescoring is idempotent, so a stopped one is finished by running it again. Raises
    InputError for an unknown study, where verdicts on run code would be lost, and where code
    cannot be isolated.
    """
    with study_use.writing_to(db, study, "a rescoring"):
        return _rescore(db, study, execute_code, changes)


def _rescore(
    db: Path, study: str, execute_code: bool, changes: list[Change] | None
) -> list[dict[str, Any]]:
    with store.reading(db) as connection:
        found = store.read_study(connection, study)
        protocol = found.protocol
        prompts = {
            row.prompt_id: stored_prompt(row) for row in store.read_prompts(connection, study)
        }
        before = store.count_scores(connection, study)
        runs = store.read_configs(connection, study)
        old = _versions(runs)
    if protocol and protocol.execute_code and not execute_code:
        raise InputError(
            f"The code in the answers of '{study}' was run when they were scored. Add "
            "--execute-code to run it again; without it those verdicts would be lost."
        )
    if execute_code:
        require_isolation()

    def score(prompt: Prompt, row: TextRow) -> Score:
        if found.source == "published":
            return score_sample(prompt, row.text)
        return score_output(
            prompt,
            row.text,
            _answer_ids(row),
            execute_code=execute_code,
            finish_reason=row.finish_reason,
        )

    # Rows of a score are replaced, which tables of an earlier schema do not take.
    store.prepare(db)
    rescored = 0
    for run in runs:
        with store.reading(db) as connection:
            keys = store.text_keys(connection, run.run_id)
        for start in range(0, len(keys), OUTPUTS_AT_ONCE):
            part = keys[start : start + OUTPUTS_AT_ONCE]
            with store.reading(db) as connection:
                rows = store.read_texts(connection, run.run_id, part)
            scored = [
                (row.prompt_id, row.sample, score(prompts[row.prompt_id], row)) for row in rows
            ]
            found_here: list[Change] = []
            with store.writing(db) as connection:
                if changes is not None:
                    stored = store.read_judged(connection, run.run_id, part)
                    found_here += find_changes(run.config, stored, scored)
                store.replace_scores(connection, run.run_id, scored, SCORER_VERSION)
            if changes is not None:
                # Now that they are stored.
                changes += found_here
        rescored += len(keys)
    checks = {c.check for prompt in prompts.values() for c in prompt.constraints}
    if protocol and execute_code and checks & set(EXECUTING):
        with store.writing(db) as connection:
            store.set_protocol(connection, study, replace(protocol, execute_code=True))
    with store.writing(db) as connection:
        digests.seal(connection, study)
    with store.reading(db) as connection:
        after = store.count_scores(connection, study)
    versions = {"measure": "scorer version", "before": old, "after": str(SCORER_VERSION)}
    counts = [{"measure": name, "before": before[name], "after": after[name]} for name in after]
    return [versions, *counts] if rescored else []


def versions_note(runs: Sequence[RunRow], study: str) -> str | None:
    """What a reader must know of the scorers behind a study; None where all is today's.

    `runs` are rows of `read_runs`.
    """
    versions = _version_set(runs)
    command = f"python -m vibecore rescore --study {shlex.quote(study)}"
    if not versions or versions == {SCORER_VERSION}:
        return None
    by = f"This study's outputs were scored by version {_versions(runs)} of the scorers"
    if len(versions) > 1:
        return (
            f"{by} (today's is {SCORER_VERSION}), so their scores may not compare: {command} "
            "scores them all alike."
        )
    if max(versions) > SCORER_VERSION:
        return f"{by}, which is newer than this Vibe check ({SCORER_VERSION})."
    return f"{by}; today's is {SCORER_VERSION}, and newer scores are missing: {command} makes them."


def _version_set(runs: Sequence[RunRow]) -> set[int]:
    versions = {
        version for run in runs for version in (run.scorer_version, run.newest_scorer_version)
    }
    return {version for version in versions if version is not None}


def _versions(runs: Sequence[RunRow]) -> str:
    return ", ".join(map(str, sorted(_version_set(runs)))) or "none"


def _answer_ids(row: TextRow) -> Sequence[int] | None:
    """The tokens without reasoning and end of sequence, as when the output was first scored."""
    ids = row.token_ids
    ids = ids and ids[row.reasoning_tokens or 0 :]
    return ids[:-1] if ids and row.finish_reason == "eos" else ids
