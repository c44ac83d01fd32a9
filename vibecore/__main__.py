"""`python -m vibecore COMMAND`."""

import sys

if __name__ == "__main__":
    try:
        from vibecore.cli import main

        main()
    # Ctrl-C while libraries are imported or Typer builds the commands, which it does not handle.
    except KeyboardInterrupt:
        sys.exit(130)
