"""What is said of fidelity: what it is, from whom, and why a study has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vibecore.analysis.fidelity.divergence import Divergence
from vibecore.analysis.fidelity.flips import LEVELS, ConfigFlips
from vibecore.analysis.fidelity.gaps import Gap
from vibecore.analysis.fidelity.summary import FidelitySummary
from vibecore.core import formats
from vibecore.core.fidelity import Reference, Way
from vibecore.core.rows import RunRow, StudyRow
from vibecore.studies.fidelity_results import FidelityResults

WHAT = (
    "How far a precision moves a model from its 16-bit self, its parent, token by token: how much "
    "the model changed, not how good it is."
)
SOURCES = (
    "KLD is the Kullback–Leibler divergence of the two next-token distributions, parent ‖ config, "
    "after the same text. Over a wide range of precisions it goes with quality, but close to the "
    "parent it does not rank quality (Nikolić et al. 2026, arXiv 2606.19558). Two configs can be "
    "right equally often and still differ in many answers, which KLD and flips show (Dutta et al. "
    "2024, arXiv 2407.09141)."
)
NO_OUTPUTS = (
    "The published report has no outputs behind its figures, so there is nothing along which a "
    "config could be compared with its 16-bit parent. Choose a measured study."
)
DUMMY = (
    "This study ran on random weights: how far a precision moves a model depends on its own. "
    "Choose a study with real weights."
)
NO_PARENT = (
    "No model of this study ran at 16 bit (bf16 or fp16), so no config has a parent to be compared "
    "with. Add one, then measure:"
)
NO_CHILD = (
    "Every config of this study is a 16-bit one, and so its model's parent itself. Add a lower "
    "precision, then measure:"
)
NO_TOKENS = (
    "No 16-bit config of this study has stored outputs yet: they are what the others are compared "
    "along. Let it run first, then measure:"
)
NOT_MEASURED = "Fidelity is not measured in this study yet. It runs on the same weights again:"
LAUNCH = (
    "A new run measures it by itself with --fidelity, or with the switch “Measure fidelity” on the "
    "Launch page."
)

# reference -> what is compared along, and what that is made of
ALONG: dict[Reference, tuple[str, str]] = {
    "outputs": ("the parent's outputs", "prompts"),
    "text": ("a running text", "chunks"),
}
FLOOR_WAY_WORDS: dict[Way, str] = {
    "batch": "in a padded batch",
    "graph": "by engine graph",
    "steps": "token by token",
}


def why_never(study: StudyRow, runs: Sequence[RunRow]) -> str | None:
    """Why a study's fidelity can never be measured; None where it can."""
    if study.source == "published":
        return NO_OUTPUTS
    return DUMMY if runs and all(run.weights == "dummy" for run in runs) else None


def why_not_yet(results: FidelityResults, runs: Sequence[RunRow]) -> str:
    """Why nothing is measured where it could be."""
    if not results.parents:
        return NO_PARENT
    if not results.children:
        return NO_CHILD
    generated = {run.config for run in runs if run.generations}
    return NOT_MEASURED if generated & set(results.parents.values()) else NO_TOKENS


def left_out(results: FidelityResults, runs: Sequence[RunRow], reference: Reference) -> list[str]:
    """Sentences on what has no figure along a reference, or not one over all of it: of which
    config, against what."""
    orphans = [run.config for run in runs if run.config not in results.parents]
    sentences = []
    if orphans:
        sentences.append(
            f"{formats.listed(orphans)}: no parent, since the model has no 16-bit config here."
        )
    alike: dict[Gap, list[str]] = {}
    for gap in results.gaps:
        if gap.reference == reference:
            alike.setdefault(replace(gap, config=""), []).append(gap.config)
    return sentences + [_gap_words(configs, gap) for gap, configs in alike.items()]


def _gap_words(configs: Sequence[str], gap: Gap) -> str:
    """What several configs lack alike: `A and B against P: not measured along a running text`."""
    along, unit = ALONG[gap.reference]
    who = f"{formats.listed(configs)} against {gap.against}"
    if gap.way != "alone":
        who = f"{gap.against} against itself {FLOOR_WAY_WORDS[gap.way]} (noise floor)"
    if not gap.measured or gap.whole is None:
        return f"{who}: not measured along {along} yet."
    return f"{who}: measured along {along} on {gap.measured} of {gap.whole} {unit} so far."


def cost_words(rows: Sequence[FidelitySummary]) -> str:
    """Where it was measured, how long that took, and the most memory it needed."""
    where = formats.listed(list(dict.fromkeys(row.measured_on for row in rows)))
    seconds = formats.duration(sum(row.seconds for row in rows))
    peak = formats.memory(max(row.peak_memory_bytes for row in rows))
    return f"Measured on {where}: {seconds} of computing, noise floor included, at most {peak}."


def flips_title(flips: Sequence[ConfigFlips]) -> str:
    """Whose prompts flip most."""
    counts = [(one, count) for one in flips if (count := one.count("prompts"))]
    if not counts:
        return "No verdicts to compare with the parents'"
    most, count = max(counts, key=lambda pair: pair[1].flips)
    if not count.flips:
        return "No prompt passes at a parent alone, or at a config alone"
    return (
        f"{most.config}: {formats.counted(count.flips, 'prompt')} of {count.judged} with another "
        f"verdict than at {most.against}, {count.lost} lost and {count.gained} gained"
    )


def flip_records(
    flips: Sequence[ConfigFlips], divergences: Sequence[Divergence]
) -> list[dict[str, str]]:
    """One row a config, as text: its flips against its parent at both levels, and after how many
    tokens the texts differ."""
    diverged = {one.config: one for one in divergences}
    rows = []
    for one in flips:
        row = {"config": one.config, "against": one.against}
        for level in LEVELS:
            count = one.count(level)
            row[f"{level} lost"] = "–" if count is None else f"{count.lost} of {count.judged}"
            row[f"{level} gained"] = "–" if count is None else str(count.gained)
            row[f"p, {level}"] = "–" if count is None else p_words(count.p)
        texts = diverged.get(one.config)
        row["texts differ after"] = "–" if texts is None else divergence_words(texts)
        row["identical"] = "–" if texts is None else f"{texts.identical} of {texts.outputs}"
        rows.append(row)
    return rows


def p_words(p: float) -> str:
    """A p as a person reads it: `0.02`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def divergence_words(one: Divergence) -> str:
    """After how many tokens the two free-running texts differ."""
    if one.median_tokens is None:
        return "half or more never"
    return f"{one.median_tokens:g}"
