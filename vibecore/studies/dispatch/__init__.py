"""Who runs the configs of a study: one worker process after the other (in_turn), or several at
once (side_by_side), one on each GPU of this machine (gpus) or of a Ray cluster (cluster).

All of them run a config by `attempt.Attempt` and store what it makes by `commits.Commits`; they
differ in where its worker is and in what becomes of a config whose worker is lost.
"""

from __future__ import annotations

from vibecore.studies.jobs import Plan


def refuse_no_place(plan: Plan) -> None:
    """Raise InputError, with nothing started, where the GPUs that a plan names are not there, or
    what joins a cluster is not installed."""
    if plan.gpus is not None:
        from vibecore.studies.dispatch.gpus import chosen_gpus

        chosen_gpus(plan.gpus)
    if plan.cluster is not None:
        from vibecore.runtime.cluster import require_ray

        require_ray()
