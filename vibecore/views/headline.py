"""The answer in plain words, as the Metrics page and the terminal say it first.

From what a decision holds, no test and no p: those stand under "How this was decided".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vibecore.analysis import Rule, SweetSpot
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core import formats
from vibecore.core.rows import StudyRow
from vibecore.views.models_asked import KIND_WORDS

if TYPE_CHECKING:
    from vibecore.analysis.stability import Stability

# Broken outputs, and prompts with an unmet demand, from which on the best is said not to be good.
MANY_BROKEN = 0.25
MANY_UNMET = 0.5
# What a metric of the rule counts.
COUNTED = {
    "broken outputs": "outputs are broken",
    "adherence": "prompts have every demand met",
}
# Names listed before the rest is counted.
MOST_NAMES = 3


# What a line says of the config: the page shows each role in a style of its own.
Role = Literal["model", "did", "bad", "sure", "why", "missing"]


@dataclass(frozen=True)
class Line:
    """A sentence or two with one role."""

    role: Role
    text: str


@dataclass(frozen=True)
class Headline:
    """What is said first: a `title`, then `lines` in the order in which they are read. `config` is
    the one to run, the choice or the best of what fits; None where there is neither."""

    title: str
    config: str | None
    lines: tuple[Line, ...]

    def text(self) -> str:
        """The whole of it, a line each, as a terminal shows it."""
        return "\n".join([self.title, *(line.text for line in self.lines)])


def page_line(study: StudyRow, rows: Sequence[ConfigMetrics]) -> str:
    """What the Metrics page is, in one line."""
    if _is_speed_only(rows):
        return f"How fast each of {_these(rows)} is, and what it needs. No texts were scored."
    return (
        f"Which of {_these(rows)} to run, by what each did on the same "
        f"{formats.counted(study.prompt_count, 'prompt')}, and every figure behind it."
    )


def headline(
    study: StudyRow,
    rows: Sequence[ConfigMetrics],
    spot: SweetSpot,
    rule: Rule,
    stability: Stability | None = None,
) -> Headline:
    """What to say first of a study under a rule's choice."""
    by_config = {row.config: row for row in rows}
    config = spot.config or spot.best_that_fits
    row = by_config[config] if config else None
    about: list[Line] = []
    if row is not None:
        about = [
            Line("model", full_name(row)),
            Line("did", did(row, study)),
            Line("bad", bad_news(row, spot)),
        ]
    sure = [Line("sure", how_sure(stability))] if stability and not spot.leading else []
    missing = [Line("missing", text) for text in (*spot.missing, *_failed(rows))]
    if spot.config is not None:
        title = f"{'Leading so far' if spot.leading else 'Sweet spot'}: {spot.config}"
        lines = [*about, *sure, *missing, Line("why", _why(spot, rule))]
    elif _is_speed_only(rows):
        title = "Speed and memory only"
        lines = [Line("why", _fastest(rows)), *missing]
    else:
        title = "No answer yet" if spot.leading else "No sweet spot"
        lines = [Line("why", _why_none(spot, rule)), *missing, *about, *sure]
    return Headline(title, config, tuple(line for line in lines if line.text))


def full_name(row: ConfigMetrics) -> str:
    """`Qwen/Qwen2.5-1.5B, a base model, with 4-bit weights (NF4, …).`"""
    kind = f", {KIND_WORDS[row.kind][0]}" if row.kind else ""
    return f"{_source(row)}{kind}, with {_precision(row)}."


def did(row: ConfigMetrics, study: StudyRow) -> str:
    """What a config did on the prompts, how fast, and what it needs."""
    deeds = [*_quality(row), *_speed(row), *_need(row, study)]
    over = f"On the {formats.counted(row.prompts, 'prompt')}"
    if study.prompt_count and row.prompts > study.prompt_count:
        over = f"In {row.prompts:,} outputs of {formats.counted(study.prompt_count, 'prompt')}"
    elif row.prompts < study.prompt_count:
        over = f"On {row.prompts:,} of the {study.prompt_count:,} prompts"
    return f"{over} it {_listed(deeds)}." if deeds else ""


