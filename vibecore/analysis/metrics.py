"""The metrics of a config, one row a metric: how it is summed up, which way is better, how it is
shown, and what it means.

The table drives the SQL (`AGGREGATES`), the summary, the Metrics page, the terminal, exports,
reports, the glossary and the metrics that the rule compares (`RULE_METRICS`). A new metric is one
row of METRICS and its field of ConfigMetrics, both here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vibecore.analysis.asked import ModelAsked
from vibecore.analysis.stats.clustered import Clusters, clustered_interval
from vibecore.analysis.stats.exact import wilson_interval
from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.gpus import find_gpu
from vibecore.catalog.memory import cache_bytes_per_token
from vibecore.catalog.models import MODELS
from vibecore.core import formats
from vibecore.core.records import Aggregate
from vibecore.core.rows import RunRow

BASELINE_PRECISION = "bf16"
PEAK_MEMORY = "peak allocated on the GPU"
UNKNOWN = "–"


@dataclass(frozen=True, kw_only=True)
class ConfigMetrics(ModelAsked):
    """One config's metrics, after what its model is and how it was asked: times in seconds, sizes
    in bytes, rates as fractions. What is not known is None; quality is None throughout where
    weights are dummy. `memory_bytes` is what was measured, or the weights alone; `need_bytes` what
    the device must have free to run it (see need.need_of). `parent` is the config of the same model
    at 16 bit, itself for that one; mean KLD is in nats. `bits_per_weight` are those of a weight of
    the quantised layers as loaded, `model_bits_per_weight` of all weights."""

    prompts: int
    tokens_per_second: float | None = None
    vs_bf16: float | None = None
    mean_new_tokens: float | None = None
    broken: int | None = None
    broken_judged: int | None = None
    broken_rate: float | None = None
    looping: int | None = None
    repetitive: int | None = None
    repetition_judged: int | None = None
    repetition_rate: float | None = None
    empty_judged: int | None = None
    degenerate: int | None = None
    degenerate_judged: int | None = None
    empty: int | None = None
    garbage: int | None = None
    no_answer: int | None = None
    non_finite: int | None = None
    adherent_prompts: int | None = None
    adherence_judged: int | None = None
    prompt_adherence: float | None = None
    constraint_adherence: float | None = None
    constraints_met: int | None = None
    constraints_judged: int | None = None
    constraints_interval: tuple[float, float] | None = None
    adherence_cut: int | None = None
    constraints_cut: int | None = None
    adherent_prompts_loose: int | None = None
    adherence_judged_loose: int | None = None
    constraints_met_loose: int | None = None
    constraints_judged_loose: int | None = None
    constraints_interval_loose: tuple[float, float] | None = None
    memory_bytes: int | None = None
    memory_source: str | None = None
    memory_basis: str | None = None
    need_bytes: int | None = None
    need_basis: str | None = None
    weight_bytes: int | None = None
    bits_per_weight: float | None = None
    model_bits_per_weight: float | None = None
    batch_size: int | None = None
    engine: str | None = None
    decoded_by: str | None = None
    dtype: str | None = None
    status: str = "complete"
    error: str | None = None
    ttft_seconds: float | None = None
    tpot_seconds: float | None = None
    tpot_p99_seconds: float | None = None
    mbu: float | None = None
    parent: str | None = None
    mean_kld: float | None = None
    mean_kld_interval: tuple[float, float] | None = None
    kld_outputs: int | None = None
    kld_floor: float | None = None
    same_top: float | None = None
    flips: int | None = None
    flips_judged: int | None = None
    flips_lost: int | None = None
    sweet_spot: bool = False

    @property
    def fit_bytes(self) -> int | None:
        """What is held against a memory cap: what the config needs by the memory model, or what it
        took where its architecture is not known."""
        return self.memory_bytes if self.need_bytes is None else self.need_bytes


# A config's run, and that of the same model at bf16 (None for that one itself) -> the value.
Summarise = Callable[[RunRow, RunRow | None], Any]


@dataclass(frozen=True)
class Metric:
    """One metric of a config.

    `name` is its field of ConfigMetrics, so its name in JSON and exports; `summarise` makes it of
    the run, with the `aggregates` it needs over the run's outputs. A count has `of`, the field
    that says of how many, made by `judged` unless another metric makes it, and may have `rate`,
    the field of its fraction. Its 95 % interval is Wilson's, or, where what is counted comes
    several to a prompt, the field `interval`, made by `clustered`. Of another figure it is the
    field `interval`, which takes more than aggregates; `show_range` writes it.

    `label` and `unit` head its column on a page, `heading` in tables of one header line. A column
    shows where any config knows the metric, or `always`; with no label it never does, and a `rare`
    one only where any config has one above zero. `show` writes the figure, `missing` what takes its
    place, `note` what is said beside it. `sentence` explains it, with the `source` of the
    definition.

    The decision calls it `judged_as`; whoever does best on it is said to have `best`. A metric
    with a `flag`, a column of an output's scores, is one that the rule compares by its rate. One
    that is `timed` is of the hardware too, and there is none over several kinds of it.
    """

    name: str
    label: str
    unit: str
    better: Literal["more", "less", ""]
    summarise: Summarise
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    of: str = ""
    judged: Summarise | None = None
    rate: str = ""
    interval: str = ""
    clustered: Callable[[RunRow], tuple[float, float] | None] | None = None
    heading: str = ""
    always: bool = False
    rare: bool = False
    show: Callable[[Any], str] = formats.number
    show_range: Callable[[float, float], str] = formats.percent_range
    missing: Callable[[ConfigMetrics], str] = lambda row: UNKNOWN
    note: Callable[[ConfigMetrics], str] = lambda row: ""
    sentence: str = ""
    source: str = ""
    judged_as: str = ""
    best: str = ""
    flag: str = ""
    timed: bool = False

    @property
    def called(self) -> str:
        """Its name where it stands without a unit."""
        return self.heading if self.rare and self.heading else self.label or self.heading

    def value(self, row: ConfigMetrics) -> float | int | None:
        """The figure; of a count, the count."""
        return getattr(row, self.name)

    def is_known(self, row: ConfigMetrics) -> bool:
        """Whether a config gives the metric a column."""
        value = self.value(row)
        return bool(value) if self.rare else value is not None

    def total(self, row: ConfigMetrics) -> int | None:
        """Of how many outputs, prompts or constraints a count is; None for any other figure."""
        return getattr(row, self.of) if self.of else None

    def interval_of(self, row: ConfigMetrics) -> tuple[float, float] | None:
        """The 95 % interval, of a count's rate as fractions; None where there is none."""
        if self.interval:
            return getattr(row, self.interval)
        if not self.of:
            return None
        count, total = self.value(row), self.total(row)
        return None if count is None or not total else wilson_interval(int(count), total)

    def text(self, row: ConfigMetrics) -> str:
        """The figure as a person reads it, or what `missing` says where it is not known."""
        if self.of:
            return formats.count_and_rate(getattr(row, self.name), self.total(row))
        value = self.value(row)
        return self.missing(row) if value is None else self.show(value)

    def fields(self, run: RunRow, baseline: RunRow | None) -> dict[str, Any]:
        """Its fields of ConfigMetrics, from a config's run and its model's at bf16."""
        value = self.summarise(run, baseline)
        found = {self.name: value}
        if self.judged is not None:
            found[self.of] = self.judged(run, baseline)
        if self.rate:
            found[self.rate] = share(value, found[self.of])
        if self.clustered is not None:
            found[self.interval] = self.clustered(run)
        return found


