"""`python -m benchmarks.torture.acknowledging PIPE run …`: the command line, which also writes to a
descriptor what it has acknowledged: a line of a config and how many of its outputs are stored."""

from __future__ import annotations

import os
import sys
from typing import Any


def main() -> None:
    """Run the command line with every `generated` event written to the pipe first."""
    pipe = int(sys.argv.pop(1))
    from vibecore.cli import main as command_line
    from vibecore.views import progress

    run_study = progress.run_study

    def acknowledged(plan: Any, on_event: Any, **named: Any) -> dict[str, str]:
        def tell(event: Any) -> None:
            if event.kind == "generated":
                os.write(pipe, f"{event.config} {event.done}\n".encode())
            on_event(event)

        return run_study(plan, tell, **named)

    progress.run_study = acknowledged
    command_line()


if __name__ == "__main__":
    try:
        main()
    # As vibecore/__main__.py does, while libraries are imported.
    except KeyboardInterrupt:
        sys.exit(130)
