"""Where the time of a decode step goes, and what it must read."""