def share(part: float | None, whole: float | None) -> float | None:
    """A fraction; None where either is not known or the whole is nothing."""
    return None if part is None or not whole else part / whole


def known_metrics(rows: Sequence[ConfigMetrics]) -> list[Metric]:
    """The metrics that have a column in a table of these configs."""
    return [
        metric
        for metric in METRICS
        if metric.label and (metric.always or any(metric.is_known(row) for row in rows))
    ]


def _measured(name: str) -> Summarise:
    """An aggregate over all outputs of a study; None for published figures, whose few samples
    are not the study."""
    return lambda run, _: None if _is_published(run) else run.aggregates.get(name)


def _some(name: str, judged: str) -> Summarise:
    """An aggregate over all outputs of a study (see _measured), None where nothing was judged."""
    measured = _measured(name)
    return lambda run, _: measured(run, None) if run.aggregates.get(judged) else None


def _either(name: str, published: str, judged: str | None = None) -> Summarise:
    """The published figure where the study is a report, else the aggregate; None where nothing was
    `judged`."""
    measured = _measured(name) if judged is None else _some(name, judged)
    return lambda run, _: getattr(run, published) if _is_published(run) else measured(run, None)


def _alone(name: str) -> Summarise:
    """An aggregate of outputs decoded one at a time: a batch has no latency of one request."""
    return lambda run, _: run.aggregates.get(name) if _batch_size(run) == 1 else None


