# Two commands do all the set-up: `make app` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test lint demo results clean

app: $(VENV)/installed
	$(BIN)/streamlit run app.py

# Two at a time, on two cores: tests wait for browsers, servers and workers. In the order of
# tests/conftest.py; a file's tests stay together, for they share a server or a loaded model. torch
# has one thread in each process: two would wait for each other.
test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A fresh demo study in a file of its own; results.duckdb stays as it is.
demo: $(VENV)/installed
	$(BIN)/python -m vibecore run --family demo --db demo.duckdb

# The shipped database anew: the published figures and a measured demo study.
results: $(VENV)/installed
	$(BIN)/python -m vibecore.cli.rebuild

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Vibe check needs Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV)
