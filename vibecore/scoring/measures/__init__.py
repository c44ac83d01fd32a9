"""Measures of an output: repetition, duplicates, loops, echo, refusal, change of script."""
