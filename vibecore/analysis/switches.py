"""What would change the choice: the nearest value of each threshold at which another takes over.

The rule's answer changes only at a config's memory or mean KLD, at a ratio of two speeds, or at a
p-value, so those are walked, outwards from the threshold in force, until the answer differs.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from vibecore.analysis.rule import Rule, apply
from vibecore.analysis.sweet_spot import Observed, SweetSpot
from vibecore.core import formats
from vibecore.core.machine import GIB

# control -> what a person calls it
CONTROLS = {
    "cap": "Memory cap",
    "floor": "Speed floor",
    "alpha": "Significance level α",
    "kld": "KLD cap",
}
LARGEST_ALPHA = 0.5
# Steps that differ by less are alike.
ROUNDING = 1e-6
# control -> its field of Rule
FIELDS = {"cap": "vram_gib", "floor": "speed_floor", "alpha": "alpha", "kld": "kld_cap"}


@dataclass(frozen=True)
class Switch:
    """At `threshold` of `control` the answer becomes `config` (None: no sweet spot).

    `direction` is `up` or `down` from the threshold in force; `distance` is how far that is, None
    where no threshold is in force. `at` says where in words, rounded so that it holds as written.
    Memory caps are in GiB, KLD caps in nats, floors and α shares.
    """

    control: str
    direction: str
    threshold: float
    config: str | None
    distance: float | None
    at: str

    def sentence(self) -> str:
        """The switch in words."""
        answer = f"{self.config} takes over" if self.config else "there is no sweet spot"
        return f"{self.at}, {answer}"


def switch_sentences(switches: Sequence[Switch], rule: Rule) -> list[str]:
    """One sentence a control (see sentences_by_control)."""
    return list(sentences_by_control(switches, rule).values())


def sentences_by_control(switches: Sequence[Switch], rule: Rule) -> dict[str, str]:
    """A sentence for each of CONTROLS: what is in force, and where the answer changes. The KLD cap
    has one only where the rule asks about it, or where it would change something."""
    now = {
        "cap": "none" if rule.vram_gib is None else f"{rule.vram_gib:g} GiB",
        "floor": f"{100 * rule.speed_floor:g} %",
        "alpha": f"{rule.alpha:g}",
        "kld": "none" if rule.kld_cap is None else f"{formats.divergence(rule.kld_cap)} nats",
    }
    sentences = {}
    for control, name in CONTROLS.items():
        mine = [switch.sentence() for switch in switches if switch.control == control]
        if control == "kld" and rule.kld_cap is None and not mine:
            continue
        changes = "; ".join(mine) or "no other value changes the answer"
        sentences[control] = f"{name} (now {now[control]}): {changes}."
    return sentences


def find_switches(study: Observed, rule: Rule, spot: SweetSpot) -> tuple[Switch, ...]:
    """The nearest switch below and above, for each of CONTROLS, where there is one."""
    if not study.rows:
        return ()
    # What each config needs of a cap; a parent passes any on KLD.
    limits = {
        "cap": {row.fit_bytes / GIB for row in study.rows if row.fit_bytes is not None},
        "kld": {row.mean_kld for row in study.rows if row.config != row.parent and row.mean_kld},
    }
    shares = {
        "floor": {ratio for ratio in spot.speed_shares.values() if ratio < 1},
        # A larger α is no level to decide at.
        "alpha": {one.p for one in spot.comparisons if one.p <= LARGEST_ALPHA},
    }
    found: list[Switch] = []
    for control, needs in limits.items():
        if not needs:
            continue
        # A cap of just what a config needs admits it: the answer holds from one to the next.
        edges, now = sorted(needs), getattr(rule, FIELDS[control])
        inside = [edges[0] / 2, *edges]
        here = bisect_right(edges, math.inf if now is None else now)
        found += _walk(study, rule, spot.config, control, edges, inside, here)
    for control, points in shares.items():
        # A config at just the threshold stays in: the answer holds over (point, next point].
        edges = [0.0, *sorted(points), 1.0]
        inside = [sum(ends) / 2 for ends in pairwise(edges)]
        here = bisect_left(edges[1:-1], getattr(rule, FIELDS[control]))
        found += _walk(study, rule, spot.config, control, edges[1:-1], inside, here)
    return tuple(found)


def _walk(
    study: Observed,
    rule: Rule,
    now: str | None,
    control: str,
    edges: Sequence[float],
    inside: Sequence[float],
    here: int,
) -> Iterator[Switch]:
    """The nearest range of a control on either side that has another answer than `now`.

    `edges` divide the control's values into ranges, one more than edges; `inside` has a value of
    each, and `here` is the place of the range that the rule is in.
    """
    value: float | None = getattr(rule, FIELDS[control])
    ranges = {"down": range(here - 1, -1, -1), "up": range(here + 1, len(inside))}
    for direction, places in ranges.items():
        for place in places:
            at = replace(rule, **{FIELDS[control]: inside[place]})
            chosen = int(apply(study, at).choice[0])
            answer = study.rows[chosen].config if chosen >= 0 else None
            if answer != now:
                edge = edges[place if direction == "down" else place - 1]
                distance = None if value is None else abs(edge - value)
                words = _words(control, direction, edge)
                yield Switch(control, direction, edge, answer, distance, words)
                break


def _words(control: str, direction: str, edge: float) -> str:
    """Where a switch is, to the last digit that it is written with: the value given has the other
    answer, the next one has not."""
    if control in ("cap", "kld"):
        write = _gib if control == "cap" else _nats
        if direction == "down":
            return f"at {write(edge, lambda steps: math.ceil(steps - ROUNDING) - 1)} or less"
        return f"from {write(edge, lambda steps: math.ceil(steps - ROUNDING))} on"
    if direction == "down":
        return f"at {_share(control, edge, lambda steps: math.floor(steps + ROUNDING))} or less"
    return f"above {_share(control, edge, lambda steps: math.ceil(steps - ROUNDING))}"


def _gib(size: float, round_to: Callable[[float], int]) -> str:
    """A size as formats.memory writes it, in whole steps of its last digit."""
    unit = GIB / 100 if size >= 0.1 else GIB / 1024 / 10
    steps = round_to(size * GIB / unit)
    return f"{steps / 100:.2f} GiB" if size >= 0.1 else f"{steps / 10:.1f} MiB"


def _nats(kld: float, round_to: Callable[[float], int]) -> str:
    """A KLD as formats.divergence writes it, in whole steps of its last digit."""
    digits = 2 - math.floor(math.log10(kld))
    if round_to(kld * 10**digits) < 100:
        # Just below a power of ten there is a digit more.
        digits += 1
    return f"{formats.divergence(round_to(kld * 10**digits) / 10**digits)} nats"


def _share(control: str, share: float, round_to: Callable[[float], int]) -> str:
    if control == "floor":
        return f"{round_to(share * 1000) / 10:.1f} %"
    digits = 2 - math.floor(math.log10(share))
    return f"{round_to(share * 10**digits) / 10**digits:.3g}"
