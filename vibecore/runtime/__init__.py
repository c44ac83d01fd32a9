"""Processes: a worker per loaded config, the fork server they start from, the device queue."""
