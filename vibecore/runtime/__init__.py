"""Processes: a worker per loaded config, the fork server they start from, queues, Ray actors."""