def bad_news(row: ConfigMetrics, spot: SweetSpot) -> str:
    """That a config is not good in itself, where it is not; empty where it is."""
    news = []
    if row.broken and row.broken_judged and row.broken / row.broken_judged >= MANY_BROKEN:
        news.append(
            f"{row.broken:,} of its {row.broken_judged:,} outputs are broken (looping, empty or "
            "garbled)"
        )
    met, judged = row.adherent_prompts, row.adherence_judged
    if met is not None and judged and 1 - met / judged >= MANY_UNMET:
        news.append(f"{judged - met:,} of {judged:,} leave a demand unmet")
    if not news:
        return ""
    best = "The best trade-off is not good in itself" if spot.config else "What fits is not good"
    return f"{best}: {' and '.join(news)}."


def how_sure(stability: Stability) -> str:
    """How sure the answer is, in a word and with the share of resampled studies that give it."""
    others = [
        f"{config or 'no config'} in {_share(share)}"
        for config, share in stability.shares.items()
        if config != stability.config
    ]
    if len(others) > MOST_NAMES:
        others = [*others[: MOST_NAMES - 1], "others in the rest"]
    rest = f", {_listed(others)}" if others else ""
    return (
        f"How sure: {stability.word}. Drawn again from its own results "
        f"{stability.resamples:,} times, the study gives this answer in "
        f"{_share(stability.share)}{rest}."
    )


def _share(share: float) -> str:
    """Whole percent; of what is not quite all or nothing, that."""
    if share == 1:
        return "all of them"
    if 0.005 <= share < 0.995:
        return f"{100 * share:.0f} %"
    return "over 99 %" if share > 0.5 else "under 1 %"


def _source(row: ConfigMetrics) -> str:
    place = row.source or row.model
    if row.weights == "demo":
        return f"{place} (ships with Vibe check)"
    if row.weights == "local":
        return f"{Path(place).name} (a local folder)"
    if row.weights == "gguf":
        return f"{Path(place).name} (a GGUF file)"
    return place


def _precision(row: ConfigMetrics) -> str:
    precision = PRECISIONS.get(row.precision)
    if precision is None:
        return f"{row.precision} weights"
    if precision.as_stored:
        return f"its weights as they are stored ({row.stored_as or 'quantised already'})"
    return f"{precision.bits}-bit weights ({precision.title})"


def _quality(row: ConfigMetrics) -> list[str]:
    """What it did with the prompts; empty where quality was not scored."""
    looping = row.repetitive if row.looping is None else row.looping
    if looping is None:
        return []
    deeds = [f"looped on {_count(looping)}"]
    if row.empty is not None:
        deeds.append(f"left {_count(row.empty)} empty")
    known = looping + (row.empty or 0)
    if row.broken is not None and row.broken > known:
        deeds.append(f"broke down on {row.broken - known:,} more")
    if row.adherent_prompts is not None:
        judged = row.adherence_judged
        of = "" if judged in (None, row.prompts) else f" of the {judged:,} judged"
        deeds.append(f"met every demand on {_count(row.adherent_prompts)}{of}")
    return deeds


def _speed(row: ConfigMetrics) -> list[str]:
    if not row.tokens_per_second:
        return []
    speed = row.tokens_per_second
    shown = f"{speed:.1f}" if speed < 10 else f"{speed:,.0f}"
    batch = "" if (row.batch_size or 1) == 1 else f" ({row.batch_size} prompts at a time)"
    return [f"wrote {shown} tokens a second{batch}"]


def _need(row: ConfigMetrics, study: StudyRow) -> list[str]:
    place = "on the card"
    if study.protocol is not None and study.protocol.device == "cpu":
        place = "of memory"
    if row.need_bytes is not None:
        return [f"needs about {_about(row.need_bytes)} {place}"]
    if row.memory_bytes is not None:
        return [f"has {formats.memory(row.memory_bytes)} of weights"]
    return []


def _about(size: int) -> str:
    """Rounded up: so much has to be there."""
    gib = size / 1024**3
    return f"{math.ceil(10 * gib) / 10:.1f} GiB" if gib >= 1 else f"{math.ceil(1024 * gib)} MiB"


