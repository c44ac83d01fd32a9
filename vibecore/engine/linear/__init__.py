"""Linear layers of the graph engine's decode step, one file a storage format."""
