"""Two studies compared config by config: the same suite on two machines or at two times.

Only what compares is compared: a config whose weights are the same in both; quality on the prompts
that both have, word for word, asked in the same way, under the same decoding and scorers; speed at
batch 1 and the same number of tokens; memory counted in the same way. What differs between the
studies is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.analysis.asked import model_asked
from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    REPETITION,
    Comparison,
    EvidenceRow,
    judge_all,
    memory_row,
    rate_row,
    speed_row,
)
from vibecore.analysis.claims.study_data import Pairs, StudyData
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core import formats
from vibecore.core.errors import InputError
from vibecore.core.rows import Outputs, PromptRow, RunRow, StudyRow

# What a protocol's fields are called in a sentence.
PROTOCOL_WORDS = {
    "max_new_tokens": "new tokens at most",
    "batch_size": "batch size",
    "engine": "engine",
    "device": "device",
    "decoding": "decoding",
    "weights": "weights",
    "chat": "chat template",
    "system": "system message",
    "thinking": "thinking",
}
# Fields that change an output, and so every measure of it; whether the weights are the same is
# asked of each config.
DECODING_FIELDS = ("max_new_tokens", "decoding")
# What attention was computed by on a GPU before runs recorded it.
EVERY_BACKEND = "torch's choice, cuDNN's included"
# Memory within this share is the same: allocators round.
SAME_MEMORY = 0.001


@dataclass(frozen=True)
class StudyComparison:
    """`second` against `first`. `differences` says what differs between them and `left_out` what
    is not compared for it; `rows` are one a config and measure, `compared` the config. "better"
    means that `second` is better."""

    first: StudyRow
    second: StudyRow
    differences: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: tuple[EvidenceRow, ...]


@dataclass(frozen=True)
class Side:
    """A study as the comparison sees it: metrics, runs and outputs by config (no outputs where only
    counts are known), prompts by id."""

    study: StudyRow
    rows: Mapping[str, ConfigMetrics]
    runs: Mapping[str, RunRow]
    prompts: Mapping[str, PromptRow]
    outputs: Mapping[str, Outputs]


class NothingShared(InputError):
    """No config is in both of two studies, which is no fault of either."""


def compare(before: Side, after: Side) -> StudyComparison:
    """Compare `after` with `before`. Raises NothingShared where no config is in both.

    A config that is another model in the second study has no rows; one that was asked otherwise
    there has none of quality.
    """
    both = [config for config in before.rows if config in after.rows]
    if not both:
        raise NothingShared(
            f"No config is in both studies. '{before.study.name}': {', '.join(before.rows)}; "
            f"'{after.study.name}': {', '.join(after.rows)}."
        )
    others = {config: _why_other_model(before, after, config) for config in both}
    shared = [config for config in both if not others[config]]
    common = {
        prompt
        for prompt, row in before.prompts.items()
        if prompt in after.prompts and _demands(row) == _demands(after.prompts[prompt])
    }
    no_quality, no_speed = _why_no_quality(before, after, common), _why_no_speed(before, after)
    asked = {} if no_quality else _asked_otherwise(before, after, shared)
    data, pairs = _merged(before, after, shared, common)
    alike = [pair for pair, config in zip(pairs, shared, strict=True) if config not in asked]
    rows: list[EvidenceRow | None] = []
    if not no_speed:
        speeds = [speed_row(data, new, old) for new, old in pairs]
        rows += [row and replace(row, method=f"{row.method}, one run each") for row in speeds]
    rows += [_memory_row(new, old) for new, old in pairs]
    if not no_quality:
        for measure in (REPETITION, ADHERENCE):
            rows += judge_all(data, [Comparison(new, old, measure) for new, old in alike])
        rows += [_identical_row(data, new, old) for new, old in alike]
    named = [
        replace(row, compared=config, label=config)
        for row in rows
        if row
        for config in [row.compared.partition(" · ")[0]]
    ]
    return StudyComparison(
        before.study,
        after.study,
        tuple(_differences(before, after, common)),
        (
            *filter(None, others.values()),
            *filter(None, (no_quality, no_speed)),
            *_said_together(asked, shared),
        ),
        tuple(sorted(named, key=lambda row: shared.index(row.compared))),
    )


def _why_other_model(before: Side, after: Side, config: str) -> str:
    """Why a config is not the same model in both studies, a sentence; empty where it is.

    The identity of the weight files decides; where one is not known, the source and its revision.
    Random weights have an architecture alone.
    """
    old, new = before.runs[config], after.runs[config]
    if old.weights == "dummy" or new.weights == "dummy":
        return ""
    if old.weights_sha256 and new.weights_sha256:
        if old.weights_sha256 == new.weights_sha256:
            return ""
        was, now = (f"{run.source} (weights {str(run.weights_sha256)[:12]})" for run in (old, new))
    elif old.source != new.source:
        was, now = old.source, new.source
    elif None not in (old.revision, new.revision) and old.revision != new.revision:
        was, now = (f"{run.source} at {str(run.revision)[:12]}" for run in (old, new))
    else:
        return ""
    return f"{config} is not compared, for it is not the same model: {was} then {now}."


def _asked_otherwise(before: Side, after: Side, shared: Sequence[str]) -> dict[str, str]:
    """Configs whose prompts were put to them in another way -> how then and now, in words."""
    found = {}
    for config in shared:
        was, now = (model_asked(side.runs[config]) for side in (before, after))
        if None in (was.asked, now.asked):
            continue
        ways = [(one.chat_template, one.system, one.thinking) for one in (was, now)]
        if ways[0] != ways[1]:
            found[config] = f"{was.asked} then {now.asked}"
            if None not in (was.system, now.system) and was.system != now.system:
                found[config] += f"; “{was.system}” then “{now.system}”"
    return found


def _said_together(asked: Mapping[str, str], shared: Sequence[str]) -> Iterator[str]:
    """Which configs' quality is not compared, a sentence a reason."""
    for reason in dict.fromkeys(asked.values()):
        configs = [config for config, found in asked.items() if found == reason]
        of = "" if len(configs) == len(shared) else f" of {', '.join(configs)}"
        yield f"Quality{of} is not compared: prompts were asked in another way ({reason})."


