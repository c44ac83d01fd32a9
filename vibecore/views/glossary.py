"""What the About page says: the protocol, each score with formula and source, limits, words.

Metrics, precisions and the rule's thresholds are said from their own tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from vibecore.analysis import Rule
from vibecore.analysis.metrics import METRICS
from vibecore.analysis.quality import MOST_BROKEN
from vibecore.analysis.sweet_spot import LEAST_PROMPTS
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core import formats
from vibecore.core.records import Protocol


@dataclass(frozen=True)
class Explained:
    """A score: what it is called, how it is computed, and who says so."""

    name: str
    formula: str
    source: str


PROTOCOL = (
    "Decoding is greedy: the likeliest token each time, one output a prompt, no randomness.",
    f"An output ends at the model's end token, or is cut at {Protocol().max_new_tokens} new tokens "
    "and marked as cut.",
    "A base model gets the prompt as it is. An instruct or thinking model is asked through its own "
    "chat template, unless the study says otherwise; what each was really asked, special tokens "
    "included, can be opened at every output.",
    "A thinking model's reasoning is kept apart and not scored. Where the tokens ran out in it, "
    "no answer came.",
    "One prompt at a time. A run in batches is marked: its speed is a throughput and is never "
    "compared with the speed of single prompts.",
    "Each config runs in a process of its own, warmed up before the first timed prompt.",
    "Speed is new tokens over the total time of the output, reading the prompt included; how the "
    "published study measured its speeds it does not say. Configs write texts of different "
    "length, so their mean length is beside it.",
    "Memory is the peak allocated on a GPU; on a CPU, the weights as loaded. Where nothing was "
    "measured it is estimated from the architecture, weights alone, and says so. What a config "
    "needs of its device, which the cap is held against, is more: the memory model counts keys "
    "and values, activations and the runtime too.",
)

# Every metric that a config has, then the measures of single outputs and the statistics.
SCORES = (
    *(
        Explained(metric.called, metric.sentence, metric.source)
        for metric in METRICS
        if metric.sentence
    ),
    Explained(
        "rep-4",
        "1 − distinct token 4-grams ÷ all of them.",
        "seq-rep-4 of Welleck et al. 2020 (arXiv 1908.04319).",
    ),
    Explained("distinct-2", "Distinct word pairs ÷ words.", "Li et al. 2016 (arXiv 1510.03055)."),
    Explained(
        "zlib ratio",
        "Bytes ÷ compressed bytes.",
        "Whisper's decoder, which tries again above 2.4 (arXiv 2212.04356, 4.5).",
    ),
    Explained(
        "duplicate shares",
        "Shares of lines and paragraphs, and of their characters, that occurred before; of "
        "characters in the most frequent run of two, three or four words; of characters in runs "
        "of five to ten words that occurred before.",
        "Gopher (arXiv 2112.11446, A1.1).",
    ),
    Explained(
        "loop",
        "The token from which all the rest repeats itself exactly, for three periods and 16 "
        "tokens or more, and the period: the tokens of one repetition.",
        "Ours; found with the Z-function.",
    ),
    Explained(
        "echo",
        "Share of the prompt's runs of four words that occur in the output.",
        "The counterpart of novel n-grams (See et al. 2017, arXiv 1704.04368).",
    ),
    Explained(
        "refusal",
        "The output begins with a phrase of refusing (“I'm sorry, but”, “As an AI”).",
        "The method of Zou et al. 2023 (arXiv 2307.15043); the phrases are ours.",
    ),
    Explained(
        "other script",
        "The character from which the output goes on to its end in another script: at least 20 "
        "letters before and after, nine tenths of each in one script.",
        "Ours. Two languages of one script are not distinguished.",
    ),
    Explained(
        "95 % interval",
        "Wilson's score interval of a rate; of constraints, over as many observations as prompts "
        "that differ make of them, and none under four prompts.",
        "Wilson 1927, J. Am. Stat. Assoc. 22; Rao & Scott 1992, Biometrics 48:577.",
    ),
    Explained(
        "significantly worse (the rule)",
        "Outcomes are permuted within prompts, or drawn from the common rate where only totals are "
        "known. The largest difference of each draw pays for comparing all configs and for picking "
        "the best; configs and whole models, on both metrics, share one error rate.",
        "Westfall & Young 1993, Resampling-Based Multiple Testing, 2.5 and 2.6.",
    ),
    Explained(
        "better, worse (findings, comparisons)",
        "A significant test, and an interval that leaves out no difference. Rates: exact McNemar "
        "test and Tango's interval on the same prompts, Fisher's test and Newcombe's interval "
        "where only totals are known; Holm's correction over all comparisons of the models, and "
        "over all of precisions. Speeds: paired bootstrap-t and a swap test over the prompts.",
        "McNemar 1947; Tango 1998 and Newcombe 1998, Stat. Med. 17; Holm 1979; Hall 1988, J. R. "
        "Stat. Soc. B 50.",
    ),
    Explained(
        "equivalent",
        "Two one-sided tests show a difference under 10 points of rate, or 5 % of speed or memory; "
        "exact on up to 100 prompts.",
        "Schuirmann 1987; Hsueh, Liu & Chen 2001, Biometrics 57; Chan 1998, Stat. Med. 17. The "
        "margins are ours.",
    ),
    Explained(
        "Δp",
        "The config's probability of a reference token minus the parent's: mean, root mean square "
        "(RMS) and skew over tokens.",
        "llama.cpp's llama-perplexity --kl-divergence.",
    ),
    Explained(
        "perplexity ratio",
        "exp(mean of ln p at the parent − ln p at the config) over the reference tokens: above 1 "
        "the config finds them less likely than its parent does.",
        "llama.cpp's llama-perplexity --kl-divergence: its PPL(Q)/PPL(base).",
    ),
    Explained(
        "above the noise floor",
        "The config's mean KLD is significantly larger than that of its parent against itself, "
        "paired by prompt, at α = 0.05 for all configs of the model together. Else it is not "
        "distinguishable from the noise floor, which does not mean equal.",
        "Ours. Numerics alone move outputs: arXiv 2506.09501.",
    ),
    Explained(
        "not resolved",
        "Neither of the two above. With it, the prompts that would show the difference seen with "
        "power 0.8, in that comparison alone.",
        "Duffy 1984, Biometrics 40; Casagrande, Pike & Smith 1978, Biometrics 34.",
    ),
    Explained(
        "stability",
        "The share of 2,000 resampled studies in which the whole rule gives the same answer. "
        "Prompts are drawn again; where only totals are known, each total from its own rate. "
        "Clear from 95 %, likely from 70 %, else open.",
        "Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 6.",
    ),
)

LABELLED = (
    "{outputs} outputs were read and labelled looping or not, {looping} of them looping: outputs "
    "of the demo models, the two published ones, and texts written as hard cases. Precision is "
    "the share of flagged outputs that loop, recall the share of looping ones that are flagged, "
    "each with its 95 % interval. The cuts were not chosen on this set, and other outputs than "
    "these, chosen for variety, would give other figures."
)

# flag -> what it is called here
FLAG_NAMES = {
    "repetitive": "repetitive: the published study's measure, from 0.50",
    "degenerate": "degenerate: any published cut of Gopher or Whisper, on prose",
    "loop": "loop: exact repetition of tokens up to the end",
    "broken": "broken: any reason why an output is of no use",
}

RULE = (
    f"Usable: a config of whose outputs {formats.percent(MOST_BROKEN)} or more are broken is never "
    "chosen.",
    "Quality: drop what is significantly worse than the best usable config of the study, on broken "
    "outputs or on adherence. Picking the best is paid for: of configs that are all alike, any is "
    f"dropped in at most {formats.percent(Rule().alpha)} of studies. Where the configs are models "
    "at several precisions, a model is judged over all its precisions together too.",
    "Fit: drop what needs more than the memory cap: weights, keys and values, activations and "
    "runtime.",
    f"Speed: keep what reaches the speed floor, {formats.percent(Rule().speed_floor)} of the "
    "fastest one left.",
    "Choose the least memory; of two alike, the faster. Where nothing good fits there is no sweet "
    "spot, and the best of what fits is named with what it is worse at.",
    f"Where runs have not finished, or there are fewer than {LEAST_PROMPTS} prompts, the choice is "
    "only “leading so far”.",
)

LIMITS = (
    "Thirty prompts. A difference of fewer than about six prompts between two configs is not "
    "resolved; “not significantly worse” never means “equal”.",
    "One greedy output a prompt: no seed was varied, so nothing is known of how outputs scatter.",
    "Checks are heuristics. They see form (a docstring, three sentences, a final answer), never "
    "whether a story is good. Whether code does what was asked is seen only where a study ran it, "
    "isolated (--execute-code); elsewhere that check is skipped.",
    "One backend, transformers with bitsandbytes. Other engines run the same precisions at other "
    "speeds.",
)

WORDS = {
    "model": "A checkpoint: base (continues text), instruct (answers) or thinking (reasons, then "
    "answers).",
    "precision": "How the linear layers are stored: "
    + "; ".join(f"{p.name}, {p.title}" for p in PRECISIONS.values() if not p.is_label)
    + ".",
    "bits per weight": "Bytes of the quantised layers as loaded, scales included, over their "
    "weights; what a precision leaves in 16 bit counts in the model's.",
    "config": "A model at a precision, as in 1.5B-4bit.",
    "family": "A named set of configs, as in qwen2.5: the published report's six.",
    "suite": "A file of prompts.",
    "constraint": "One demand of a prompt that a machine can check.",
    "study": "One suite over several configs under one protocol.",
    "run": "One config within a study.",
    "engine": "How tokens are decoded: eager is transformers' generate, graph a forward pass of "
    "our own, captured on a GPU.",
    "prefill, decode": "Reading the prompt, all its tokens at once; then one step for each new "
    "token.",
    "KV cache": "The keys and values of all tokens so far, kept so that no step computes them "
    "again.",
    "broken output": "Empty, repetitive, ending in a loop, saying one thing over, not made of "
    "words, or numerically broken.",
    "sweet spot": "The config that the rule chooses. It says nothing of whether that one is good: "
    "see what it did on the prompts.",
    "leading so far": "The choice of a study that has not finished, or has few prompts: no "
    "sweet spot yet.",
    "clear, likely, open": "How often resampled studies give the same choice (see stability).",
    "Pareto front": "The configs that no other one is ahead of on memory, speed and repetition at "
    "once, by the figures as they are.",
    "parent": "The config of the same model at 16 bit (bf16, else fp16) in the same study: what a "
    "config's fidelity is measured against.",
    "fidelity": "How far a precision moves a model from its parent: how much it changed, not how "
    "good it is.",
    "KLD": "Kullback–Leibler divergence of two next-token distributions, parent ‖ config, over the "
    "whole vocabulary, in nats: 0 where they are the same.",
    "teacher forcing": "Leading a model along a given text: at every token of it the model's own "
    "distribution is read, whatever it would have chosen.",
    "noise floor": "How far a parent is from itself where only the order of its arithmetic "
    "differs: in a padded batch, or by engine graph.",
    "flip": "A verdict that is another one than the parent's: lost where the parent passes, gained "
    "where it fails.",
    "claim": "What the published report says of its own six configs. Findings checks it; another "
    "study is only asked the same question.",
    "bench": "A measurement of decoding alone, against the memory's bandwidth: a study of its own.",
    "below the ceiling": "Slower than the memory's bandwidth allows. Why takes the time of host "
    "and GPU: overhead-bound where the host takes as long, else kernel-bound.",
    "published": "Figures from a report, with no outputs behind them but two samples.",
}
