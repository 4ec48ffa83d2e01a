# Every target sets up .venv by itself; it is built anew only when the pins below change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test test-slow check benchmark clean

quickstart: $(STAMP)
	$(RUN)/aae-tf quickstart

test: $(STAMP)
	$(RUN)/python -m pytest --numprocesses 2 --dist worksteal

# What is too slow for every change: trainings, millions of samples.
test-slow: $(STAMP)
	$(RUN)/python -m pytest --numprocesses 2 -m slow

check: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

benchmark: $(STAMP)
	$(RUN)/python benchmarks/first_light.py

# The stamp is written last, so that an interrupted set-up starts over.
$(STAMP): pyproject.toml constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache runs