def _demands(prompt: PromptRow) -> tuple[str, str]:
    return prompt.text, formats.to_json(prompt.constraints)


def _differences(before: Side, after: Side, common: set[str]) -> list[str]:
    """What differs between two studies, a sentence each."""
    studies, packages = (before.study, after.study), (_packages(before), _packages(after))
    values = [
        *(
            (words, *(_protocol(study).get(field) for study in studies))
            for field, words in PROTOCOL_WORDS.items()
        ),
        ("hardware", *(study.hardware for study in studies)),
        ("code", *(study.code_commit for study in studies)),
        *((name, *(one.get(name) for one in packages)) for name in packages[0] | packages[1]),
    ]
    backends = [_attention_backends(side) for side in (before, after)]
    if None not in backends:
        values.append(("attention on the GPU", *backends))
    found = [f"{words}: {_said(was)} then {_said(now)}" for words, was, now in values if was != now]
    for label, side, other in (("first", before, after), ("second", after, before)):
        only = [config for config in side.rows if config not in other.rows]
        if only:
            found.append(f"only in the {label}: {', '.join(only)}")
    if len(common) < len(before.prompts) or len(common) < len(after.prompts):
        found.append(
            f"prompts: {len(before.prompts)} then {len(after.prompts)} stored, "
            f"{len(common)} the same word for word"
        )
    return sorted(found)


def _packages(side: Side) -> dict[str, str]:
    environments = (run.environment for run in side.runs.values() if run.environment)
    return next(environments, {}).get("packages") or {}


def _attention_backends(side: Side) -> str | None:
    """Which of attention's backends torch could choose from on a GPU, in words; None elsewhere."""
    environments = (run.environment for run in side.runs.values())
    on_gpu = next((one for one in environments if one.get("device") == "cuda"), None)
    if on_gpu is None:
        return None
    return ", ".join(on_gpu.get("attention_backends", ())) or EVERY_BACKEND


def _protocol(study: StudyRow) -> Mapping[str, Any]:
    """A study's protocol as it is printed; a published one says nothing."""
    return formats.to_record(study)["protocol"]


def _said(value: Any) -> str:
    return "not recorded" if value is None else str(value)


