"""A study of 1,000 configs, 541 prompts and 8 samples: what writing and reading it costs.

    python -m benchmarks.size [--generations 4328000] [--folder FOLDER]

A stub stands for the engine: it answers at once, with sentences of stored outputs in random order,
900 characters and 200 random tokens an output, so nothing compresses that would not in a real
study. Prompts have one to three of IFEval's instructions. The first config is made through the
driver's own code (score, commit); the others are copies of its rows under other ids, texts and
tokens changed, until the size is reached. Then batches of 1, 8, 32 and 64 outputs go through
`Commits.add`, as in a run, one after another and from several threads, and what the pages, the
export and the import read is timed, each read for the first time. Figures are of one run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from benchmarks.ifeval_cases import ARGUMENTS
from vibecore import store
from vibecore.catalog.models import Config, find_configs
from vibecore.catalog.suites import Constraint, Prompt, Suite, content_hash
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.records import Decoding, Generation, LoadReport, Protocol
from vibecore.scoring import score_output
from vibecore.scoring.ifeval import INSTRUCTIONS
from vibecore.studies.commits import Commits
from vibecore.studies.jobs import Job, Plan, PlannedBatch
from vibecore.studies.queries import find_prompts, read_evidence, read_outputs, read_summary
