"""Load a suite, with every constraint validated by the table of checks."""

from __future__ import annotations

from pathlib import Path

from vibecore.catalog.suites import Suite, SuiteError, read_suite
from vibecore.scoring.ifeval import read_ifeval
from vibecore.scoring.judge import constraint_defect


def load_suite(name_or_path: str | Path) -> Suite:
    """Read a suite and validate its constraints; a file *.jsonl is one in IFEval's format.

    Raises SuiteError naming file, prompt and key: unknown check; missing or unknown argument;
    wrong type; bad relation or pattern; a count that can never fail.
    """
    ifeval = str(name_or_path).lower().endswith(".jsonl")
    suite = read_ifeval(Path(name_or_path)) if ifeval else read_suite(name_or_path)
    for prompt in suite.prompts:
        for number, constraint in enumerate(prompt.constraints, 1):
            defect = constraint_defect(constraint)
            if defect:
                raise SuiteError(
                    f"The suite {name_or_path} cannot be used: "
                    f'prompt "{prompt.id}", constraint {number}, {defect}.'
                )
    return suite
