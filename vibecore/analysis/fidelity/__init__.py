"""How far a config's next-token distributions are from those of its parent, the same model at 16
bit. It says how much a model changed, not how good it is."""
