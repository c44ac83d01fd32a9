"""`python -m vibecore COMMAND`."""

from vibecore.cli import main

if __name__ == "__main__":
    main()
