"""How far each config of a study is from its parent: the same model at 16 bit.

plan = fidelity_plan(db, "night-1")
measure_fidelity(plan, print)   # only what is missing; one transaction a prompt
"""

# ruff: noqa: F401 (what other rooms use)
from vibecore.studies.fidelity.estimate import (
    FidelityEstimate,
    estimate_measurement,
    estimate_run,
    fidelity_fit,
)
from vibecore.studies.fidelity.measure import FidelityEvent, measure_fidelity
from vibecore.studies.fidelity.plan import (
    Comparison,
    FidelityPlan,
    fidelity_plan,
    refuse_no_fidelity,
    refuse_unknown_configs,
)
