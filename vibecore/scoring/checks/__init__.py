"""The checks, one file a subject; each file ends with its own rows of the table of checks.

A check is one function, `check(text, *, arguments) -> Verdict`. To add one, write it in the file
of its subject and add its row to that file's `CHECKS`; `vibecore.scoring.judge` joins the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vibecore.scoring.arguments import schema_of
from vibecore.scoring.verdict import Verdict

Kind = Literal[
    "counts",
    "words",
    "letters and language",
    "places",
    "parts",
    "no loops",
    "JSON",
    "reasoning",
    "IFEval",
    "code, never executed",
    "code, run in isolation when asked to",
]
# The order in which documentation lists the kinds.
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Check:
    """One row of the table of checks.

    `function` takes the text and keyword arguments (see `arguments`) and returns a Verdict.
    A check that `runs_code` of the answer is skipped unless that was asked for. An empty answer
    fails every check but one that `judges_empty` answers itself. One with `two_readings` gives a
    strict and a loose verdict. `argument_defect` finds what a signature cannot express: it takes
    the arguments and returns (key, what is wrong) or None.
    """

    function: Callable[..., Verdict]
    kind: Kind
    runs_code: bool = False
    judges_empty: bool = False
    two_readings: bool = False
    argument_defect: Callable[..., tuple[str, str] | None] | None = None

    @property
    def name(self) -> str:
        """The name that a constraint gives: the function's."""
        return self.function.__name__

    @property
    def sentence(self) -> str:
        """What the check demands: the first paragraph of its docstring, on one line."""
        return " ".join((self.function.__doc__ or "").split("\n\n")[0].split())

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Argument name → annotation, in the order of the signature."""
        return schema_of(self.function)
