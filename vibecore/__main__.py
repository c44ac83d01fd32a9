"""`python -m vibecore COMMAND`."""

import sys

try:
    from vibecore.cli import main
# Ctrl-C while the libraries are imported, which takes a second on a busy machine.
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    main()