def _why(spot: SweetSpot, rule: Rule) -> str:
    """One sentence on why a choice was chosen."""
    left = len(spot.speed_shares)
    fast = sum(share >= rule.speed_floor for share in spot.speed_shares.values())
    cap = "" if rule.vram_gib is None else f" and fit in {rule.vram_gib:g} GiB"
    if rule.kld_cap is not None:
        cap += f" and are within {formats.divergence(rule.kld_cap)} nats of 16 bit"
    if left == 1:
        cap = cap.replace("fit", "fits").replace("are", "is")
        if not spot.comparisons:
            return f"Why: no other config can be compared with it{' so far' * spot.leading}."
        return f"Why: it is the only config that was not found worse than the best{cap}."
    among = f"Why: of the {left:,} configs that were not found worse than the best{cap}"
    if rule.speed_floor == 0:
        return f"{among}, it needs the least memory."
    percent = f"{100 * rule.speed_floor:g} %"
    floor = f"{percent} of the fastest one's speed"
    if fast == 1 and spot.speed_shares.get(spot.config or "") == 1:
        return f"{among}, it is the fastest, and no other reaches {percent} of its speed."
    if fast == 1:
        return f"{among}, it is the only one that reaches {floor}."
    return f"{among}, {fast:,} reach {floor}, and it needs the least memory of those."


def _why_none(spot: SweetSpot, rule: Rule) -> str:
    """Why there is no choice, and what the best of what fits is worse at."""
    why = spot.reason.removeprefix("No sweet spot: ")
    why = why[:1].upper() + why[1:]
    if spot.best_that_fits is None:
        return why
    fits = "" if rule.vram_gib is None else f" of what fits in {rule.vram_gib:g} GiB"
    if rule.kld_cap is not None:
        fits += f" of what is within {formats.divergence(rule.kld_cap)} nats of 16 bit"
    at = _worse_at(spot, rule)
    worse = f", but it is worse than the best: {at}" if at else ""
    return f"{why} The best{fits} is {spot.best_that_fits}{worse}."


def _worse_at(spot: SweetSpot, rule: Rule) -> str:
    """What the best of what fits is worse at, in counts."""
    found = []
    for one in spot.comparisons:
        if one.config != spot.best_that_fits or not one.p < rule.alpha:
            continue
        did, model = COUNTED[one.metric], one.models
        if model is None:
            own, best = (one.count, one.total), (one.best_count, one.best_total, one.best)
        else:
            did += f" over all {model.precisions} precisions of {model.model}"
            own = (model.count, model.total)
            best = (model.best_count, model.best_total, model.best)
        found.append(f"{own[0]:,} of {own[1]:,} {did}, {best[0]:,} of {best[1]:,} for {best[2]}")
    return "; ".join(found)


def _failed(rows: Sequence[ConfigMetrics]) -> list[str]:
    names = [row.config for row in rows if row.status == "failed"]
    if not names:
        return []
    shown = [*names[:MOST_NAMES], *(["others"] if len(names) > MOST_NAMES else [])]
    are = "is" if len(names) == 1 else "are"
    return [
        f"{len(names):,} of {formats.counted(len(rows), 'config')} failed and {are} not compared: "
        f"{_listed(shown)}."
    ]


def _fastest(rows: Sequence[ConfigMetrics]) -> str:
    """Of a study whose texts mean nothing: which config is fastest and which needs least."""
    timed = [row for row in rows if row.tokens_per_second]
    if not timed:
        return "Nothing has been measured yet."
    fastest = max(timed, key=lambda row: row.tokens_per_second or 0)
    said = f"The fastest is {fastest.config}: it {_listed(_speed(fastest))}."
    sized = [row for row in timed if row.need_bytes is not None]
    if sized:
        least = min(sized, key=lambda row: row.need_bytes or 0)
        said += f" {least.config} needs the least memory, about {_about(least.need_bytes or 0)}."
    return f"No text was scored, so nothing here says which config writes well. {said}"


def _is_speed_only(rows: Sequence[ConfigMetrics]) -> bool:
    """Whether a study has measured speeds and no quality."""
    return all(row.broken is None and row.repetitive is None for row in rows) and any(
        row.tokens_per_second for row in rows
    )


def _these(rows: Sequence[ConfigMetrics]) -> str:
    return "this config" if len(rows) == 1 else f"these {len(rows):,} configs"


def _count(count: int) -> str:
    return "none" if count == 0 else f"{count:,}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
