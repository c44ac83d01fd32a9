"""The playground: a prompt sent to any config, apart from any study; nothing is stored.

`playground.Playground` runs sessions on warm workers, `request` is what is asked for, `session`
its progress, `cards` how that is shown. Nothing of Streamlit is in here.
"""

from vibecore.live.playground.playground import Playground
from vibecore.live.playground.request import (
    MOST_CONFIGS,
    Request,
    choose_configs,
    make_request,
    own_prompt,
    suite_prompt,
)
from vibecore.live.playground.session import Pane, Session

__all__ = [
    "MOST_CONFIGS",
    "Pane",
    "Playground",
    "Request",
    "Session",
    "choose_configs",
    "make_request",
    "own_prompt",
    "suite_prompt",
]
