"""Why configs failed, in lines: a reason that several share is told in full once."""

from __future__ import annotations


class Failures:
    """Tells of one config after the other."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def why(self, config: str, error: str) -> str:
        """A config's error, or whose it is the same as but for the config's name."""
        first = self._told.setdefault(error.replace(config, ""), config)
        return error if first == config else f"for the same reason as {first}"

    def line(self, config: str, error: str) -> str:
        """That a config failed, and why; an error that begins with the config's name stands by
        itself."""
        why = self.why(config, error)
        if why == error:
            return error if error.startswith(config) else f"{config} failed: {error}"
        return f"{config} failed {why}."
