"""The demo models' corpus and trainer, apart from what runs: `python -m training.train`."""
