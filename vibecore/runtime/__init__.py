"""Processes: a worker per loaded config, the fork server they start from, a queue a device, actors of
a Ray cluster."""
