"""The switch --execute-code: off by default, refused without isolation, shown where it was on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.scoring.test_sandbox import needs_isolation
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import Protocol
from vibecore.scoring import score_output
from vibecore.scoring.judge import judge
from vibecore.scoring.sandbox import Isolation, SandboxError
from vibecore.studies.plan import Options, new_plan, resumed_plan
from vibecore.studies.queries import read_outputs
from vibecore.studies.run import run_study

CODE = "```python\ndef f():\n    return 1\n```"
RUNS = Constraint("code_cases", {"entry_point": "f", "cases": [{"args": [], "expect": 1}]})
READS = Constraint("code_parses", {})
FAILS = Constraint("has_docstring", {})


def test_code_is_not_run_unless_that_is_asked_for(monkeypatch) -> None:
    monkeypatch.setattr("vibecore.scoring.checks.execution.run_calls", None)
    for text in (CODE, ""):
        result = judge(text, RUNS)
        assert (result.status, result.explanation) == (
            "skipped",
            "code is not run: add --execute-code",
        )


def refuse(*_: object) -> None:
    raise SandboxError("no walls here")


def test_without_isolation_it_is_an_error_with_the_reason(monkeypatch) -> None:
    monkeypatch.setattr("vibecore.scoring.checks.execution.run_calls", refuse)
    result = judge(CODE, RUNS, execute_code=True)
    assert (result.status, result.explanation) == ("error", "the code was not run: no walls here")


@pytest.mark.parametrize(
    ("constraints", "execute", "adherent", "met", "judged"),
    [
        ((READS, RUNS), False, True, 1, 1),
        ((READS, FAILS, RUNS), False, False, 1, 2),
        ((RUNS,), False, None, 0, 0),
        ((READS, RUNS), True, None, 1, 1),
        ((), False, None, 0, 0),
    ],
)
def test_skipped_constraints_leave_the_verdict_to_the_others(
    monkeypatch, constraints, execute, adherent, met, judged
) -> None:
    monkeypatch.setattr("vibecore.scoring.checks.execution.run_calls", refuse)
    prompt = Prompt("p", "code", "Write f.", constraints)
    score = score_output(prompt, CODE, execute_code=execute)
    assert (score.adherent, score.constraints_met) == (adherent, met)
    assert (score.constraints_judged, score.constraints_total) == (judged, len(constraints))


def test_a_run_with_execution_is_refused_where_there_is_no_isolation(monkeypatch, db) -> None:
    monkeypatch.setattr(
        "vibecore.scoring.sandbox.isolation.find_isolation", lambda: Isolation(None, "it is a Mac")
    )
    options = Options(family="demo", execute_code=True)
    with pytest.raises(InputError, match="there is none here: it is a Mac"):
        new_plan(options, db)
    assert new_plan(Options(family="demo"), db).protocol.execute_code is False


@needs_isolation
def test_a_plan_says_that_code_is_run_where_the_suite_has_code_to_run(db) -> None:
    asked = Options(family="demo", execute_code=True)
    assert new_plan(asked, db).protocol.execute_code is True
    suite = str(PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml")
    assert new_plan(replace(asked, suite=suite), db).protocol.execute_code is False


@needs_isolation
def test_score_runs_code_from_the_command_line_when_asked(tmp_path: Path) -> None:
    code = "def is_palindrome(s):\n    '''Check.'''\n    if not s: return True\n    return False"
    responses = tmp_path / "responses.jsonl"
    responses.write_text(json.dumps({"prompt_id": "code_001", "text": code}) + "\n")

    def status(*options: str) -> tuple[str, str, bool]:
        command = [sys.executable, "-m", "vibecore", "score", "--suite", "vibe30"]
        command += ["--responses", str(responses), *options]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        row = json.loads(done.stdout)
        last = row["constraints"][-1]
        return last["status"], last["explanation"], row["adherent"]

    assert status() == ("skipped", "code is not run: add --execute-code", True)
    failed, explanation, adherent = status("--execute-code")
    assert (failed, adherent) == ("fail", False)
    assert "is_palindrome('racecar'): returned False, wanted True" in explanation


SUITE = """
name: one
title: One prompt
description: A suite whose only prompt runs code.
prompts:
  - id: code_001
    category: code
    prompt: Write a function f that returns its argument.
    constraints:
      - {check: code_cases, entry_point: f, cases: [{args: [3], expect: 3}]}
"""


@pytest.fixture
def asked(tmp_path: Path, fake_worker) -> Options:
    """What a run of that suite is asked with; its answer is right."""
    fake_worker.answer = lambda config, prompt: "def f(x):\n    return x\n"
    suite = tmp_path / "one.yaml"
    suite.write_text(SUITE)
    return Options(configs=("1M-bf16",), study="s", suite=str(suite), device="cpu")


def run(options: Options, db: Path) -> tuple[str, bool | None]:
    """The status of the one constraint, and whether the output is adherent."""
    run_study(new_plan(options, db), lambda event: None)
    row = read_outputs(db, "s")[0]
    return row.constraints[0].status, row.adherent


@needs_isolation
def test_a_run_judges_by_execution_and_its_study_says_so(db, asked) -> None:
    assert run(replace(asked, execute_code=True), db) == ("pass", True)
    assert resumed_plan(Options(study="s"), db).protocol.execute_code is True


@needs_isolation
def test_a_study_made_without_execution_is_not_resumed_with_it(db, asked) -> None:
    assert run(asked, db) == ("skipped", None)
    with pytest.raises(InputError, match="another value of --execute-code"):
        resumed_plan(Options(study="s", execute_code=True), db)


def test_pages_say_when_code_was_run() -> None:
    from vibecore.views.study_facts import study_facts

    study = SimpleNamespace(
        **dict.fromkeys(("source", "suite", "hardware"), "x"),
        **dict.fromkeys(("prompt_count", "complete", "failed", "configs"), 0),
        created_at=None,
    )
    for protocol, code in (
        (Protocol(execute_code=True), "run in a sandbox"),
        (Protocol(), None),
        (None, None),
    ):
        study.protocol = protocol
        assert study_facts(study).get("code") == code
