"""Rescoring: stored outputs, today's scorers, one short transaction a batch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import vibecore.studies.rescore
from vibecore import store
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import InputError
from vibecore.core.records import Protocol
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.studies import queries
from vibecore.studies.rescore import rescore, versions_note

PROMPT = Prompt("p1", "creative", "Say hi.", (Constraint("starts_with", {"prefix": "hi"}),))
PROMPTS = tuple(replace(PROMPT, id=f"p{number}") for number in range(5))
STUDY = store.NewStudy("s", "measured", "S", "suite", PROMPTS, 5, Protocol())
RUN = store.NewRun("1M-bf16", "1M", "bf16", "demo/1M", "demo")
LOOP = "hi " + "and on and on " * 30


def make(db: Path, *, version: int = 1, protocol: Protocol | None = None) -> int:
    """A study of five outputs whose scores are of another version, and wrong."""
    study = replace(STUDY, protocol=protocol or Protocol())
    wrong = score_output(PROMPT, "no")
    rows = [
        (
            prompt.id,
            {"text": LOOP, "token_ids": [5, *[1, 2] * 10, 9], "finish_reason": "eos"},
            wrong,
        )
        for prompt in PROMPTS
    ]
    with store.writing(db) as connection:
        run_id = store.create_study(connection, study, [RUN])["1M-bf16"]
        store.add_generations(connection, run_id, 0, rows, version)
        connection.execute("UPDATE score SET degenerate = NULL, refusal = NULL")
    return run_id


def by_measure(rows: list[dict]) -> dict[str, tuple]:
    return {row["measure"]: (row["before"], row["after"]) for row in rows}


def test_scores_and_verdicts_become_today_s(db: Path) -> None:
    make(db)
    changed = by_measure(rescore(db, "s"))
    assert changed["scorer version"] == ("1", str(SCORER_VERSION))
    assert changed["outputs"] == (5, 5)
    assert changed["repetitive"] == (0, 5)
    assert changed["degenerate"] == (None, 5)
    assert changed["constraints: pass"] == (0, 5)
    assert changed["constraints: fail"] == (5, 0)
    rows = queries.read_outputs(db, "s")
    wanted = score_output(PROMPT, LOOP, [5, *[1, 2] * 10])
    for row in rows:
        assert row.scorer_version == SCORER_VERSION
        # The end token is left out, as when an output is first scored.
        assert (row.loop_onset, row.loop_period) == (1, 2)
        assert row.duplicates == wanted.duplicates
        assert tuple(row.degenerate_by) == wanted.degenerate_by
        assert [c.status for c in row.constraints] == ["pass"]
        assert row.text == LOOP


def test_doing_it_twice_changes_nothing_more(db: Path) -> None:
    make(db)
    rescore(db, "s")
    before = queries.read_outputs(db, "s")
    assert all(row["before"] == row["after"] for row in rescore(db, "s")[1:])
    assert queries.read_outputs(db, "s") == before


def test_a_stopped_rescoring_is_finished_by_the_next(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(db)
    monkeypatch.setattr(vibecore.studies.rescore, "OUTPUTS_AT_ONCE", 2)
    scored = []

    def stop_at_the_fourth(*arguments: object, **options: object) -> object:
        if len(scored) == 3:
            raise KeyboardInterrupt
        scored.append(1)
        return score_output(*arguments, **options)

    monkeypatch.setattr(vibecore.studies.rescore, "score_output", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        rescore(db, "s")
    versions = [row.scorer_version for row in queries.read_scores(db, "s")]
    assert sorted(versions) == [1, 1, 1, SCORER_VERSION, SCORER_VERSION]
    assert "may not compare" in versions_note(queries.read_runs(db, "s"), "s")
    monkeypatch.undo()
    rescore(db, "s")
    assert {row.scorer_version for row in queries.read_scores(db, "s")} == {SCORER_VERSION}
    assert versions_note(queries.read_runs(db, "s"), "s") is None


def test_texts_are_read_in_parts_and_scored_in_the_order_of_the_study(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make(db)
    with store.writing(db) as connection:
        study = store.read_study(connection, "s")
        other = replace(RUN, config="1M-4bit", precision="4bit")
        second = store.add_runs(connection, study.study_id, [other])["1M-4bit"]
        # Stored in another order than the suite's, one prompt with two samples, one without text.
        for place, (prompt, sample, text) in enumerate(
            [("p3", 0, "hi"), ("p0", 1, "hi"), ("p0", 0, "hi"), ("p1", 0, None)]
        ):
            row = (prompt, {"text": text, "sample": sample}, text and score_output(PROMPT, "no"))
            store.add_generations(connection, second, place, [row], 1)
    monkeypatch.setattr(vibecore.studies.rescore, "OUTPUTS_AT_ONCE", 2)
    read: list[tuple[int, list[tuple[str, int]]]] = []
    read_texts = store.read_texts

    def noted(connection: object, run_id: int, keys: list[tuple[str, int]]) -> object:
        read.append((run_id, keys))
        return read_texts(connection, run_id, keys)

    monkeypatch.setattr(store, "read_texts", noted)
    rescore(db, "s")
    assert read == [
        (run_id, [("p0", 0), ("p1", 0)]),
        (run_id, [("p2", 0), ("p3", 0)]),
        (run_id, [("p4", 0)]),
        (second, [("p0", 0), ("p0", 1)]),
        (second, [("p3", 0)]),
    ]
    assert {row.scorer_version for row in queries.read_scores(db, "s")} == {SCORER_VERSION}


def test_other_studies_are_left_alone(db: Path) -> None:
    make(db)
    with store.writing(db) as connection:
        other = store.create_study(connection, replace(STUDY, name="t"), [RUN])["1M-bf16"]
        rows = [("p0", {"text": "no"}, score_output(PROMPT, "no"))]
        store.add_generations(connection, other, 0, rows, 1)
    rescore(db, "s")
    assert [row.scorer_version for row in queries.read_scores(db, "t")] == [1]


def test_what_cannot_be_rescored_is_said(db: Path) -> None:
    with pytest.raises(InputError, match="no study 'x'"):
        rescore(db, "x")
    with store.writing(db) as connection:
        run_id = store.create_study(connection, STUDY, [RUN])["1M-bf16"]
        store.add_generations(connection, run_id, 0, [("p0", {"text": None}, None)], 1)
    assert rescore(db, "s") == []


def test_verdicts_on_run_code_are_not_dropped_in_silence(db: Path) -> None:
    make(db)
    with store.writing(db) as connection:
        connection.execute("UPDATE study SET protocol = ?", [json.dumps({"execute_code": True})])
    with pytest.raises(InputError, match="--execute-code"):
        rescore(db, "s")
    assert {row.scorer_version for row in queries.read_scores(db, "s")} == {1}
    rescore(db, "s", execute_code=True)
    assert {row.scorer_version for row in queries.read_scores(db, "s")} == {SCORER_VERSION}


def run(first: int | None, last: int | None) -> SimpleNamespace:
    return SimpleNamespace(scorer_version=first, newest_scorer_version=last)


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([], None),
        ([run(None, None)], None),
        ([run(SCORER_VERSION, SCORER_VERSION)], None),
        ([run(1, 1)], "rescore --study s"),
        ([run(1, SCORER_VERSION)], "may not compare"),
        ([run(1, 1), run(SCORER_VERSION, SCORER_VERSION)], "may not compare"),
        ([run(SCORER_VERSION + 1, SCORER_VERSION + 1)], "newer than this Vibe check"),
    ],
)
def test_a_note_says_which_scorer_it_was(runs: list[dict], says: str | None) -> None:
    note = versions_note(runs, "s")
    assert note is None if says is None else says in note


def test_the_command_prints_what_changed(db: Path) -> None:
    make(db)
    command = [sys.executable, "-m", "vibecore", "rescore", "--study", "s", "--db", str(db)]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    changed = by_measure(json.loads(done.stdout))
    assert changed["scorer version"] == ("1", str(SCORER_VERSION))
    assert changed["repetitive"] == (0, 5)
    unknown = subprocess.run([*command[:-3], "x", *command[-2:]], capture_output=True, text=True)
    assert unknown.returncode == 2
    assert "no study 'x'" in unknown.stderr


def test_every_change_is_listed_once(db: Path) -> None:
    make(db)
    changes = []
    rescore(db, "s", changes=changes)
    [verdict, *flags] = [one for one in changes if one.prompt_id == "p0"]
    assert (verdict.config, verdict.kind, verdict.check) == ("1M-bf16", "verdict", "starts_with")
    assert (verdict.before, verdict.after, verdict.cut) == ("fail", "pass", False)
    assert verdict.explanation != verdict.explanation_before
    assert {one.kind for one in flags} == {"flag"}
    turned = {one.check: (one.before, one.after) for one in flags}
    assert turned["repetitive"] == turned["loops"] == turned["adherent"] == ("no", "yes")
    assert turned["broken"] == ("no", "yes")
    assert turned["degenerate"] == ("no verdict", "yes")
    assert {one.prompt_id for one in changes} == {prompt.id for prompt in PROMPTS}
    again = []
    rescore(db, "s", changes=again)
    assert again == []


@pytest.mark.parametrize("format", ["table", "json", "csv", "md"])
def test_the_command_lists_changes(db: Path, format: str) -> None:
    make(db)
    command = [sys.executable, "-m", "vibecore", "rescore", "--study", "s", "--db", str(db)]
    command += ["--changes", "--format", format]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert re.fullmatch(r"5 verdicts and \d+ flags of 's' changed\.", done.stderr.strip())
    if format == "json":
        first = json.loads(done.stdout)[0]
        assert (first["prompt_id"], first["before"], first["after"]) == ("p0", "fail", "pass")
    assert "starts_with" in done.stdout.replace("\\", "")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.stderr.strip() == "0 verdicts and 0 flags of 's' changed."
    assert again.stdout.strip() in ("[]", "Nothing to show.", "", "|  |\n|  |")
