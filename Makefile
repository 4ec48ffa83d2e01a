# Every target sets up .venv by itself; it is built anew only when the pins below change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
# PyTorch and pythae, that benchmarks compare with, live apart.
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
# So does Apache Beam, which needs other versions of some packages.
BEAM := .venv-beam
BEAM_STAMP := $(BEAM)/.installed

.PHONY: quickstart test test-integration test-browser test-slow test-beam check docs benchmark pictures clean

quickstart: $(STAMP)
	$(RUN)/aae-tf quickstart

test: $(STAMP)
	$(RUN)/python -m pytest --numprocesses 2 --dist worksteal

# Processes, servers, kills, the built wheel; and what `make test` says by samples, in full.
test-integration: $(STAMP)
	$(RUN)/python -m pytest --numprocesses 2 --dist worksteal -m '(integration or thorough) and not slow'

# The pages in Chromium; fails without it and its driver, and says what to install.
test-browser: $(STAMP)
	$(RUN)/python -m pytest -m browser tests/browser

# What is too slow for every change: trainings, millions of samples.
test-slow: $(STAMP)
	$(RUN)/python -m pytest --numprocesses 2 -m slow

test-beam: $(BEAM_STAMP)
	$(BEAM)/bin/python -m pytest tests/examples/test_beam_encode.py

check: docs
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

# A broken link, or a docstring that does not parse, is an error. The variable silences an advertisement.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict --quiet

# The second part needs MNIST in TFDS_DATA_DIR.
benchmark: $(STAMP) $(PEERS_STAMP)
	$(RUN)/python benchmarks/speed.py --peers $(PEERS)/bin/python
	$(RUN)/python benchmarks/first_light.py

# The screenshots of docs/explore.md, in the same browser.
pictures: $(STAMP)
	$(RUN)/python docs/make_pictures.py

# The stamp is written last, so that an interrupted set-up starts over.
$(STAMP): pyproject.toml constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[all,dev,docs]'
	touch $(STAMP)

$(PEERS_STAMP): benchmarks/peers/requirements.txt
	rm -rf $(PEERS)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement benchmarks/peers/requirements.txt
	touch $(PEERS_STAMP)

$(BEAM_STAMP): pyproject.toml constraints.txt constraints-beam.txt
	rm -rf $(BEAM)
	$(PYTHON) -m venv $(BEAM)
	sed -n 's/^\([a-z0-9-]*==\).*/^\1/p' constraints-beam.txt > $(BEAM)/replaced.txt
	grep -v -f $(BEAM)/replaced.txt constraints.txt | cat - constraints-beam.txt \
		> $(BEAM)/constraints.txt
	$(BEAM)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(BEAM)/constraints.txt --editable '.[all,dev,beam]'
	touch $(BEAM_STAMP)

clean:
	rm -rf $(VENV) $(PEERS) $(BEAM) .pytest_cache .ruff_cache .mypy_cache site runs
