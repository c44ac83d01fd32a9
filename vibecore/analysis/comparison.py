"""Two studies held against each other, config by config: the same suite on two machines or at
two times.

Only what compares is compared: quality on the prompts that both have, word for word, under the
same decoding and scorers; speed at batch 1 and the same number of tokens; memory counted in the
same way. What differs is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore.analysis import wilson_interval
from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    REPETITION,
    Comparison,
    evidence_row,
    judge_all,
    speed_row,
)
from vibecore.analysis.claims.study_data import StudyData
from vibecore.core import formats
from vibecore.core.errors import InputError

Row = Mapping[str, Any]

# What a protocol's fields are called in a sentence.
PROTOCOL_WORDS = {
    "max_new_tokens": "new tokens at most",
    "batch_size": "batch size",
    "engine": "engine",
    "device": "device",
    "decoding": "decoding",
    "weights": "weights",
}
# Fields that change an output, and so every measure of it.
DECODING_FIELDS = ("max_new_tokens", "decoding", "weights")
# Memory within this share is the same: allocators round.
SAME_MEMORY = 0.001


@dataclass(frozen=True)
class StudyComparison:
    """`second` against `first`. `differences` says what differs between them and `left_out` what
    is not compared for it; `rows` are evidence rows (findings.evidence), one a config and
    measure, `compared` the config; "better" means that `second` is better."""

    first: Row
    second: Row
    differences: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Side:
    """A study as the comparison sees it: rows, runs and prompts by id, outputs by config and id."""

    study: Row
    rows: dict[str, Row]
    runs: dict[str, Row]
    prompts: dict[str, Row]
    outputs: dict[str, dict[str, Row]]


def compare(before: Side, after: Side) -> StudyComparison:
    """Compare `after` with `before`. Raises InputError where no config is in both."""
    first, second = before.study["name"], after.study["name"]
    shared = [config for config in before.rows if config in after.rows]
    if not shared:
        raise InputError(
            f"No config is in both studies. '{first}': {', '.join(before.rows)}; "
            f"'{second}': {', '.join(after.rows)}."
        )
    common = {
        prompt
        for prompt, row in before.prompts.items()
        if prompt in after.prompts and _demands(row) == _demands(after.prompts[prompt])
    }
    differences = _differences(before, after, common)
    left_out = _left_out(before, after, common)
    data, pairs = _merged(before, after, shared, common)
    rows: list[Row] = []
    if "speed" not in left_out:
        speeds = [row for a, b in pairs if (row := speed_row(data, b, a))]
        rows += [{**row, "method": f"{row['method']}, one run each"} for row in speeds]
    rows += [row for a, b in pairs if (row := _memory_row(a, b))]
    if "quality" not in left_out:
        for measure in (REPETITION, ADHERENCE):
            rows += judge_all(data, [Comparison(b, a, measure) for a, b in pairs])
        rows += [row for a, b in pairs if (row := _identical_row(data, a, b))]
    in_order = sorted(rows, key=lambda row: shared.index(_config_of(row)))
    return StudyComparison(
        before.study,
        after.study,
        tuple(differences),
        tuple(left_out.values()),
        tuple({**row, "compared": _config_of(row), "label": _config_of(row)} for row in in_order),
    )


def _demands(prompt: Row) -> tuple[str, str]:
    return prompt["text"], formats.to_json(prompt["constraints"])


def _differences(before: Side, after: Side, common: set[str]) -> list[str]:
    """What differs between two studies, a sentence each."""
    found = []
    old, new = before.study["protocol"], after.study["protocol"]
    for field, words in PROTOCOL_WORDS.items():
        if old.get(field) != new.get(field):
            found.append(f"{words}: {_said(old.get(field))} then {_said(new.get(field))}")
    for words, key in (("hardware", "hardware"), ("code", "code_commit")):
        if before.study[key] != after.study[key]:
            found.append(f"{words}: {_said(before.study[key])} then {_said(after.study[key])}")
    for package in _packages(before).keys() | _packages(after).keys():
        versions = _packages(before).get(package), _packages(after).get(package)
        if versions[0] != versions[1]:
            found.append(f"{package}: {_said(versions[0])} then {_said(versions[1])}")
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


def _packages(side: Side) -> Row:
    environments = (run["environment"] for run in side.runs.values() if run["environment"])
    return next(environments, {}).get("packages") or {}


def _said(value: Any) -> str:
    return "not recorded" if value is None else str(value)


def _left_out(before: Side, after: Side, common: set[str]) -> dict[str, str]:
    """What cannot be compared, with its reason; keys `quality` and `speed`."""
    old, new = before.study["protocol"], after.study["protocol"]
    reasons: dict[str, str] = {}
    changed = [
        PROTOCOL_WORDS[field] for field in DECODING_FIELDS if old.get(field) != new.get(field)
    ]
    if not before.outputs or not after.outputs:
        reasons["quality"] = (
            "Quality is not compared: a study of counts alone does not tell on which prompts they "
            "stand."
        )
    elif not common:
        reasons["quality"] = "Quality is not compared: no prompt is in both studies."
    elif changed:
        reasons["quality"] = f"Quality is not compared: {', '.join(changed)} differ."
    elif bool(old.get("execute_code")) != bool(new.get("execute_code")):
        reasons["quality"] = (
            "Quality is not compared: the code in answers was run in one study, not in the other. "
            "python -m vibecore rescore --execute-code runs it."
        )
    elif "dummy" in (old.get("weights"), new.get("weights")):
        reasons["quality"] = "Quality is not compared: random weights are not scored."
    elif len(_scorers(before) | _scorers(after)) > 1:
        reasons["quality"] = (
            "Quality is not compared: the studies were scored by different versions of the "
            "scorers. python -m vibecore rescore brings both up to date."
        )
    lengths = [study.get("max_new_tokens") for study in (old, new)]
    batches = [study.get("batch_size") for study in (old, new)]
    if None not in batches and batches != [1, 1]:
        reasons["speed"] = (
            f"Speed is not compared: batch size {batches[0]} and {batches[1]}, where only batch 1 "
            "has a speed a prompt."
        )
    elif lengths[0] != lengths[1]:
        reasons["speed"] = (
            f"Speed is not compared: {_said(lengths[0])} and {_said(lengths[1])} new tokens at "
            "most, and a speed over a whole output depends on its length."
        )
    return reasons


def _scorers(side: Side) -> set[int]:
    versions = {run["scorer_version"] for run in side.runs.values()}
    return {
        version
        for version in versions | {run["newest_scorer_version"] for run in side.runs.values()}
        if version is not None
    }


def _merged(
    before: Side, after: Side, shared: Sequence[str], common: set[str]
) -> tuple[StudyData, list[tuple[Row, Row]]]:
    """Both studies as one, with configs renamed, and the pairs (first's, second's) to judge."""
    rows: dict[str, Row] = {}
    outcomes: dict[str, dict[str, Row]] = {}
    pairs = []
    for config in shared:
        pair = []
        for side, when in ((before, "first"), (after, "second")):
            name = f"{config} · {when}"
            mine = {p: row for p, row in side.outputs.get(config, {}).items() if p in common}
            rows[name] = {**side.rows[config], "config": name, **_counts(mine)}
            outcomes[name] = mine
            pair.append(rows[name])
        pairs.append((pair[0], pair[1]))
    data = StudyData("both", "both", None, tuple(rows.values()), outcomes)
    return data, pairs


def _counts(outputs: Mapping[str, Row]) -> Row:
    """Counts over some outputs, under a summary's names."""
    judged = [row for row in outputs.values() if row["adherent"] is not None]
    scored = [row for row in outputs.values() if row["repetitive"] is not None]
    return {
        "repetitive": sum(row["repetitive"] for row in scored) if scored else None,
        "repetition_judged": len(scored),
        "adherent_prompts": sum(row["adherent"] for row in judged) if judged else None,
        "adherence_judged": len(judged),
    }


