"""What would change the choice: the nearest value of each threshold at which another takes over.

The rule's answer changes only at a config's memory, at a ratio of two speeds, or at a p-value, so
those are walked, outwards from the threshold in force, until the answer differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vibecore.analysis.rule import Rule, apply
from vibecore.analysis.sweet_spot import Observed, SweetSpot
from vibecore.core.machine import GIB

# control -> what a person calls it
CONTROLS = {"cap": "Memory cap", "floor": "Speed floor", "alpha": "Significance level α"}


@dataclass(frozen=True)
class Switch:
    """At `threshold` of `control` the answer becomes `config` (None: no sweet spot).

    `direction` is `up` or `down` from the threshold in force; `distance` is how far that is, None
    where no threshold is in force. `at` says where in words, rounded so that it holds as written.
    Caps are in GiB, floors and α shares.
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
    """One sentence a control: what is in force, and where the answer changes."""
    now = {
        "cap": "none" if rule.vram_gib is None else f"{rule.vram_gib:g} GiB",
        "floor": f"{100 * rule.speed_floor:g} %",
        "alpha": f"{rule.alpha:g}",
    }
    sentences = []
    for control, name in CONTROLS.items():
        mine = [switch.sentence() for switch in switches if switch.control == control]
        changes = "; ".join(mine) or "no other value changes the answer"
        sentences.append(f"{name} (now {now[control]}): {changes}.")
    return sentences


def find_switches(study: Observed, rule: Rule, spot: SweetSpot) -> tuple[Switch, ...]:
    """The nearest switch below and above, for memory cap, speed floor and α, where there is one."""

    def choose(changed: Rule) -> str | None:
        place = int(apply(study, changed).choice[0])
        return study.rows[place].config if place >= 0 else None

    found: list[Switch] = []
    if not study.rows:
        return ()
    sizes = sorted({row.memory_bytes / GIB for row in study.rows if row.memory_bytes is not None})
    found += _cap_switches(
        sizes, rule.vram_gib, lambda cap: choose(replace(rule, vram_gib=cap)), spot.config
    )
    found += _share_switches(
        "floor",
        sorted({ratio for ratio in spot.speed_shares.values() if ratio < 1}),
        rule.speed_floor,
        lambda floor: choose(replace(rule, speed_floor=floor)),
        spot.config,
    )
    found += _share_switches(
        "alpha",
        sorted({c.p for c in spot.comparisons if c.p < 1}),
        rule.alpha,
        lambda alpha: choose(replace(rule, alpha=alpha)),
        spot.config,
    )
    return tuple(found)


def _cap_switches(
    sizes: list[float],
    cap: float | None,
    choose: Callable[[float | None], str | None],
    now: str | None,
) -> list[Switch]:
    """A cap of just a config's size admits it, so the answer holds from one size to the next."""
    found = []
    below = [size for size in sizes if cap is None or size <= cap]
    for place in range(len(below) - 1, -1, -1):
        # Under this size: the caps from the size before it on.
        caps = below[place - 1] if place else below[0] / 2
        answer = choose(caps)
        if answer != now:
            far = None if cap is None else cap - below[place]
            words = f"under {_gib(below[place], math.floor)}"
            found.append(Switch("cap", "down", below[place], answer, far, words))
            break
    for size in sizes:
        if cap is not None and size > cap and (answer := choose(size)) != now:
            words = f"from {_gib(size, math.ceil)} on"
            found.append(Switch("cap", "up", size, answer, size - cap, words))
            break
    return found


def _share_switches(
    control: str,
    points: list[float],
    value: float,
    choose: Callable[[float], str | None],
    now: str | None,
) -> list[Switch]:
    """A config at just the threshold stays in, so the answer holds over (point, next point]."""
    edges = [0.0, *points, 1.0]
    here = next(i for i in range(len(edges) - 1) if value <= edges[i + 1])
    found = []
    for i in range(here - 1, -1, -1):
        answer = choose((edges[i] + edges[i + 1]) / 2)
        if answer != now:
            words = f"at {_share(control, edges[i + 1], math.floor)} or less"
            found.append(Switch(control, "down", edges[i + 1], answer, value - edges[i + 1], words))
            break
    for i in range(here + 1, len(edges) - 1):
        answer = choose((edges[i] + edges[i + 1]) / 2)
        if answer != now:
            words = f"above {_share(control, edges[i], math.ceil)}"
            found.append(Switch(control, "up", edges[i], answer, edges[i] - value, words))
            break
    return found


def _gib(size: float, round_to: Callable[[float], int]) -> str:
    """A size as formats.memory writes it, rounded to where the words hold."""
    unit = GIB / 100 if size >= 0.1 else GIB / 1024 / 10
    steps = round_to(size * GIB / unit)
    return f"{steps / 100:.2f} GiB" if size >= 0.1 else f"{steps / 10:.1f} MiB"


def _share(control: str, share: float, round_to: Callable[[float], int]) -> str:
    if control == "floor":
        return f"{round_to(share * 1000) / 10:.1f} %"
    digits = 2 - math.floor(math.log10(share))
    return f"{round_to(share * 10**digits) / 10**digits:.3g}"
