"""Studies: planned, run, resumed, rescored, imported and read back."""
