"""The table of checks, joined from the files of `checks/`; constraints validated and judged."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.rows import VerdictRow
from vibecore.scoring.arguments import find_defect
from vibecore.scoring.checks import (
    Check,
    answers,
    code,
    execution,
    format,
    json_answers,
    letters,
    marks,
    text,
)
from vibecore.scoring.ifeval import check as ifeval
from vibecore.scoring.sandbox import SandboxError
from vibecore.scoring.text.reasoning import answer_of
from vibecore.scoring.text.words import has_visible
from vibecore.scoring.verdict import Undecided

# A check's name → its row, in the order that documentation and error messages list them.
CHECKS: dict[str, Check] = {
    check.name: check
    for subject in (text, format, marks, letters, json_answers, answers, code, execution, ifeval)
    for check in subject.CHECKS
}
# The names of the checks that run the answer's code.
EXECUTING = frozenset(name for name, check in CHECKS.items() if check.runs_code)
# The names of the checks that parse the answer's code, or run it.
READS_CODE = EXECUTING | {check.name for check in code.CHECKS}


def runs_code(prompts: Iterable[Prompt]) -> bool:
    """Whether any constraint of the prompts runs an answer's code."""
    return any(c.check in EXECUTING for prompt in prompts for c in prompt.constraints)


def constraint_defect(constraint: Constraint) -> str | None:
    """What is wrong with a constraint: its check, or the key and value; None when it is valid."""
    check = CHECKS.get(constraint.check)
    if check is None:
        return f'key "check": "{constraint.check}" is unknown; allowed: {", ".join(CHECKS)}'
    defect = find_defect(check.function, constraint.arguments)
    if defect is None and check.argument_defect is not None:
        defect = check.argument_defect(**constraint.arguments)
    return f'({constraint.check}) key "{defect[0]}" {defect[1]}' if defect else None


def judge(
    answer: str, constraint: Constraint, *, execute_code: bool = False, cut: bool = False
) -> VerdictRow:
    """Judge an answer by one constraint; `cut`: the token limit ended it, not the model.

    Reasoning that the text begins with is not judged (see `text.reasoning`). A check that runs code
    is "skipped" unless `execute_code`, and then an "error" where code cannot be isolated: it is
    never run without isolation. An empty answer fails. A check that raises, does not exist or does
    not take these arguments gives "error", which is neither a pass nor a fail; nothing is raised.
    """
    return judge_answer(answer_of(answer), constraint, execute_code=execute_code, cut=cut)


def judge_answer(
    answer: str, constraint: Constraint, *, execute_code: bool = False, cut: bool = False
) -> VerdictRow:
    """`judge` for a text in which no reasoning is left."""
    check = CHECKS.get(constraint.check)
    result = partial(VerdictRow, constraint.check, constraint.arguments, cut=False)
    if check is not None and check.runs_code and not execute_code:
        return result("skipped", None, "code is not run: add --execute-code")
    if (check is None or not check.judges_empty) and not has_visible(answer):
        return result("fail", None, "the answer is empty", cut=cut)
    if check is None:
        return result("error", None, f'there is no check named "{constraint.check}"')
    try:
        function = check.when_cut if cut and check.when_cut else check.function
        verdict = function(answer, **constraint.arguments)
    except Exception as error:  # a check must never stop a study
        return result("error", "error" if check.two_readings else None, _reason(error))
    loose = None if verdict.passed_loose is None else _status(verdict.passed_loose)
    decided_by_cut = cut and check.may_turn(verdict)
    return result(_status(verdict.passed), loose, verdict.explanation, cut=decided_by_cut)


def _status(passed: bool) -> str:
    return "pass" if passed else "fail"


def _reason(error: Exception) -> str:
    if isinstance(error, Undecided):
        return str(error)
    if isinstance(error, SandboxError):
        return f"the code was not run: {error}"
    message = " ".join(str(error).split())[:200]
    return f"the check failed: {type(error).__name__}: {message}"
