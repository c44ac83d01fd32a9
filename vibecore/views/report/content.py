"""The content of a report, read once: HTML and Markdown say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vibecore.analysis import Decision, Rule, decide, switch_sentences
from vibecore.analysis.asked import HASH_LENGTH
from vibecore.analysis.claims import Finding
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core import formats
from vibecore.core.rows import RunRow
from vibecore.studies.claims import read_findings
from vibecore.studies.fidelity_results import read_fidelity_results
from vibecore.studies.queries import (
    Summary,
    find_loss,
    read_evidence,
    read_outputs,
    read_prompts,
    read_runs,
    read_scores,
    read_study,
    summary_of,
    too_many_outputs,
)
from vibecore.views.charts.fidelity import category_figure as kld_by_category
from vibecore.views.charts.fidelity import distribution_figure, kld_figure
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.prompts import category_figure, prompt_figure
from vibecore.views.charts.quality import (
    constraint_adherence_figure,
    prompt_adherence_figure,
    repetition_figure,
)
from vibecore.views.charts.speed import loss_figure, speed_figure
from vibecore.views.charts.tradeoff import tradeoff_figure
from vibecore.views.cut_off import explained
from vibecore.views.decoding_facts import decoding_facts
from vibecore.views.fidelity import SOURCES, WHAT, cost_words, flip_records
from vibecore.views.fidelity_rows import terminal_rows
from vibecore.views.findings import testable, whose
from vibecore.views.headline import headline
from vibecore.views.models_asked import agreed_facts, asking_notes, asking_warnings
from vibecore.views.shown_configs import Shown, Wanted, offers, show_all, show_part
from vibecore.views.snippet import Snippet, snippet_of
from vibecore.views.terminal import output_facts

# A grid of more prompts than these is not drawn, and their scores are not read.
MOST_PROMPTS = 200


@dataclass(frozen=True)
class Output:
    """One config's output to a sample's prompt, with its facts and verdicts in words; `asked` is
    the prompt as the model was asked."""

    config: str
    facts: str
    text: str
    verdicts: tuple[str, ...]
    asked: str | None = None
    reasoning: str | None = None

    @property
    def heading(self) -> str:
        """The config and the facts."""
        return " · ".join(part for part in (self.config, self.facts) if part)


@dataclass(frozen=True)
class Sample:
    """One prompt with every config's output to it."""

    prompt_id: str
    category: str
    prompt: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Fidelity:
    """How far the configs are from 16 bit: `sentences` on what that is and where it was measured,
    the figures drawn, a row a config and reference, and a row a config on its flips."""

    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    rows: tuple[Mapping[str, str], ...]
    flips: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Content:
    """What a report says of a study.

    `answer` is its choice in a few words and `lines` what is said of it first, as on the Metrics
    page; `snippet` runs the config that it names, None where there is none. `warnings` are notes
    that no reader may miss. `whose` says whose claims the findings are, `untestable` are those
    that this study cannot test. `fidelity` is None where it was not measured.
    """

    summary: Summary
    decision: Decision
    answer: str
    lines: tuple[str, ...]
    snippet: Snippet | None
    switches: tuple[str, ...]
    whose: str
    findings: tuple[Finding, ...]
    untestable: tuple[Finding, ...]
    figures: tuple[Figure, ...]
    fidelity: Fidelity | None
    samples: tuple[Sample, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def read_content(db: Path, study: str, rule: Rule | None = None) -> Content:
    """Everything a report of a study says. Raises InputError for an unknown study."""
    rule = rule or Rule()
    evidence = read_evidence(db, study)
    summary = summary_of(read_study(db, study), evidence, rule)
    decision = decide(evidence, rule)
    few = summary.study.prompt_count <= MOST_PROMPTS
    drawn = _drawn(summary)
    rows = drawn.rows
    measured = summary.study.source == "measured"
    scores = read_scores(db, study, drawn.named) if few and measured else []
    # What compares all outputs with each other is left out of a study of millions.
    too_many = too_many_outputs(db, study)
    figures = [
        tradeoff_figure(rows),
        speed_figure(rows, evidence.outcomes),
        loss_figure(rows, evidence.outcomes),
        repetition_figure(rows),
        prompt_adherence_figure(rows),
        constraint_adherence_figure(rows),
    ]
    if scores:
        grid = prompt_figure(scores, rows)
        still = replace(grid, note=grid.note.removesuffix(" A click opens it."))
        figures += [category_figure(scores, rows), still]
    runs = read_runs(db, study)
    first = headline(summary.study, summary.rows, decision.sweet_spot, rule, decision.stability)
    shown, folded = testable([] if too_many else read_findings(db, study), runs)
    return Content(
        summary,
        decision,
        first.title,
        tuple(line.text for line in first.lines),
        _snippet(first.config, summary, runs),
        tuple(switch_sentences(decision.switches, rule)) if decision.sweet_spot.config else (),
        whose(runs),
        tuple(shown),
        tuple(folded),
        tuple(figures),
        None if too_many else _fidelity(db, study, rows),
        _samples(db, study, drawn.named),
        tuple(_facts(summary, runs)),
        tuple(filter(None, (find_loss(db, study), *asking_warnings(summary.rows)))),
        tuple(_notes(summary, drawn, too_many)),
    )


def _snippet(config: str | None, summary: Summary, runs: Sequence[RunRow]) -> Snippet | None:
    """Code that runs a config as the study did."""
    run = next((run for run in runs if run.config == config), None)
    return snippet_of(run, summary.study.protocol) if run is not None else None


def _fidelity(db: Path, study: str, configs: Sequence[ConfigMetrics]) -> Fidelity | None:
    """The study's fidelity, where it was measured."""
    results = read_fidelity_results(db, study)
    if not results.summaries:
        return None
    figures = [
        draw(results.of(reference), configs)
        for reference in results.references
        for draw in (kld_figure, distribution_figure, kld_by_category)
    ]
    return Fidelity(
        (WHAT, SOURCES, cost_words(results.summaries)),
        tuple(figure for figure in figures if figure.chart is not None),
        tuple(terminal_rows(results.summaries)),
        tuple(flip_records(results.flips, results.divergences)),
    )


def _drawn(summary: Summary) -> Shown:
    """The configs of which figures are drawn and samples shown: of many, the nearest to the
    choice."""
    if not offers(summary.rows):
        return show_all(summary.rows)
    return show_part(summary.rows, Wanted(), summary.sweet_spot)


def _samples(db: Path, study: str, configs: Sequence[str]) -> tuple[Sample, ...]:
    """The first prompt of each category that has outputs, of `configs` where some are named: by
    place in the suite, not by result."""
    samples: dict[str, Sample] = {}
    for prompt in read_prompts(db, study):
        if prompt.category in samples:
            continue
        outputs = tuple(
            Output(
                row.config,
                output_facts(row),
                row.text,
                tuple(
                    f"{verdict.status}: {explained(verdict, row.new_tokens)}"
                    for verdict in row.constraints
                ),
                row.rendered_prompt,
                row.reasoning,
            )
            for row in read_outputs(db, study, prompt.prompt_id, configs=configs)
            if row.text is not None
        )
        if outputs:
            samples[prompt.category] = Sample(
                prompt.prompt_id, prompt.category, prompt.text, outputs
            )
    return tuple(samples.values())


def _facts(summary: Summary, runs: Sequence[RunRow]) -> list[tuple[str, str]]:
    """Protocol and environment as recorded, (what, value)."""
    study = summary.study
    environment: Mapping[str, Any] = next((run.environment for run in runs if run.environment), {})
    machine = environment.get("machine") or {}
    packages = environment.get("packages") or {}
    protocol = formats.to_record(study)["protocol"]
    known = {
        "study": study.name,
        "source": study.source,
        "date": f"{study.created_at:%Y-%m-%d} UTC" if study.created_at else None,
        "suite": study.suite,
        "prompts": str(study.prompt_count),
        "suite hash": (study.suite_sha256 or "")[:12],
        **{name.replace("_", " "): str(value) for name, value in protocol.items()},
        **decoding_facts(environment, study.protocol),
        **agreed_facts(summary.rows),
        "hardware": study.hardware,
        "processor": machine.get("cpu"),
        "memory": formats.memory(machine["memory_bytes"]) if machine.get("memory_bytes") else None,
        "system": machine.get("system"),
        "driver": machine.get("driver"),
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items() if version),
        "Python": environment.get("python"),
        "code": (study.code_commit or "")[:12],
        "computed in": ", ".join(dict.fromkeys(run.dtype for run in runs if run.dtype)),
        "models": ", ".join(dict.fromkeys(map(_identity, runs))),
    }
    return [(name, str(value)) for name, value in known.items() if value]


def _identity(run: RunRow) -> str:
    """A run's checkpoint: where it is from, its revision, and its weights' hash."""
    known = [run.source]
    if run.revision:
        known.append(f"at {run.revision[:HASH_LENGTH]}")
    if run.weights_sha256:
        known.append(f"(SHA-256 {run.weights_sha256[:HASH_LENGTH]})")
    return " ".join(known)


def _notes(summary: Summary, drawn: Shown, too_many: str | None) -> list[str]:
    """What a reader has to know before any figure."""
    notes = [summary.study.note] if summary.study.note else []
    if not drawn.whole:
        notes.append(f"Figures and samples are of part of the configs. {drawn.sentence()}")
    if too_many:
        notes.append(f"Findings and fidelity are left out. {too_many}")
    notes += asking_notes(summary.rows)
    unfinished = [row.config for row in summary.rows if row.status != "complete"]
    if unfinished:
        notes.append(f"Not complete: {', '.join(unfinished)}.")
    notes.append(
        "Intervals are 95 % and over prompts: they say what other prompts of this kind would "
        "show, not another run, machine or day. Not resolved does not mean equal."
    )
    return notes
