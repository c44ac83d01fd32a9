"""What reading a study gives: one dataclass a kind of row, fields in the order of the JSON.

Times are UTC, durations seconds, sizes bytes; None is "not known". A field's name is its name in
the database, in JSON and in exports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vibecore.core.records import Kind, Protocol

# OpenAI's Whisper decodes again what compresses more than so many times (arXiv 2212.04356, 4.5;
# `transcribe.py`). Scorers before version 4 called a text of fewer words broken by it.
FEW_WORDS = 50
MOST_COMPRESSIBLE = 2.4
# Reasons to be broken of an output that says the same over and over.
LOOPING = ("repetitive", "loop", "one_thing")


@dataclass
class StudyRow:
    """A study, with how many of its runs ended in which way and what its protocol was, None for
    a published one."""

    study_id: int
    name: str
    source: str
    title: str
    hardware: str | None
    suite: str
    suite_sha256: str | None
    prompt_count: int
    protocol: Protocol | None
    code_commit: str | None
    created_at: datetime | None
    note: str | None
    checksum: str | None
    configs: int
    complete: int
    complete_configs: list[str]
    failed: int
    generations: int

    def to_record(self) -> dict[str, Any]:
        """The study as it is printed."""
        return {**vars(self), "protocol": self.protocol.to_record() if self.protocol else {}}


@dataclass(frozen=True)
class DeviceSpeed:
    """How fast a config was on one kind of hardware, the GPU's name or the processor's, over so
    many of its outputs: new tokens over total time, as in the metrics table."""

    device: str
    outputs: int
    tokens_per_second: float | None


@dataclass
class PromptRow:
    """A prompt of a study's suite as it was; `constraints` are mappings with `check` and its
    arguments."""

    prompt_id: str
    category: str
    text: str
    constraints: list[Mapping[str, Any]]
    position: int


@dataclass
class RunRow:
    """A config's run, with what its outputs took.

    `aggregates` are those that were asked for, by their names, None where a run has no output.
    `generations` and `scores` are how many outputs are stored and how many of them are scored.
    `total_seconds` counts each batch once. Fields that begin with `published_` are the figures of
    a report that has no outputs behind it, None for a measured study. `copy_bytes_per_second` is
    the memory bandwidth that a copy reached, where `bench` measured the run. `weights_sha256` is
    the identity of the weight files (catalog.identity); `stored_as` says how they were stored where
    that is not plain 16 bit (`gguf Q4_K_M`). `longest_prompt` is in tokens; `max_new_tokens`,
    `asked_device` and `sampled` are the study's protocol's.
    """

    run_id: int
    study_id: int
    position: int
    config: str
    model: str
    precision: str
    source: str
    weights: str
    revision: str | None
    estimated_weight_bytes: int | None
    status: str
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    load_seconds: float | None
    weight_bytes: int | None
    dtype: str | None
    environment: Mapping[str, Any]
    benched: bool
    generations: int | None
    new_tokens: int | None
    batch_size: int | None
    peak_memory_bytes: int | None
    scorer_version: int | None
    newest_scorer_version: int | None
    total_seconds: float | None
    published_prompts: int | None
    published_tokens_per_second: float | None
    published_repetitive: int | None
    published_empty: int | None
    published_adherent_prompts: int | None
    copy_bytes_per_second: float | None = None
    kind: Kind | None = None
    weights_sha256: str | None = None
    stored_as: str | None = None
    longest_prompt: int | None = None
    max_new_tokens: int | None = None
    asked_device: str | None = None
    sampled: bool | None = None
    hardware: str | None = None
    aggregates: Mapping[str, float | int | None] = field(default_factory=dict)
    # Empty where all of the study was made on one kind of hardware.
    device_speeds: tuple[DeviceSpeed, ...] = ()
    scores: int = 0

    def to_record(self) -> dict[str, Any]:
        """The run as it is printed, its aggregates among its other fields."""
        record = dict(vars(self))
        return record | record.pop("aggregates")


@dataclass(frozen=True)
class RunOutcomes:
    """What each output of one run came to: NumPy columns of the same length.

    `prompt` is its position in the suite; `broken` and `adherent` are 1, 0, or −1 where not known;
    `new_tokens` and `total_seconds` are NaN where not known, and None where they were not asked
    for. Prompts without an output have no row.
    """

    prompt: Any
    sample: Any
    broken: Any
    adherent: Any
    new_tokens: Any
    total_seconds: Any


@dataclass
class VerdictRow:
    """One constraint's verdict on an output: `status` is `pass`, `fail`, `error` or `skipped`;
    `status_loose` is None but for IFEval's instructions. `cut`: the token limit cut the answer off,
    and its rest could have had the other verdict; None where the scorer of the time did not say."""

    check: str
    arguments: Mapping[str, Any]
    status: str
    status_loose: str | None
    explanation: str
    cut: bool | None = None


@dataclass(kw_only=True)
class Scores:
    """What scoring.Score says of an output, but for the verdicts. All are None where quality was
    not scored, the later ones also where the scorer of the time did not know them, and a measure
    that does not apply to the text."""

    scorer_version: int | None
    words: int | None
    characters: int | None
    sentences: int | None
    lines: int | None
    empty: bool | None
    repetition_ratio: float | None
    repetitive: bool | None
    garbage: bool | None
    distinct_1: float | None
    distinct_2: float | None
    rep_4: float | None
    zlib_ratio: float | None
    loop_onset: int | None
    constraints_met: int | None
    constraints_total: int | None
    constraints_judged: int | None
    adherent: bool | None
    degenerate: bool | None
    degenerate_by: list[str] | None
    duplicates: Mapping[str, float] | None = None
    loop_period: int | None
    prompt_echo: float | None
    refusal: bool | None
    language_switch: int | None
    constraints_met_loose: int | None
    adherent_loose: bool | None
    broken_by: list[str] | None = None
    constraints_cut: int | None = None
    adherent_cut: bool | None = None


@dataclass(kw_only=True)
class JudgedRow:
    """What is stored of scoring one output: its scores, whether that means broken, and its
    verdicts."""

    scores: Scores
    broken: bool | None
    constraints: list[VerdictRow]


@dataclass(kw_only=True)
class ScoreRow(Scores):
    """The scores of one output, without its text and `duplicates`. `broken`: there is a reason in
    `broken_by`, or it is numerically broken."""

    constraints_met: int
    constraints_total: int
    constraints_judged: int
    config: str
    category: str
    position: int
    prompt_id: str
    sample: int
    new_tokens: int | None
    finish_reason: str | None
    broken: bool | None


@dataclass(kw_only=True)
class Output:
    """One output with its timings, and where it was made: a node, the GPU's name or the
    processor's, and the driver's version; None where that was not recorded."""

    config: str
    prompt_id: str
    sample: int
    text: str | None
    token_ids: list[int] | None
    prompt_tokens: int | None
    new_tokens: int | None
    finish_reason: str | None
    batch_index: int | None
    batch_size: int | None
    first_token_seconds: float | None
    total_seconds: float | None
    tokens_per_second: float | None
    decode_tokens_per_second: float | None
    peak_memory_bytes: int | None
    created_at: datetime | None
    rendered_prompt: str | None
    reasoning: str | None
    reasoning_tokens: int | None
    category: str
    node: str | None = None
    device: str | None = None
    driver: str | None = None


@dataclass(kw_only=True)
class OutputRow(Scores, Output):
    """One output with its timings, its scores and its verdicts, in this order in JSON; `broken` as
    in ScoreRow."""

    broken: bool | None = None
    constraints: list[VerdictRow] = field(default_factory=list)


# (prompt id, sample) -> output of one config
Outputs = Mapping[tuple[str, int], OutputRow]


@dataclass
class PromptResult:
    """How one config did on one prompt; scores are None where there is no output."""

    prompt_id: str
    category: str
    prompt: str
    config: str | None
    sample: int | None
    adherent: bool | None
    broken: bool | None
    repetitive: bool | None
    empty: bool | None
    constraints_met: int | None
    constraints_judged: int | None
    adherent_cut: bool | None = None


@dataclass
class PromptOutput(PromptResult):
    """The first output of one config on one prompt, as a grid shows it: `text` is its beginning,
    of `characters` in all; None where there is no output, or no text."""

    text: str | None = None
    characters: int | None = None
    finish_reason: str | None = None
    garbage: bool | None = None
    loop_onset: int | None = None
    words: int | None = None
    zlib_ratio: float | None = None
    broken_by: list[str] | None = None


@dataclass
class ProgressRow:
    """How far one config of a run has come: `done` of `total` outputs.

    `seconds_per_output` and `tokens_per_second` (of the last batches) are of decoding alone;
    `pace` is seconds an output by the clock, scoring and storing included.
    """

    config: str
    status: str
    error: str | None
    finished_at: datetime | None
    done: int
    total: int
    seconds_per_output: float | None
    tokens_per_second: float | None
    pace: float | None


@dataclass
class SpeedRow:
    """How fast one config of an earlier study was on this hardware."""

    study: str
    config: str
    load_seconds: float | None
    tokens_per_second: float
    engine: str | None
    batch_size: int | None


@dataclass(frozen=True)
class FidelitySpeedRow:
    """How long it took on this hardware to hold a config against its parent in one way, over one
    kind of reference: `seconds` of wall time for so many `positions`, prompts' tokens among them,
    and `load_seconds` of both models; None where that is not known."""

    study: str
    config: str
    against: str
    way: str
    reference: str
    positions: int
    seconds: float
    load_seconds: float | None


@dataclass
class TextRow:
    """What there is to score of one output: the answer's text, and the tokens of reasoning and
    answer."""

    prompt_id: str
    sample: int
    text: str
    token_ids: list[int] | None
    finish_reason: str | None
    reasoning_tokens: int | None
