"""Start a run that outlives whoever started it, follow it, stop it, and go on with it.

    run = launch.start(Options(family="demo", study="night"), db)
    launch.progress(run).state          # "running"
    launch.cancel(run)

A launched run is `python -m vibecore run …` in a session of its own. What is known of it is in the
state folder (its process, its log, how it ended) and in the database (what it has made).
"""

from vibecore.live.launch.estimates import ConfigEstimate, Estimate, estimate
from vibecore.live.launch.following import (
    ConfigProgress,
    RunProgress,
    progress,
    state,
    unfinished_studies,
)
from vibecore.live.launch.record import LaunchedRun, find, list_runs
from vibecore.live.launch.start import cancel, resume, start

__all__ = [
    "ConfigEstimate",
    "ConfigProgress",
    "Estimate",
    "LaunchedRun",
    "RunProgress",
    "cancel",
    "estimate",
    "find",
    "list_runs",
    "progress",
    "resume",
    "start",
    "state",
    "unfinished_studies",
]
