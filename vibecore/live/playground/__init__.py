"""The live panel: a prompt tried on any config, apart from any study.

`manager.Panel` runs tries, `wish` says what is wanted, `tries` what has become of it, `cards`
how it is shown. Nothing of Streamlit is in here.
"""

from vibecore.live.playground.manager import Panel
from vibecore.live.playground.tries import Pane, Try
from vibecore.live.playground.wish import (
    MOST_CONFIGS,
    Wish,
    choose_configs,
    make_wish,
    own_prompt,
    suite_prompt,
)

__all__ = [
    "MOST_CONFIGS",
    "Pane",
    "Panel",
    "Try",
    "Wish",
    "choose_configs",
    "make_wish",
    "own_prompt",
    "suite_prompt",
]
