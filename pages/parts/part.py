"""The controls that say which configs of a study with many a page shows."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.parts import address, frame
from vibecore.analysis import SweetSpot
from vibecore.analysis.metrics import ConfigMetrics, Metric
from vibecore.views import shown_configs
from vibecore.views.shown_configs import NEAREST, Shown, Wanted

# The largest number of a part that an address may name.
MOST_PARTS = 1_000_000


def parameters(
    rows: Sequence[ConfigMetrics], metrics: Sequence[Metric]
) -> dict[str, address.Parameter]:
    """What a page's address has for these configs, which have these metrics; nothing where all are
    shown."""
    if not shown_configs.offers(rows):
        return {}
    return {
        "named": address.text(),
        "order": address.one_of(list(shown_configs.orders(metrics)), NEAREST),
        "part": address.number(1, MOST_PARTS, 1, int),
    }


def choose(rows: Sequence[ConfigMetrics], metrics: Sequence[Metric], spot: SweetSpot) -> Shown:
    """The configs to show, by controls of which there are none where all are shown. The parameters
    have been read from the address."""
    if not shown_configs.offers(rows):
        return shown_configs.show_all(rows)
    words = shown_configs.orders(metrics)
    with st.container(key="part-row"):
        name, order, number = st.columns([2, 2, 1])
    named = name.text_input(
        "Configs whose names have",
        key="named",
        placeholder="any words",
        on_change=_first_part,
    )
    chosen = order.selectbox(
        "Order",
        list(words),
        format_func=words.__getitem__,
        key="order",
        on_change=_first_part,
        help="Nearest to the choice: the choice itself; then what fits and was not worse, the "
        "fastest first; then the rest, by how nearly it was not worse.",
    )
    last = shown_configs.parts(len(shown_configs.find_named(rows, named)))
    # A number from an address, or from before the names were limited, may be beyond the last.
    st.session_state["part"] = min(st.session_state["part"], last)
    part = number.number_input(f"Part, of {last}", min_value=1, max_value=last, step=1, key="part")
    shown = shown_configs.show_part(rows, Wanted(named, chosen, part), spot)
    frame.show_note(shown.sentence())
    return shown


def _first_part() -> None:
    st.session_state["part"] = 1
