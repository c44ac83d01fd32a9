"""IFEval: its suites, its 25 instructions, and its strict and loose readings.

Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models" (arXiv 2311.07911).
The rules are our own code and give the verdicts of the reference (lm-eval 0.4.13 with nltk
3.10.4), oddities included; `docs/ifeval.md` lists those, and where the two cannot agree.

    suite = read_ifeval("input_data.jsonl")
    ifeval(text, instruction_id="punctuation:no_comma", kwargs={}).passed_loose
"""

from vibecore.scoring.ifeval.check import ifeval
from vibecore.scoring.ifeval.instructions import INSTRUCTIONS, instruction_defect
from vibecore.scoring.ifeval.suite_file import read_ifeval

__all__ = ["INSTRUCTIONS", "ifeval", "instruction_defect", "read_ifeval"]
