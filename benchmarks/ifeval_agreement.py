"""How far our IFEval verdicts agree with the reference's, by instruction, strict and loose.

    python -m benchmarks.ifeval_agreement --pairs 10000 --seed 0

Every disagreement is printed, and the exit code is 1 if there is any. Pairs on which the
reference raises have no verdict to agree with and are counted apart.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict

from benchmarks.ifeval_cases import cases
from benchmarks.ifeval_reference import reference_verdicts
from benchmarks.ifeval_texts import corpus
from vibecore.catalog.suites import Constraint
from vibecore.scoring import constraint_defect, judge
from vibecore.scoring.ifeval.words import sentence_tokenizer


def main() -> int:
    """Compare, print, and say by the exit code whether all agree."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts = corpus(options.seed)
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    kinds: Counter[str] = Counter()
    for kind, name, kwargs, text in cases(texts, options.pairs, options.seed):
        tally = tallies[name]
        constraint = Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs})
        defect = constraint_defect(constraint)
        theirs = reference_verdicts(name, kwargs, text)
        ours = judge(text, constraint)
        kinds[kind] += 1
        tally["pairs"] += 1
        if isinstance(theirs, str) or defect:
            tally["reference raised" if isinstance(theirs, str) else "refused by us"] += 1
            if isinstance(theirs, str) != (bool(defect) or ours.status == "error"):
                _show(name, kwargs, text, theirs, (ours.status, defect))
                tally["differ"] += 1
            continue
        tally["strict passes"] += theirs[0]
        tally["loose passes"] += theirs[1]
        verdicts = ours.status == "pass", ours.status_loose == "pass"
        tally["strict agree"] += verdicts[0] == theirs[0] and ours.status != "error"
        tally["loose agree"] += verdicts[1] == theirs[1] and ours.status != "error"
        if verdicts != theirs or ours.status == "error":
            tally["differ"] += 1
            _show(name, kwargs, text, theirs, ours)
    return _report(tallies, kinds)


def _show(*what: object) -> None:
    print("DIFFERS", *map(repr, what), file=sys.stderr)


def _report(tallies: dict[str, Counter[str]], kinds: Counter[str]) -> int:
    columns = ("pairs", "reference raised", "strict agree", "loose agree")
    columns += ("strict passes", "loose passes", "differ")
    print("| instruction | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    total = sum(tallies.values(), Counter())
    for name, tally in [*tallies.items(), ("all", total)]:
        print(f"| {name} | " + " | ".join(str(tally[column]) for column in columns) + " |")
    print("\nTexts:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    own = not sentence_tokenizer()[1]
    print("Sentences: the English table is", "our own, in both" if own else "nltk's punkt_tab")
    return int(total["differ"] > 0)


if __name__ == "__main__":
    sys.exit(main())
