"""A study's facts, as the sidebar lists them beside every page."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.analysis.asked import ModelAsked
from vibecore.core.rows import StudyRow
from vibecore.studies.bench.import_report import SUITE as BENCH_SUITE
from vibecore.views.models_asked import agreed_facts
from vibecore.views.short_names import names_of


def study_facts(study: StudyRow, asked: Sequence[ModelAsked] = ()) -> dict[str, str]:
    """Label -> value: where the study is from, its size, how many configs are complete, and what
    its configs agree on of their models and of how they were asked."""
    created, protocol = study.created_at, study.protocol
    facts = {
        "source": study.source,
        "hardware": study.hardware or "not recorded",
        "date": f"{created:%d %B %Y}".lstrip("0") if created else "not recorded",
        "suite": study.suite,
    }
    if study.suite == BENCH_SUITE and protocol:
        # Each sequence of a batch is stored as a prompt of its own.
        facts["repetitions"] = str(study.prompt_count // protocol.batch_size)
    else:
        facts["prompts"] = f"n = {study.prompt_count:,}"
    ended = study.complete + study.failed == study.configs
    facts["configs"] = (
        f"{study.configs:,}" if ended else f"{study.complete:,} of {study.configs:,} complete"
    )
    if key := names_of(asked).key():
        facts["names"] = key.removesuffix(".")
    facts |= agreed_facts(asked)
    if protocol and protocol.execute_code:
        facts["code"] = "run in a sandbox"
    if study.failed:
        facts["failed"] = str(study.failed)
    return facts
