"""Everything that breaks a study from outside, done on purpose and counted: `python -m
benchmarks.torture`."""
