"""Checks on how far quantisation moves a model: its next-token distributions against those of its
16-bit parent, paired by prompt.

They say how much a model changed, not how good it is: an output may change and stay as good.
"""

from __future__ import annotations

from dataclasses import replace

from vibecore.analysis.claims.evidence import ALPHA, EvidenceRow
from vibecore.analysis.claims.record import Outcome, decide, need
from vibecore.analysis.claims.study_data import Pairs, StudyData
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.fidelity.paired import judge_kld, pair_up
from vibecore.analysis.fidelity.pairs import judge_kld_pairs
from vibecore.analysis.fidelity.summary import ABOVE, summarise_fidelity
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import (
    BETTER,
    FURTHER,
    NEARER,
    UNRESOLVED,
    WORSE,
)
from vibecore.core import formats
from vibecore.core.fidelity import FLOOR_WAYS, FidelityTokens

SIGN_TEST = "exact sign test of the prompts"
# A judgement's verdict on a KLD, where less is nearer.
WORDS = {BETTER: NEARER, WORSE: FURTHER}


def quantisation_moves(study: StudyData) -> Outcome:
    """Every quantised config's mean KLD is above its parent's noise floor."""
    quantised = {row.config for model in study.models for row in study.quantised(model)}
    tokens = {(one.config, one.way): one for one in _along_outputs(study)}
    rows, within = [], []
    for summary in summarise_fidelity(list(tokens.values()), alpha=ALPHA):
        if summary.config not in quantised or summary.floor is None:
            continue
        floor = tokens[summary.against, summary.floor.way]
        name = f"the noise floor of {summary.against}"
        row = _row(summary.config, name, tokens[summary.config, summary.way], floor)
        if row is not None:
            above = summary.verdict == ABOVE
            rows.append(
                replace(
                    row,
                    p_adjusted=summary.p,
                    verdict=FURTHER if above else UNRESOLVED,
                    equivalence_p=None,
                    label=f"{summary.config} ÷ noise floor, mean KLD",
                )
            )
            within += [] if above else [summary.config]
    need(rows)
    rest = f" Not told apart from it: {', '.join(within)}." if within else ""
    return Outcome(
        # That a config is within its noise is never shown, only that it is not shown to be above.
        decide(supported=not within, contradicted=False),
        f"{len(rows) - len(within)} of {len(rows)} quantised configs are further from 16 bit than "
        f"16 bit is from itself.{rest} {summed_up(rows)}",
        tuple(rows),
    )


def four_bit_moves_more(study: StudyData) -> Outcome:
    """4bit is further from its parent than 8bit is, for every model."""
    return _further(study, study.at("4bit", "8bit"), "4bit is further from 16 bit than 8bit")


def smaller_is_moved_more(study: StudyData) -> Outcome:
    """At every quantisation the smaller model is further from its parent than the larger one."""
    pairs = [
        (small, large)
        for large, small in study.by_size()
        if large in study.quantised(study.larger) and small in study.quantised(study.smaller)
    ]
    return _further(study, pairs, "The smaller model is further from its 16 bit than the larger")


def _further(study: StudyData, pairs: Pairs, what: str) -> Outcome:
    """Whether the first config of every pair is the further from its parent, Holm-adjusted."""
    rows = need(_judge(study, pairs))
    further = sum(row.verdict == FURTHER for row in rows)
    nearer = sum(row.verdict == NEARER for row in rows)
    return Outcome(
        decide(supported=further == len(rows), contradicted=nearer > 0),
        f"{what} in {further} of {len(rows)}, nearer in {nearer}. {summed_up(rows)}",
        tuple(rows),
    )


def _along_outputs(study: StudyData) -> list[FidelityTokens]:
    """What was measured along the 16-bit outputs to the study's prompts."""
    return [one for one in study.fidelity if one.reference == "outputs" and len(one.kld)]


def _judge(study: StudyData, pairs: Pairs) -> list[EvidenceRow]:
    """Evidence of each pair that was measured on prompts in common: the first mean KLD over the
    second's."""
    tokens = {one.config: one for one in _along_outputs(study) if one.way not in FLOOR_WAYS}
    found = []
    for one, other in pairs:
        if one.config in tokens and other.config in tokens:
            row = _row(one.config, other.config, tokens[one.config], tokens[other.config])
            if row is not None and one.model != other.model:
                row = replace(row, precision=one.precision)
            if row is not None:
                found.append((frozenset((one.config, other.config)), row))
    # Configs of one model have the p of all pairs of that model, so the same everywhere; pairs of
    # two models that over the pairs of the claim.
    of_model = {
        frozenset((one.config, one.other)): one.p
        for one in judge_kld_pairs(_along_outputs(study), ALPHA)
    }
    of_claim = holm([row.p for _, row in found]).tolist()
    return [
        _adjusted(row, of_model.get(configs, p))
        for (configs, row), p in zip(found, of_claim, strict=True)
    ]


def _adjusted(row: EvidenceRow, p: float) -> EvidenceRow:
    """A row with Holm's p: what that holds back is not resolved."""
    held_back = row.verdict in (FURTHER, NEARER) and p >= ALPHA
    return replace(row, p_adjusted=p, verdict=UNRESOLVED if held_back else row.verdict)


def _row(
    config: str, other: str, tokens: FidelityTokens, others: FidelityTokens
) -> EvidenceRow | None:
    """One mean KLD over another by their names; None without a prompt in common."""
    pair = pair_up(tokens, others)
    if not pair.prompts:
        return None
    means = pair.means
    row = EvidenceRow(
        compared=f"{config} against {other}",
        measure="mean KLD",
        figures=" v ".join(formats.divergence(mean) for mean in means),
        kind="ratio",
        estimate=means[0] / means[1] if means[1] else None,
        verdict=FURTHER if means[0] > means[1] else NEARER,
        p=pair.sign_p(),
        n=pair.prompts,
        method=SIGN_TEST,
        label=f"{config} ÷ {other}, mean KLD",
    )
    judged = judge_kld(pair, ALPHA)
    if judged is None:
        return row
    return replace(
        row,
        low=judged.low,
        high=judged.high,
        verdict=WORDS.get(judged.verdict, judged.verdict),
        p=judged.p,
        method=judged.method,
        needed_n=judged.needed_n,
        equivalence_p=judged.equivalence_p,
        margin=judged.margin,
        inner_low=judged.inner_low,
        inner_high=judged.inner_high,
    )
