"""What an attack came to: how often it was tried, and what was counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# What must never happen; anything else that is counted is only told.
FAULTS = (
    "lost",
    "doubled",
    "changed",
    "stuck",
    "left running",
    "traceback",
    "crash",
    "hang",
    "wrong in silence",
    "raw control character",
    "written elsewhere",
    "escape",
    "false pass",
    "let in",
    "memory kept",
    "error",
)
MOST_TOLD = 8


@dataclass
class Figures:
    """One kind of attack. `told` says of each fault what was done and what came of it."""

    attack: str
    tries: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        """A figure that is no count, shown with what came of it."""
        self.notes.append(words)

    def count(self, what: str, how: str = "") -> None:
        """One more of `what`; `how` it was made is told where it is a fault."""
        self.counted[what] += 1
        if what in FAULTS and len(self.told) < MOST_TOLD:
            self.told.append(f"{self.attack}: {what}: {how}")

    @property
    def faults(self) -> int:
        """How much of what was counted must never happen."""
        return sum(self.counted[fault] for fault in FAULTS)

    def row(self) -> dict[str, object]:
        """The figures as a row of a table."""
        counted = [f"{self.counted[name]} {name}" for name in self.counted if name not in FAULTS]
        faults = [f"{self.counted[name]} {name}" for name in FAULTS if self.counted[name]]
        return {
            "attack": self.attack,
            "tries": self.tries,
            "faults": ", ".join(faults) or "0",
            "what came of it": ", ".join([*counted, *self.notes]),
            "seconds": round(self.seconds),
        }
