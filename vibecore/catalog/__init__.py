"""What can be run: architectures, precisions, models, engines, weights, suites, and what fits."""
