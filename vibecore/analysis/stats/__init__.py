"""Statistics on counts and arrays: exact tests, intervals, equivalence, bootstrap, power."""
