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
# What more text could do to a verdict: mend a fail, break a pass, either, or nothing.
Longer = Literal["mends", "breaks", "either", "nothing"]


def turns(longer: Longer, verdict: Verdict) -> bool:
    """Whether more text could give the other verdict: as the verdict says, else by `longer`."""
    if verdict.open is not None:
        return verdict.open
    return longer in ("either", "breaks" if verdict.passed else "mends")


@dataclass(frozen=True)
class Check:
    """One row of the table of checks.

    `function` takes the text and keyword arguments (see `arguments`) and returns a Verdict.
    A check that `runs_code` of the answer is skipped unless that was asked for. An empty answer
    fails every check but one that `judges_empty` answers itself. One with `two_readings` gives a
    strict and a loose verdict. `argument_defect` finds what a signature cannot express: it takes
    the arguments and returns (key, what is wrong) or None.

    `longer` is what the rest of an answer that the token limit cut off could do to the verdict,
    where the verdict itself does not say (`Verdict.open`): a fail for want of something is one that
    more text mends; a pass on a total, or on how the answer ends, one that it breaks. A pass
    because nothing forbidden was found stands: what was written was judged. `when_cut` is the
    function for such an answer, with the same arguments, where only what is complete is judged.

    The function's docstring is the documentation: its first paragraph says what the check demands,
    the others what it accepts, and a last line `Source: …` where the rule comes from.
    """

    function: Callable[..., Verdict]
    kind: Kind
    runs_code: bool = False
    judges_empty: bool = False
    two_readings: bool = False
    argument_defect: Callable[..., tuple[str, str] | None] | None = None
    longer: Longer = "nothing"
    when_cut: Callable[..., Verdict] | None = None

    def may_turn(self, verdict: Verdict) -> bool:
        """Whether more text could give the other verdict."""
        return turns(self.longer, verdict)

    @property
    def name(self) -> str:
        """The name that a constraint gives: the function's."""
        return self.function.__name__

    @property
    def sentence(self) -> str:
        """What the check demands: the first paragraph of its docstring, on one line."""
        return self._documented[0]

    @property
    def accepts(self) -> str:
        """What the check accepts, on one line; "" where the demand says it all."""
        return self._documented[1]

    @property
    def source(self) -> str:
        """Where the check's rule comes from; "" where it is ours."""
        return self._documented[2]

    @property
    def _documented(self) -> tuple[str, str, str]:
        body, _, source = (self.function.__doc__ or "").partition("Source:")
        demand, _, accepts = body.partition("\n\n")
        return " ".join(demand.split()), " ".join(accepts.split()), " ".join(source.split())

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Argument name → annotation, in the order of the signature."""
        return schema_of(self.function)
