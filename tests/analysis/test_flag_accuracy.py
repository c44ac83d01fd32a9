"""The labelled set: valid, varied, and compared with each flag by code."""

from __future__ import annotations

import pytest

from vibecore.analysis.flag_accuracy import (
    FLAGS,
    Labelled,
    agreement,
    measure_flags,
    read_labelled,
    score_labelled,
)
from vibecore.analysis.stats.exact import wilson_interval


def output(looping: bool, text: str = "x") -> Labelled:
    return Labelled("l", looping, None, "here", text, (1, 2))


def test_the_set_is_valid() -> None:
    outputs = read_labelled()
    assert len(outputs) >= 200
    assert len({one.id for one in outputs}) == len({one.text for one in outputs}) == len(outputs)
    looping = [one for one in outputs if one.looping]
    assert 80 <= len(looping) <= len(outputs) - 80
    for one in outputs:
        assert (one.loop_begins is not None) == one.looping, one.id
        if one.looping:
            assert 0 <= one.loop_begins < len(one.text), one.id
        assert one.source.startswith(("study ", "demo model ", "written: ")), one.id
        assert one.token_ids or not one.text, one.id


def test_an_agreement_is_counted_by_hand() -> None:
    outputs = [output(True), output(True), output(True), output(False), output(False)]
    found = agreement("flag", outputs, [True, True, False, True, False])
    assert (found.outputs, found.looping, found.flagged, found.both) == (5, 3, 3, 2)
    assert found.precision == found.recall == pytest.approx(2 / 3)
    assert found.precision_interval == wilson_interval(2, 3)
    nothing = agreement("flag", [output(False)], [False])
    assert (nothing.precision, nothing.recall, nothing.recall_interval) == (None, None, None)


def test_every_flag_is_measured_on_today_s_scores() -> None:
    outputs = read_labelled()
    scores = score_labelled(outputs)
    measured = {found.flag: found for found in measure_flags()}
    assert set(measured) == set(FLAGS)
    degenerate = measured["degenerate"]
    assert degenerate.flagged == sum(bool(score.degenerate) for score in scores)
    assert degenerate.both == sum(
        bool(score.degenerate) and one.looping for one, score in zip(outputs, scores, strict=True)
    )
    # Each flag says something: it is right more often than the share of loops in the set.
    for found in measured.values():
        assert found.precision_interval[0] > found.looping / found.outputs


def test_the_labels_are_no_flag_s_own() -> None:
    """A set that a flag agrees with throughout would have been made from it."""
    for found in measure_flags():
        assert found.precision < 1 or found.recall < 1
