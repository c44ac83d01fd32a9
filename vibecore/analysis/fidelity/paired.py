"""Two sets of tokens over the same prompts: their mean KLDs by prompt, for tests that pair them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vibecore.analysis.stats.exact import mcnemar_exact
from vibecore.analysis.stats.verdicts import Judgement, judge_ratio
from vibecore.core.fidelity import FidelityTokens

# KLDs span powers of ten: within a quarter of each other they are alike.
MARGIN = 0.25


@dataclass(frozen=True)
class ItemSums:
    """Of each item that has any tokens: their number and the sum of their KLDs, arrays [items]."""

    names: tuple[str, ...]
    sizes: Any
    kld: Any


def item_sums(tokens: FidelityTokens) -> ItemSums:
    """The sums of one config's tokens."""
    import numpy as np

    place = np.asarray(tokens.item_of)
    sizes = np.bincount(place, minlength=len(tokens.items))
    kld = np.bincount(place, np.asarray(tokens.kld, float), minlength=len(tokens.items))
    some = np.flatnonzero(sizes)
    return ItemSums(tuple(tokens.items[i] for i in some), sizes[some].astype(float), kld[some])


@dataclass(frozen=True)
class PairedKld:
    """The items that two sets of tokens share: KLD sums and numbers of tokens, arrays [items]."""

    kld: Any
    sizes: Any
    other_kld: Any
    other_sizes: Any

    @property
    def prompts(self) -> int:
        """How many items both have."""
        return len(self.kld)

    @cached_property
    def means(self) -> tuple[float, float]:
        """Both mean KLDs over the shared items."""
        return (
            float(self.kld.sum() / self.sizes.sum()),
            float(self.other_kld.sum() / self.other_sizes.sum()),
        )

    def sign_p(self) -> float:
        """Two-sided exact sign test of "a prompt's mean is as often the larger as the smaller"."""
        import numpy as np

        gaps = self.kld / self.sizes - self.other_kld / self.other_sizes
        return mcnemar_exact(int(np.sum(gaps > 0)), int(np.sum(gaps < 0)))


def pair_up(one: FidelityTokens, other: FidelityTokens) -> PairedKld:
    """Both configs' sums over the items that both have, in the order of `one`."""
    first, second = item_sums(one), item_sums(other)
    place_of = {name: place for place, name in enumerate(second.names)}
    shared = [place for place, name in enumerate(first.names) if name in place_of]
    others = [place_of[first.names[place]] for place in shared]
    return PairedKld(
        first.kld[shared], first.sizes[shared], second.kld[others], second.sizes[others]
    )


def judge_kld(pair: PairedKld, alpha: float = 0.05, margin: float = MARGIN) -> Judgement | None:
    """The first mean KLD over the second, judged over the prompts: "worse" is further from the
    parent (see judge_ratio). None where one is zero throughout, or prompts are too few or all
    alike: there the sign test is all that there is."""
    if not pair.prompts or not min(pair.means) > 0:
        return None
    return judge_ratio(
        pair.kld,
        pair.other_kld,
        first_weights=pair.sizes,
        second_weights=pair.other_sizes,
        more_is_better=False,
        alpha=alpha,
        margin=margin,
    )
