"""Speed and memory alone: what `bench` measures, without scoring and without a database.

`choose.choose` makes a Bench of its options, `measure.run_bench` measures it in worker processes
and returns the report as plain data (its fields: report.py). Imports neither duckdb nor
streamlit, and torch only inside the workers.
"""