def _config_of(row: Row) -> str:
    return row["compared"].partition(" · ")[0]


def _memory_row(before: Row, after: Row) -> Row | None:
    """Memory of the second over the first; counted, not sampled. None where it is not alike."""
    if not before["memory_bytes"] or not after["memory_bytes"]:
        return None
    if before["memory_basis"] != after["memory_basis"]:
        return None
    ratio = after["memory_bytes"] / before["memory_bytes"]
    change = "less" if ratio < 1 else "more"
    return evidence_row(
        compared=f"{after['config']} against {before['config']}",
        measure="memory",
        figures=(
            f"{formats.memory(after['memory_bytes'])} v {formats.memory(before['memory_bytes'])}"
        ),
        kind="times",
        estimate=ratio,
        verdict="same" if abs(ratio - 1) < SAME_MEMORY else change,
        method=f"{before['memory_basis']}, counted",
    )


def _identical_row(data: StudyData, before: Row, after: Row) -> Row | None:
    """Share of the common prompts on which both wrote the same tokens."""
    old, new = data.outcomes[before["config"]], data.outcomes[after["config"]]
    known = [
        (old[prompt]["token_ids"], new[prompt]["token_ids"])
        for prompt in old
        if prompt in new and old[prompt]["token_ids"] and new[prompt]["token_ids"]
    ]
    if not known:
        return None
    same = sum(list(a) == list(b) for a, b in known)
    low, high = wilson_interval(same, len(known))
    return evidence_row(
        compared=f"{after['config']} against {before['config']}",
        measure="identical outputs",
        figures=f"{same}/{len(known)}",
        kind="rate",
        estimate=same / len(known),
        low=low,
        high=high,
        n=len(known),
        method="token ids, Wilson",
    )