def _by_prompt(loose: str = "") -> dict[str, Aggregate]:
    """The aggregates of Clusters, besides the constraints met and judged."""
    return {
        f"prompt_judged{loose}": Aggregate("count_true", f"prompt_judged{loose}"),
        **{
            f"{name}{loose}": Aggregate("sum", f"{name}{loose}")
            for name in ("prompt_met_squared", "prompt_met_times_judged", "prompt_judged_squared")
        },
    }


def _clustered(loose: str = "") -> Callable[[RunRow], tuple[float, float] | None]:
    """The interval of the constraints met, over prompts; None where no prompts are known."""
    names = (
        "prompt_judged",
        "constraints_met",
        "constraints_judged",
        "prompt_met_squared",
        "prompt_met_times_judged",
        "prompt_judged_squared",
    )

    def interval(run: RunRow) -> tuple[float, float] | None:
        sums = [run.aggregates.get(f"{name}{loose}") for name in names]
        known = [int(one) for one in sums if one is not None]
        if _is_published(run) or len(known) < len(sums):
            return None
        return clustered_interval(Clusters(*known))

    return interval


def _is_published(run: RunRow) -> bool:
    return run.published_prompts is not None


def _batch_size(run: RunRow) -> int:
    return run.batch_size or 1


def _speed(run: RunRow, _: RunRow | None = None) -> float | None:
    if run.published_tokens_per_second is not None:
        return run.published_tokens_per_second
    return share(run.new_tokens, run.total_seconds)


def _versus(run: RunRow, baseline: RunRow | None) -> float | None:
    own, base = _speed(run), baseline and _speed(baseline)
    return own / base - 1 if own and base else None


def _broken(run: RunRow, _: RunRow | None) -> int | None:
    """Empty and repetitive outputs of a report are never the same ones."""
    if _is_published(run):
        return _both(run.published_repetitive, run.published_empty)
    return _both(run.aggregates.get("broken_scored"), run.aggregates.get("non_finite"))


def _broken_judged(run: RunRow, _: RunRow | None) -> int | None:
    """How many outputs have a verdict; one that is numerically broken has it without a score."""
    if _is_published(run):
        return run.published_prompts
    return _both(run.aggregates.get("scored"), run.aggregates.get("non_finite"))


def _both(one: float | None, other: float | None) -> int | None:
    """The sum of two counts; None where either is not known."""
    return None if one is None or other is None else int(one + other)


def memory_of(run: RunRow) -> tuple[int | None, str | None, str | None]:
    """(bytes, source, what they are).

    On a GPU the peak the allocator reached; on a CPU the weights as loaded, because a process's
    resident memory includes Python's own.
    """
    if run.environment.get("device") == "cuda" and run.peak_memory_bytes:
        return run.peak_memory_bytes, "measured", PEAK_MEMORY
    if run.weight_bytes:
        return run.weight_bytes, "measured", "weights as loaded"
    if run.estimated_weight_bytes:
        return run.estimated_weight_bytes, "estimated", "weights from the architecture"
    return None, None, None


