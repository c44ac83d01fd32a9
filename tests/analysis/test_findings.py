"""Claims checked on studies: verdicts follow from intervals, on counts alone and on outputs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from tests.scoring.test_ifeval import GOOD
from tests.support.bench_report import make_report, write_report
from tests.support.metric_rows import metric_row
from tests.support.rows import row_of
from vibecore.analysis.claims import CLAIMS, VERDICTS, Finding, StudyData, find_findings
from vibecore.analysis.claims.evidence import speed_row
from vibecore.analysis.claims.wording import evidence_table, summed_up
from vibecore.analysis.metrics import PEAK_MEMORY, ConfigMetrics
from vibecore.analysis.stats.rate_ratio import rate_ratio
from vibecore.core.rows import OutputRow
from vibecore.studies.bench.import_report import import_reports
from vibecore.studies.claims import read_findings
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study

UNTESTABLE = "cannot be tested here"
SPEEDS = {"bf16": 100.0, "8bit": 40.0, "4bit": 95.0}
BYTES = {"bf16": 4.0e9, "8bit": 2.2e9, "4bit": 1.0e9}


def config(model: str, precision: str, **changes: object) -> ConfigMetrics:
    known = {
        "model": model,
        "precision": precision,
        "tokens_per_second": SPEEDS[precision],
        "batch_size": 1,
        "repetitive": 10,
        "repetition_judged": 1000,
        "adherent_prompts": 500,
        "adherence_judged": 1000,
        "empty": 1,
        "empty_judged": 1000,
        "memory_bytes": (3 if model == "big" else 1) * BYTES[precision],
        "memory_basis": PEAK_MEMORY,
    }
    return metric_row(f"{model}-{precision}", **known | changes)


def study(**changes: dict) -> StudyData:
    """Two models at three precisions, all alike; `changes` by config id with _ for -."""
    rows = [
        config(model, precision, **changes.get(f"{model}_{precision}", {}))
        for model in ("small", "big")
        for precision in SPEEDS
    ]
    return StudyData(tuple(rows))


def finding(data: StudyData, claim: str) -> Finding:
    return next(f for f in find_findings(data) if f.id == claim)


def everywhere(model: str, **figures: object) -> dict:
    return {f"{model}_{precision}": figures for precision in SPEEDS}


@pytest.fixture(scope="module")
def published(published_db: Path) -> dict[str, Finding]:
    return {f.id: f for f in read_findings(published_db, "published")}


PUBLISHED = {
    "scale-wins": "not resolved",
    "repetition-drops": "not resolved",
    "adherence-doubles": "not resolved",
    "4bit-sweet-spot": "not resolved",
    "8bit-slowest": UNTESTABLE,
    "4bit-barely-loses": "not resolved",
    "smaller-loses-speed": UNTESTABLE,
    "adherence-unchanged": "not resolved",
    "repetition-changes": "not resolved",
    "empties-rare": "not resolved",
    "4bit-matches-8bit": "not resolved",
    "memory-fourfold": "contradicted",
    "bf16-tight": "contradicted",
    "8bit-dequantises": UNTESTABLE,
    "quantisation-moves": UNTESTABLE,
    "4bit-moves-more": UNTESTABLE,
    "smaller-moved-more": UNTESTABLE,
}


def test_the_published_verdicts(published: dict[str, Finding]) -> None:
    assert {id_: f.verdict for id_, f in published.items()} == PUBLISHED
    assert set(PUBLISHED) == set(CLAIMS)


def test_published_reasons_carry_their_figures(published: dict[str, Finding]) -> None:
    scale = {(r.compared, r.measure): r for r in published["scale-wins"].evidence}
    resolved = scale["1.5B-8bit against 0.5B-8bit", "repetitive"]
    assert (resolved.figures, resolved.verdict) == ("3/30 v 16/30", "better")
    assert resolved.p == pytest.approx(0.000633, abs=1e-5)
    four = scale["1.5B-4bit against 0.5B-4bit", "repetitive"]
    assert four.verdict == "not resolved"
    assert four.p == pytest.approx(0.279, abs=1e-3)
    assert "4bit 1.6 times (95 % 0.8 to 3.3)" in published["repetition-drops"].reason
    assert "2.6 times" in published["memory-fourfold"].reason
    assert "of 8 GiB, where tight" in published["bf16-tight"].reason
    assert "for 2,048 tokens: 2.88 GiB of weights" in published["bf16-tight"].reason
    assert "10.5 v 13.7 tok/s" in published["8bit-slowest"].reason
    noise = {r.compared: r for r in published["4bit-matches-8bit"].evidence}
    assert noise["1.5B-4bit against 1.5B-8bit"].equivalence_p > 0.05


def test_every_finding_is_whole(published: dict[str, Finding]) -> None:
    for found in published.values():
        assert found.verdict in VERDICTS
        assert found.reason and "{" not in found.statement
        assert "equal to" not in summed_up(found.evidence)
        assert not any("equal" in row["verdict"] for row in evidence_table(found.evidence))
        for row in found.evidence:
            assert row.method
            if row.verdict and row.kind in ("difference", "ratio"):
                assert row.n, "no verdict without n"


def test_a_comparison_has_one_p_in_every_finding(published: dict[str, Finding]) -> None:
    """4 v 13 repetitive outputs of 30 was not resolved in one finding and worse in the next."""
    found: dict[tuple[frozenset[str], str], set[tuple[float | None, bool]]] = {}
    for finding in published.values():
        for row in finding.evidence:
            if row.kind == "difference":
                key = frozenset(row.compared.split(" against ")), row.measure
                found.setdefault(key, set()).add((row.p_adjusted, row.verdict == "not resolved"))
    assert all(len(seen) == 1 for seen in found.values())
    [(p, unresolved)] = found[frozenset(("0.5B-bf16", "1.5B-bf16")), "repetitive"]
    # Fisher's 0.020, the second smallest of the six comparisons by size.
    assert (p, unresolved) == (pytest.approx(5 * 0.02018, abs=1e-3), True)


def test_a_model_that_a_database_names_twice_at_one_precision_is_judged() -> None:
    """As one that another wrote may; it was a KeyError."""
    rows = [replace(row, model="one") for row in study().rows]
    found = find_findings(StudyData(tuple(rows)))
    assert {finding.verdict for finding in found} <= set(VERDICTS)


def test_what_never_happened_supports_nothing() -> None:
    """0 of 1,000 against 0 of 1,000, or all against all, would pass a test of equivalence."""
    for count in (0, 1000):
        found = {f.id: f for f in find_findings(study(**both(adherent_prompts=count)))}
        assert found["adherence-unchanged"].verdict == UNTESTABLE
        assert "Nothing to compare" in found["adherence-unchanged"].reason
        assert found["4bit-matches-8bit"].verdict == "not resolved"
        rows = [r for r in found["4bit-matches-8bit"].evidence if r.measure == "adherent"]
        assert {(r.verdict, r.p, r.equivalence_p) for r in rows} == {("not resolved", None, None)}
        assert "Nothing to test" in found["4bit-matches-8bit"].reason
    some = study(**both(adherent_prompts=0) | {"small_4bit": {"adherent_prompts": 1}})
    found = finding(some, "adherence-unchanged")
    assert "the smallest p" not in found.reason and "small-4bit against small-bf16" in found.reason
    assert "0/1000 v 0/1000, p" not in found.reason


def both(**figures: object) -> dict:
    return everywhere("small", **figures) | everywhere("big", **figures)


def drop(small: int, big: int) -> dict:
    """Repetitive outputs of each model in a hundred thousand."""
    of = {"repetition_judged": 100_000}
    return everywhere("small", repetitive=small, **of) | everywhere("big", repetitive=big, **of)


@pytest.mark.parametrize(
    ("claim", "changes", "verdict"),
    [
        # Better at one precision alone, at all, worse at all, and equivalent throughout.
        ("scale-wins", {"small_bf16": {"repetitive": 300}}, "not resolved"),
        ("scale-wins", everywhere("small", repetitive=300), "supported"),
        ("scale-wins", everywhere("big", repetitive=300), "contradicted"),
        ("scale-wins", {}, "contradicted"),
        # A ratio has to lie within its claim.
        ("repetition-drops", drop(35_000, 10_000), "supported"),
        ("repetition-drops", drop(35_000, 3_500), "contradicted"),
        # No change needs a test of equivalence, which thirty prompts do not pass.
        ("adherence-unchanged", {}, "supported"),
        ("adherence-unchanged", both(adherent_prompts=15, adherence_judged=30), "not resolved"),
        ("adherence-unchanged", {"small_4bit": {"adherent_prompts": 100}}, "contradicted"),
        ("repetition-changes", {}, "contradicted"),
        ("repetition-changes", {"small_8bit": {"repetitive": 200}}, "supported"),
        ("4bit-matches-8bit", {"big_4bit": {"repetitive": 200}}, "contradicted"),
        ("empties-rare", {}, "supported"),
        ("empties-rare", {"big_bf16": {"empty": 400}}, "contradicted"),
        ("memory-fourfold", {}, "supported"),
        # 12 of 8 GiB.
        ("bf16-tight", {}, "supported"),
        # Without outputs' scores, timings or profiles.
        *(
            (claim, both(repetitive=None, adherent_prompts=None, empty=None), UNTESTABLE)
            for claim in ("scale-wins", "repetition-drops", "adherence-unchanged", "empties-rare")
        ),
        ("8bit-slowest", {}, UNTESTABLE),
        ("8bit-dequantises", {}, UNTESTABLE),
    ],
)
def test_verdicts_of_counts(claim: str, changes: dict, verdict: str) -> None:
    assert finding(study(**changes), claim).verdict == verdict


def timed(data: StudyData, seconds: dict[str, float], prompts: int = 30) -> StudyData:
    """The study with timed prompts for each config, at its seconds a prompt."""
    outcomes = {
        row.config: {
            (f"p{i}", 0): row_of(
                OutputRow,
                new_tokens=100 + i,
                total_seconds=seconds[row.precision]
                * random.Random(f"{row.config} {i}").uniform(1, 1.05),
                batch_size=1,
            )
            for i in range(prompts)
        }
        for row in data.rows
    }
    return replace(data, outcomes=outcomes)


@pytest.mark.parametrize(
    ("claim", "eight", "four", "prompts", "verdict"),
    [
        ("8bit-slowest", 3.0, 1.05, 30, "supported"),
        ("8bit-slowest", 3.0, 1.05, 4, "not resolved"),
        ("8bit-slowest", 0.5, 1.05, 30, "contradicted"),
        ("4bit-barely-loses", 3.0, 1.05, 30, "supported"),
        ("4bit-barely-loses", 3.0, 2.0, 30, "contradicted"),
        # Both models lose the same.
        ("smaller-loses-speed", 3.0, 1.05, 30, "not resolved"),
    ],
)
def test_verdicts_of_timings(
    claim: str, eight: float, four: float, prompts: int, verdict: str
) -> None:
    data = timed(study(), {"bf16": 1.0, "8bit": eight, "4bit": four}, prompts)
    assert finding(data, claim).verdict == verdict


def test_speeds_at_other_batch_sizes_are_not_compared() -> None:
    batched = study(small_8bit={"batch_size": 8}, big_8bit={"batch_size": 8})
    assert "batch" in finding(batched, "8bit-slowest").reason


def test_a_speeds_interval_needs_four_shared_prompts_and_its_figures_are_theirs() -> None:
    data = timed(study(), {"bf16": 1.0, "8bit": 3.0, "4bit": 1.05}, prompts=4)
    eight, baseline = (data.row("small", precision) for precision in ("8bit", "bf16"))
    # The speeds of the prompts timed, not the 40 and 100 of all that the runs wrote.
    pair = speed_row(data, eight, baseline)
    assert pair.n == 4 and pair.low < pair.estimate < pair.high
    assert pair.figures != "40.0 v 100.0 tok/s"
    del data.outcomes["small-bf16"]["p1", 0]
    few = speed_row(data, eight, baseline)
    assert few.estimate == pytest.approx(1 / 3, rel=0.1)
    assert (few.low, few.verdict) == (None, None)
    assert few.method == "3 prompts, an interval needs 4"
    data.outcomes["small-bf16"].clear()
    alone = speed_row(data, eight, baseline)
    assert (alone.figures, alone.estimate) == ("40.0 v 100.0 tok/s", 0.4)
    assert (alone.low, alone.method) == (None, "one figure each, no spread")


def test_a_profile_decides_where_time_goes() -> None:
    def with_kernels(kernels: list[dict]) -> StudyData:
        return replace(study(), profiles={"big-8bit": kernels})

    def kernel(name: str, microseconds: float) -> dict:
        return {"kernel": name, "host_us": 1.0, "device_us": microseconds}

    rescaling = [kernel("bitsandbytes::int8_mm_dequant", 90.0), kernel("aten::_int_mm", 10.0)]
    assert finding(with_kernels(rescaling), "8bit-dequantises").verdict == "contradicted"
    weights = [kernel("int8_vectorwise_dequant", 90.0), kernel("gemm", 10.0)]
    assert finding(with_kernels(weights), "8bit-dequantises").verdict == "supported"
    unknown = finding(with_kernels([kernel("a kernel of tomorrow", 100.0)]), "8bit-dequantises")
    assert unknown.verdict == "not resolved", "names that are not known decide nothing"


def test_a_profile_of_our_own_engine_says_nothing_of_bitsandbytes(db: Path, tmp_path: Path) -> None:
    def verdict(name: str, engines: Sequence[str]) -> str:
        results = [r for r in make_report()["results"] if r["engine"] in engines]
        settings = {**make_report()["settings"], "engines": list(engines)}
        file = write_report(tmp_path / f"{name}.json", results=results, settings=settings)
        import_reports(db, [file], name)
        [found] = [one for one in read_findings(db, name) if one.id == "8bit-dequantises"]
        return found.verdict

    assert verdict("both", ("eager", "graph")) != UNTESTABLE
    assert verdict("ours", ("graph",)) == UNTESTABLE


def test_a_study_of_one_prompt_has_no_settled_choice(db: Path, fake_worker, tmp_path: Path) -> None:
    suite = tmp_path / "one.jsonl"
    suite.write_text(json.dumps(GOOD))
    options = Options(study="one", configs=("1M-bf16", "1M-4bit"), suite=str(suite))
    run_study(new_plan(options, db), lambda event: None)
    [found] = [one for one in read_findings(db, "one") if one.id == "4bit-sweet-spot"]
    assert found.verdict == "not resolved"
    assert "is leading so far" in found.reason
    assert "outputs of 1 prompt only" in found.reason
    assert "resampled studies. It is in" not in found.reason


def test_a_study_that_lacks_something_says_so() -> None:
    one = StudyData((config("small", "bf16"),))
    verdicts = {f.id: f.verdict for f in find_findings(one)}
    assert verdicts["scale-wins"] == verdicts["4bit-matches-8bit"] == UNTESTABLE
    assert find_findings(StudyData(())) == []


@pytest.mark.parametrize(
    ("first", "second"), [((13, 30), (4, 30)), ((16, 30), (3, 30)), ((5, 40), (9, 25))]
)
def test_the_interval_of_a_ratio(first: tuple[int, int], second: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*first, *second, compare="ratio", method="log")
    found = rate_ratio(first, second)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6)
    assert found.estimate == pytest.approx(first[0] / first[1] / (second[0] / second[1]))


def test_zero_counts_have_no_ratio_but_an_interval() -> None:
    assert rate_ratio((0, 30), (0, 30)) is None
    one_zero = rate_ratio((4, 30), (0, 30))
    assert one_zero.estimate is None
    assert one_zero.low < 1 < one_zero.high


def test_full_counts_leave_a_ratio_open() -> None:
    full = rate_ratio((3, 3), (3, 3))
    assert full.estimate == 1 and full.low < 0.8 and full.high > 1.25
    # Half an output added to every cell: 3.5 of 4 in both.
    by_hand = confint_proportions_2indep(3.5, 4, 3.5, 4, compare="ratio", method="log")
    assert (full.low, full.high) == pytest.approx(by_hand, rel=1e-6)
    wider = rate_ratio((13, 30), (4, 30), 0.99)
    assert wider.high > rate_ratio((13, 30), (4, 30)).high
