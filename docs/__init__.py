"""The documentation, and what completes it."""