def _why_no_quality(before: Side, after: Side, common: set[str]) -> str:
    """Why quality is not compared, a sentence; empty where it is."""
    old, new = _protocol(before.study), _protocol(after.study)
    changed = [
        PROTOCOL_WORDS[field] for field in DECODING_FIELDS if old.get(field) != new.get(field)
    ]
    why = ""
    if not before.outputs or not after.outputs:
        why = "a study of counts alone does not say which prompts they are of."
    elif not common:
        why = "no prompt is in both studies."
    elif changed:
        why = f"{', '.join(changed)} differ."
    elif bool(old.get("execute_code")) != bool(new.get("execute_code")):
        why = (
            "the code in answers was run in one study, not in the other. "
            "python -m vibecore rescore --execute-code runs it."
        )
    elif "dummy" in (old.get("weights"), new.get("weights")):
        why = "random weights are not scored."
    elif len(_scorers(before) | _scorers(after)) > 1:
        why = (
            "the studies were scored by different versions of the scorers. "
            "python -m vibecore rescore brings both up to date."
        )
    return why and f"Quality is not compared: {why}"


def _why_no_speed(before: Side, after: Side) -> str:
    """Why speed is not compared, a sentence; empty where it is."""
    protocols = _protocol(before.study), _protocol(after.study)
    batches = [protocol.get("batch_size") for protocol in protocols]
    if None not in batches and batches != [1, 1]:
        return (
            f"Speed is not compared: batch size {batches[0]} and {batches[1]}, where only batch 1 "
            "has a speed a prompt."
        )
    lengths = [protocol.get("max_new_tokens") for protocol in protocols]
    if lengths[0] != lengths[1]:
        return (
            f"Speed is not compared: {_said(lengths[0])} and {_said(lengths[1])} new tokens at "
            "most, and a speed over a whole output depends on its length."
        )
    return ""


def _scorers(side: Side) -> set[int]:
    runs = side.runs.values()
    versions = {run.scorer_version for run in runs} | {run.newest_scorer_version for run in runs}
    return {version for version in versions if version is not None}


def _merged(
    before: Side, after: Side, shared: Sequence[str], common: set[str]
) -> tuple[StudyData, Pairs]:
    """Both studies as one, with configs renamed, and the pairs (second's, first's) to judge."""
    outcomes: dict[str, Outputs] = {}
    pairs: Pairs = []
    for config in shared:
        pair = []
        for side, when in ((after, "second"), (before, "first")):
            name = f"{config} · {when}"
            outputs = side.outputs.get(config, {})
            mine = {key: output for key, output in outputs.items() if key[0] in common}
            outcomes[name] = mine
            pair.append(_counted_again(replace(side.rows[config], config=name), mine))
        pairs.append((pair[0], pair[1]))
    data = StudyData(tuple(row for pair in pairs for row in pair), outcomes)
    return data, pairs


def _counted_again(row: ConfigMetrics, outputs: Outputs) -> ConfigMetrics:
    """A config with its counts over some outputs alone."""
    repetitive = [o.repetitive for o in outputs.values() if o.repetitive is not None]
    adherent = [o.adherent for o in outputs.values() if o.adherent is not None]
    return replace(
        row,
        repetitive=sum(repetitive) if repetitive else None,
        repetition_judged=len(repetitive),
        adherent_prompts=sum(adherent) if adherent else None,
        adherence_judged=len(adherent),
    )


def _memory_row(new: ConfigMetrics, old: ConfigMetrics) -> EvidenceRow | None:
    """Memory of the second over the first, None where it was not counted in the same way."""
    row = memory_row(new, old)
    if row is None or row.estimate is None:
        return None
    change = "less" if row.estimate < 1 else "more"
    return replace(
        row,
        verdict="same" if abs(row.estimate - 1) < SAME_MEMORY else change,
        method=f"{old.memory_basis}, counted",
    )


def _identical_row(data: StudyData, new: ConfigMetrics, old: ConfigMetrics) -> EvidenceRow | None:
    """Share of the common prompts on which both wrote the same tokens."""
    one, other = data.outcomes[new.config], data.outcomes[old.config]
    pairs = [(one[prompt].token_ids, other[prompt].token_ids) for prompt in one if prompt in other]
    same = [list(a) == list(b) for a, b in pairs if a and b]
    if not same:
        return None
    method = "token ids, Wilson"
    return rate_row(new.config, "identical outputs", sum(same), len(same), method)
