"""Who runs the configs of a study: one worker process after the other (in_turn), or several at
once (side_by_side), one on each GPU of this machine (gpus) or of a Ray cluster (cluster).

All of them run a config by `attempt.Attempt` and store what it makes by `commits.Commits`; they
differ in where its worker is and in what becomes of a config whose worker is lost.
"""