def _mbu(run: RunRow, _: RunRow | None) -> float | None:
    """Model bandwidth utilisation: bytes read a token, over TPOT, over the peak bandwidth.

    Bytes are the weights as loaded and the mean KV cache (half of the new tokens, where the
    prompt's length and the model's shape are known). The peak is what a copy reached on the same
    GPU where `bench` measured it, else the data sheet's.
    """
    tpot = _alone("tpot")(run, None)
    gpu = find_gpu((run.environment.get("gpu") or {}).get("name") or "")
    peak = run.copy_bytes_per_second or (gpu and gpu.bandwidth * 1e9)
    if run.environment.get("device") != "cuda" or not (tpot and peak and run.weight_bytes):
        return None
    return (run.weight_bytes + _mean_cache_bytes(run)) / tpot / peak


def _mean_cache_bytes(run: RunRow) -> float:
    model = MODELS.get(run.model)
    prompt, new = run.aggregates.get("prompt_tokens"), run.aggregates.get("new_tokens")
    if model is None or model.spec is None or prompt is None or new is None:
        return 0.0
    return cache_bytes_per_token(model.spec) * (prompt + new / 2)


def _speed_note(row: ConfigMetrics) -> str:
    notes = [f"batch {row.batch_size}"] if (row.batch_size or 1) > 1 else []
    # What is run as it is has its own engine, whichever its study names.
    if row.decoded_by != row.engine or row.decoded_by == LLAMA_CPP:
        notes.append(f"by engine {row.decoded_by}")
    return ", ".join(notes)


def _tail_note(row: ConfigMetrics) -> str:
    return "" if row.tpot_p99_seconds is None else f"p99 {formats.latency(row.tpot_p99_seconds)}"


def _cut_note(name: str) -> Callable[[ConfigMetrics], str]:
    """How many of the verdicts beside which it stands only the token limit decided."""

    def note(row: ConfigMetrics) -> str:
        count = getattr(row, name)
        return f"{count:,} decided by the token limit" if count else ""

    return note


def _memory_note(row: ConfigMetrics) -> str:
    notes = ["estimated"] if row.memory_source == "estimated" else []
    if row.need_bytes is not None:
        notes.append(f"needs {formats.memory(row.need_bytes)}")
    return ", ".join(notes)


def _bits(part: str) -> Summarise:
    """Bits per weight as loaded, of one of BitsPerWeight's parts; None where no worker measured."""
    return lambda run, _: (run.environment.get("bits_per_weight") or {}).get(part)


def _show_bits(bits: float) -> str:
    return formats.number(bits, 2)


def _bits_note(row: ConfigMetrics) -> str:
    bits = row.model_bits_per_weight
    return "" if bits is None else f"model {_show_bits(bits)}"


def _kld_note(row: ConfigMetrics) -> str:
    """Against what it is not measured; else the noise floor, and along how many of the parent's
    outputs the figure is where that is not all of them."""
    if row.parent in (None, row.config):
        return ""
    # The parent is the same model: its precision says which it is.
    parent = row.parent.removeprefix(f"{row.model}-")
    if row.mean_kld is None:
        return f"not measured against {parent}"
    notes = []
    if row.kld_floor is not None:
        notes.append(f"noise floor {formats.divergence(row.kld_floor)}")
    if row.kld_outputs and row.kld_outputs < row.prompts:
        notes.append(f"along {formats.counted(row.kld_outputs, 'output')} of {parent} so far")
    return ", ".join(notes)


def _flips(run: RunRow, _: RunRow | None) -> int | None:
    if not run.aggregates.get("flips_judged"):
        return None
    return _both(run.aggregates.get("flips_lost"), run.aggregates.get("flips_gained"))


def _flips_note(row: ConfigMetrics) -> str:
    if not row.flips:
        return ""
    lost = row.flips_lost or 0
    return f"{lost} lost, {row.flips - lost} gained"


