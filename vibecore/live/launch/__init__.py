"""Start a run that outlives the process that started it, follow it, cancel it and resume it.

    run = launch.start(Options(family="demo", study="night"), db)
    launch.read_progress(run).state     # "running"
    launch.cancel(run)

A launched run is `python -m vibecore run …` in a session of its own (setsid). Its state is read
from the state folder (process, log, exit code) and from the database (outputs stored so far).
"""

from vibecore.live.launch.control import cancel, resume, start
from vibecore.live.launch.estimates import ConfigEstimate, Estimate, estimate
from vibecore.live.launch.progress import (
    ConfigProgress,
    RunProgress,
    read_progress,
    read_state,
    unfinished_studies,
)
from vibecore.live.launch.record import LaunchedRun, find, list_runs

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
    "read_progress",
    "read_state",
    "resume",
    "start",
    "unfinished_studies",
]