METRICS: tuple[Metric, ...] = (
    Metric(
        "tokens_per_second",
        "speed",
        "tok/s",
        "more",
        _speed,
        heading="tok/s",
        always=True,
        note=_speed_note,
        sentence="New tokens ÷ the time of the whole output, prompt included; of a batch, the "
        "tokens of all its outputs ÷ its time: a throughput.",
        source="As in most benchmarks of whole outputs. The published study does not say how it "
        "measured its speeds.",
        judged_as="speed",
        best="the fastest",
        timed=True,
    ),
    Metric(
        "vs_bf16",
        "vs bf16",
        "same model",
        "more",
        _versus,
        always=True,
        show=lambda share: formats.percent(share, signed=True),
        missing=lambda row: "baseline" if row.precision == BASELINE_PRECISION else UNKNOWN,
        sentence="The speed ÷ that of the same model at bf16, minus one.",
        source="The published study's comparison.",
        timed=True,
    ),
    Metric(
        "mean_new_tokens",
        "new tokens",
        "mean",
        "",
        _measured("new_tokens"),
        {"new_tokens": Aggregate("mean", "new_tokens")},
        always=True,
        show=lambda tokens: formats.number(tokens, 0),
        sentence="Mean length of an output, its reasoning and end token included.",
    ),
    Metric(
        "ttft_seconds",
        "TTFT",
        "mean",
        "less",
        _alone("ttft"),
        {"ttft": Aggregate("mean", "first_token_seconds")},
        show=formats.latency,
        sentence="Time to first token: from sending the prompt to its first new token, so mostly "
        "the reading of the prompt (prefill). Mean over outputs, at batch size 1.",
        source="As in vLLM's and NVIDIA's benchmarks.",
        timed=True,
    ),
    Metric(
        "tpot_seconds",
        "TPOT",
        "mean",
        "less",
        _alone("tpot"),
        {
            "tpot": Aggregate("mean", "tpot_seconds"),
            "prompt_tokens": Aggregate("mean", "prompt_tokens"),
        },
        show=formats.latency,
        note=_tail_note,
        sentence="Time per output token: the time after the first token ÷ the further tokens. "
        "Mean over outputs, at batch size 1.",
        source="As in vLLM's benchmarks.",
        timed=True,
    ),
    Metric(
        "tpot_p99_seconds",
        "",
        "",
        "less",
        _alone("tpot_p99"),
        {"tpot_p99": Aggregate("quantile", "tpot_seconds", quantile=0.99)},
        show=formats.latency,
        timed=True,
    ),
    Metric(
        "mbu",
        "MBU",
        "of peak",
        "more",
        _mbu,
        {"prompt_tokens": Aggregate("mean", "prompt_tokens")},
        show=formats.percent,
        sentence="Model bandwidth utilisation: (bytes of the weights as loaded + mean KV cache) ÷ "
        "TPOT ÷ the GPU's peak memory bandwidth. Decoding one sequence reads every weight for each "
        "token, so 100 % is the most that a GPU can do. The peak is the data sheet's; in a bench, "
        "what a copy reached. On a GPU at batch size 1 only.",
        source="Databricks 2023, LLM inference performance engineering.",
        timed=True,
    ),
    Metric(
        "broken",
        "broken",
        "fewer is better",
        "less",
        _broken,
        {
            "broken_scored": Aggregate("count_true", "broken"),
            "scored": Aggregate("count", "empty"),
            "non_finite": Aggregate("count_true", "non_finite"),
        },
        of="broken_judged",
        judged=_broken_judged,
        rate="broken_rate",
        heading="broken outputs",
        always=True,
        sentence="Outputs of no use to anybody: empty, repetitive, ending in a loop of tokens or "
        "of characters, saying one thing over (two of three runs of eight characters, or of four "
        "ideographs, came before), not made of words, or numerically broken. Repetitive ones of "
        "fewer than 8 words, and grids whose characters do not repeat, are not counted. Each "
        "counts once.",
        source="Ours, from the measures named.",
        judged_as="broken outputs",
        best="the lowest rate",
        flag="broken",
    ),
    Metric(
        "looping",
        "",
        "",
        "less",
        _either("looping", "published_repetitive"),
        {"looping": Aggregate("count_true", "looping")},
        of="broken_judged",
        heading="looping",
        sentence="Broken as repetitive, as ending in a loop or as saying one thing over.",
        source="Ours.",
    ),
    Metric(
        "repetitive",
        "repetitive",
        "fewer is better",
        "less",
        _either("repetitive", "published_repetitive", judged="repetition_scored"),
        {
            "repetitive": Aggregate("count_true", "repetitive"),
            "repetition_scored": Aggregate("count", "repetitive"),
        },
        of="repetition_judged",
        judged=_either("repetition_scored", "published_prompts", judged="repetition_scored"),
        rate="repetition_rate",
        always=True,
        sentence="1 − distinct word pairs ÷ all word pairs, words as split at white space. An "
        "output of 0.50 or more is repetitive. It is not measured where white space does not part "
        "words, as in Chinese, Thai or one endless word: those outputs are not counted here, and "
        "broken says whether they loop.",
        source="The published study's measure; it gives its 0.73 and 0.17 on the two samples. The "
        "cut is ours, because the report does not state one.",
    ),
    Metric(
        "degenerate",
        "degenerate",
        "of prose long enough",
        "less",
        _some("degenerate", "degenerate_judged"),
        {
            "degenerate": Aggregate("count_true", "degenerate"),
            "degenerate_judged": Aggregate("count", "degenerate"),
        },
        of="degenerate_judged",
        judged=_some("degenerate_judged", "degenerate_judged"),
        sentence="Read on prose alone, without code, mathematics and tables: from 50 words on, "
        "any duplicate share over its cut (lines 30 %, their characters 20 %, runs 20 % down to "
        "10 %); from as much text on, also a zlib ratio above 2.4, all characters coded alike. "
        "Not judged where there is less prose. Another flag than repetitive, which is the "
        "published study's alone.",
        source="The cuts of Gopher's table A1 and of Whisper, as published.",
    ),
    Metric(
        "empty",
        "empty",
        "fewer is better",
        "less",
        _either("empty", "published_empty"),
        {"empty": Aggregate("count_true", "empty"), "scored": Aggregate("count", "empty")},
        of="empty_judged",
        judged=_either("scored", "published_prompts"),
        always=True,
        sentence="No visible character.",
        source="Ours.",
    ),
    Metric(
        "no_answer",
        "no answer",
        "ended in thinking",
        "less",
        _measured("no_answer"),
        {"no_answer": Aggregate("count_true", "no_answer")},
        of="prompts",
        rare=True,
        sentence="The token budget ended before a thinking model's reasoning did, so no answer "
        "came. It is scored as an empty answer: these are among the empty ones, and their "
        "constraints fail.",
        source="Ours.",
    ),
    Metric(
        "non_finite",
        "non-finite",
        "numerically broken",
        "less",
        _measured("non_finite"),
        {"non_finite": Aggregate("count_true", "non_finite")},
        of="prompts",
        heading="numerically broken",
        rare=True,
        sentence="The logits held NaN or infinity, so no next token could be chosen and the output "
        "ends there. It is shown and counted here alone, never scored as an answer: the other "
        "counts are over the rest.",
        source="Ours.",
    ),
    Metric(
        "garbage",
        "",
        "",
        "less",
        _measured("garbage"),
        {"garbage": Aggregate("count_true", "garbage")},
        heading="not made of words",
        sentence="Prose of 50 words or more, without code, mathematics and tables, in which under "
        "80 % of words have a letter, or the mean word length is outside 3–10, or there is a "
        "replacement character.",
        source="Quality filters of Gopher (arXiv 2112.11446, table A1).",
    ),
    Metric(
        "adherent_prompts",
        "adherent",
        "all of a prompt",
        "more",
        _either("adherent_prompts", "published_adherent_prompts"),
        {
            "adherent_prompts": Aggregate("count_true", "adherent"),
            "adherence_judged": Aggregate("count", "adherent"),
        },
        of="adherence_judged",
        judged=_either("adherence_judged", "published_prompts"),
        rate="prompt_adherence",
        heading="adherent prompts",
        always=True,
        note=_cut_note("adherence_cut"),
        sentence="Every constraint of the prompt is met. A check that fails to run is neither met "
        "nor not met.",
        source="As IFEval's strict prompt-level accuracy (arXiv 2311.07911).",
        judged_as="adherence",
        best="the highest rate",
        flag="adherent",
    ),
    Metric(
        "constraints_met",
        "constraints",
        "met of all",
        "more",
        _measured("constraints_met"),
        {
            "constraints_met": Aggregate("sum", "constraints_met"),
            "constraints_judged": Aggregate("sum", "constraints_judged"),
            **_by_prompt(),
        },
        of="constraints_judged",
        judged=_measured("constraints_judged"),
        rate="constraint_adherence",
        interval="constraints_interval",
        clustered=_clustered(),
        heading="constraints met",
        always=True,
        note=_cut_note("constraints_cut"),
        sentence="Constraints met ÷ constraints judged, over all prompts. The interval takes a "
        "prompt's constraints together, because they fail together.",
        source="As IFEval's strict instruction-level accuracy.",
    ),
    Metric(
        "adherence_cut",
        "",
        "",
        "",
        _some("adherence_cut", "adherence_cut_known"),
        {
            "adherence_cut": Aggregate("count_true", "adherent_cut"),
            "adherence_cut_known": Aggregate("count", "adherent_cut"),
        },
        of="adherence_judged",
        heading="adherence decided by the token limit",
        sentence="Prompts whose answer was cut off at the token limit, where the rest could have "
        "had the other outcome: not adherent, and every constraint that fails could still have "
        "been met; or adherent, and one that is met could still have been missed. They count as "
        "what they are so far. Where an output loops, the limit decides nothing.",
        source="Ours.",
    ),
    Metric(
        "constraints_cut",
        "",
        "",
        "",
        _some("constraints_cut", "adherence_cut_known"),
        {
            "constraints_cut": Aggregate("sum", "constraints_cut"),
            "adherence_cut_known": Aggregate("count", "adherent_cut"),
        },
        of="constraints_judged",
        heading="constraints decided by the token limit",
        sentence="As the line before, of single constraints: one that fails for want of something "
        "that was still to come, or is met by a total, or an end, that more text would change.",
        source="Ours.",
    ),
    Metric(
        "adherent_prompts_loose",
        "adherent, loose",
        "all of a prompt",
        "more",
        _some("adherent_prompts_loose", "adherence_judged_loose"),
        {
            "adherent_prompts_loose": Aggregate("count_true", "adherent_loose"),
            "adherence_judged_loose": Aggregate("count", "adherent_loose"),
        },
        of="adherence_judged_loose",
        judged=_some("adherence_judged_loose", "adherence_judged_loose"),
        sentence="As adherent, with IFEval's instructions in their loose reading: an output also "
        "passes without its first or last line, or without asterisks.",
        source="IFEval's loose prompt-level accuracy.",
    ),
    Metric(
        "constraints_met_loose",
        "constraints, loose",
        "met of all",
        "more",
        _some("constraints_met_loose", "adherence_judged_loose"),
        {
            "constraints_met_loose": Aggregate("sum", "constraints_met_loose"),
            "constraints_judged_loose": Aggregate(
                "sum", "constraints_judged", where="constraints_met_loose"
            ),
            **_by_prompt("_loose"),
        },
        of="constraints_judged_loose",
        judged=_some("constraints_judged_loose", "adherence_judged_loose"),
        interval="constraints_interval_loose",
        clustered=_clustered("_loose"),
        heading="met, loose",
        sentence="As constraints met, in the loose reading.",
        source="IFEval's loose instruction-level accuracy.",
    ),
    Metric(
        "memory_bytes",
        "memory",
        "",
        "less",
        lambda run, _: memory_of(run)[0],
        always=True,
        show=formats.memory,
        note=_memory_note,
        sentence="On a GPU the most that was allocated (peak); on a CPU the weights as loaded. "
        "Where nothing was measured, the weights alone, estimated from the architecture, marked as "
        "estimated. What a config needs is what its device must have free: weights, KV cache, "
        "activations and runtime, by the memory model.",
        judged_as="memory",
        best="the least",
    ),
    Metric(
        "bits_per_weight",
        "bits",
        "per weight",
        "",
        _bits("layers"),
        show=_show_bits,
        note=_bits_note,
        heading="bits per weight",
        sentence="Bits of a weight of the quantised layers as loaded: their bytes, scales and zero "
        "points included and biases not, ÷ their weights; at 16 bit, of all linear layers but the "
        "head. Over the model, the bytes of all weights ÷ their number: what a precision leaves in "
        "16 bit counts there.",
        source="Ours, measured on the loaded model; docs/configs.md has each format's definition.",
    ),
    Metric(
        "model_bits_per_weight",
        "",
        "",
        "less",
        _bits("model"),
        show=_show_bits,
    ),
    Metric(
        "mean_kld",
        "mean KLD",
        "nats",
        "less",
        lambda run, _: share(run.aggregates.get("kld"), run.aggregates.get("kld_tokens")),
        {
            "kld": Aggregate("sum", "fidelity_kld"),
            "kld_tokens": Aggregate("sum", "fidelity_tokens"),
        },
        interval="mean_kld_interval",
        show=formats.divergence,
        show_range=formats.divergence_range,
        missing=lambda row: "parent" if row.parent == row.config else UNKNOWN,
        note=_kld_note,
        sentence="How far a precision moves a model from itself at 16 bit: the mean, over the "
        "tokens of its 16-bit outputs, of the Kullback-Leibler divergence of the next-token "
        "distributions, KL(16 bit ‖ config), in nats; its 95 % interval is over prompts. The noise "
        "floor is the 16-bit config against itself, computed in another way. It says how much a "
        "model changed, not how good it is.",
        source="llama.cpp's llama-perplexity --kl-divergence: its Mean KLD, on running text.",
    ),
    Metric(
        "kld_outputs",
        "",
        "",
        "",
        lambda run, _: run.aggregates.get("kld_outputs"),
        {"kld_outputs": Aggregate("count", "fidelity_outputs")},
    ),
    Metric(
        "same_top",
        "same top",
        "of tokens",
        "more",
        lambda run, _: share(run.aggregates.get("same_top"), run.aggregates.get("kld_tokens")),
        {"same_top": Aggregate("sum", "fidelity_same")},
        show=lambda share: f"{100 * share:.1f} %",
        missing=lambda row: "parent" if row.parent == row.config else UNKNOWN,
        sentence="The share of the tokens of the 16-bit outputs at which the config's most likely "
        "next token is that of 16 bit.",
        source="llama.cpp's llama-perplexity --kl-divergence: its Same top p.",
    ),
    Metric(
        "flips",
        "flips",
        "from 16 bit",
        "less",
        _flips,
        {
            "flips_lost": Aggregate("count_true", "flip_lost"),
            "flips_gained": Aggregate("count_true", "flip_gained"),
            "flips_judged": Aggregate("count_true", "flip_judged"),
        },
        of="flips_judged",
        judged=lambda run, _: run.aggregates.get("flips_judged") or None,
        heading="flips",
        note=_flips_note,
        sentence="Prompts that are adherent at 16 bit and not here, or the other way: two configs "
        "with the same rate can differ on many.",
        source="Dutta et al. 2024 (arXiv 2407.09141).",
    ),
    Metric(
        "flips_lost",
        "",
        "",
        "less",
        lambda run, _: run.aggregates.get("flips_lost"),
    ),
)

# What the rule compares by rate, and all that a decision judges, by the decision's names.
RULE_METRICS = {metric.judged_as: metric for metric in METRICS if metric.flag}
JUDGED_METRICS = {
    metric.judged_as: metric
    for metric in sorted(METRICS, key=lambda metric: not metric.flag)
    if metric.judged_as
}
# What store.read_configs sums up over a run's outputs.
AGGREGATES = {name: one for metric in METRICS for name, one in metric.aggregates.items()}
