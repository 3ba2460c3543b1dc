# `make help` lists the commands. Every command makes the environment first, if it is missing or out of date.
PYTHON ?= python3
VENV ?= .venv
# TORCH=cpu takes the CPU build of torch (0.2 GB) instead of the one with CUDA (several GB on Linux).
TORCH ?=
# Set BOOK_OUTPUT to build somewhere else.
BOOK_OUTPUT ?= .

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
INSTALLED := $(VENV)/installed
READY := $(VENV)/ready
# Notebooks and tests run two at a time, with one thread each: two threads of each would wait for one another.
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses $(JOBS) --dist loadscope --no-loadscope-reorder --durations 20
HTML := $(BOOK_OUTPUT)/_build/html
PDF := $(BOOK_OUTPUT)/_build/connecting_music_audio_and_natural_language.pdf
BUILD := $(BIN)/jupyter-book build . --config book/_config.yml --toc book/_toc.yml \
	--path-output $(BOOK_OUTPUT) -W -n --keep-going

.DEFAULT_GOAL := help
.PHONY: help environment check-env book serve test test-fast lint format links bench clips checkpoints fetch-full catalogs notebooks-zh reader-notebooks lab slides pdf bundle clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-17s %s\n", $$1, $$2}'

$(INSTALLED): requirements.txt requirements-nodeps.txt
	$(PYTHON) -m venv --clear $(VENV)
ifeq ($(TORCH),cpu)
	$(PY) -m pip install --index-url https://download.pytorch.org/whl/cpu $(shell grep -E '^torch(audio)?==' requirements.txt)
endif
	$(PY) -m pip install --requirement requirements.txt
	$(PY) -m pip install --no-deps --requirement requirements-nodeps.txt
	touch $@

# An edit of pyproject.toml takes seconds: what has to be downloaded stands in the requirements.
$(READY): $(INSTALLED) pyproject.toml
	$(PY) -m pip install --no-deps --no-build-isolation --editable .
	$(PY) -m musicwords.environment --mend
	touch $@

environment: $(READY)  ## make the Python environment in .venv (TORCH=cpu: without CUDA)

check-env: $(READY)  ## say what works here ([OK]) and what does not ([FAIL]), with the mend
	$(PY) -m musicwords.environment

book: $(READY)  ## execute the notebooks that changed, and build the book in both languages
	$(PY) tests/run_notebooks.py --build $(BOOK_OUTPUT)/_build --jobs $(JOBS)
	$(PY) book/live/parts.py
	$(BUILD)
	$(PY) book/locale/edition.py $(BOOK_OUTPUT)/_build zh_CN
	@echo "The book is in $(HTML): open $(HTML)/index.html, or run: make serve"

serve: book  ## build the book and serve it on http://localhost:8000
	$(PY) -m http.server --bind 127.0.0.1 --directory $(HTML) 8000

catalogs: book  ## collect the messages that changed for translators (see book/locale/catalogs.py)
	$(PY) book/locale/catalogs.py --output $(BOOK_OUTPUT)/_build

reader-notebooks: book  ## write the notebooks that readers open to _build/notebooks
	$(BUILD) --builder=custom --custom-builder=notebooks

notebooks-zh: reader-notebooks  ## write the notebooks in Chinese to _build/notebooks/zh
	$(PY) book/locale/edition.py $(BOOK_OUTPUT)/_build zh_CN --notebooks

lab: reader-notebooks  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(BOOK_OUTPUT)/_build/notebooks/index.ipynb

slides: book  ## write slides for teachers to _build/slides
	$(BUILD) --builder=custom --custom-builder=slides

pdf: book  ## print the book as one PDF (needs Chromium, and fonts with Chinese and Korean characters)
	$(PY) tests/find_browser.py
	PYTHONPATH=tests $(PY) book/offline/pdf.py $(HTML) $(PDF)

bundle: pdf reader-notebooks  ## pack pages, PDF and notebooks into one file for readers without a network
	PYTHONPATH=tests $(PY) book/offline/bundle.py $(BOOK_OUTPUT)/_build

test: $(READY) lint  ## run every test: package, notebooks without a network, book, pages in a browser
	$(PY) tests/find_browser.py
	$(PY) tests/run_notebooks.py --jobs $(JOBS)
	$(PY) book/live/parts.py
	$(PYTEST)

test-fast: $(READY) lint  ## run the tests that neither execute notebooks nor build the book
	$(PYTEST) -m "not slow"

lint: $(READY)  ## check code style and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

format: $(READY)  ## mend code style, and strip outputs from notebooks
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(PY) tests/strip_notebooks.py

links: $(READY)  ## ask all addresses outside of the book whether they are still there (needs a network)
	$(PY) tests/addresses.py

bench: $(READY)  ## measure time and memory of the notebooks and the weight of the pages
	PYTHONPATH=tests $(PY) book/appendices/bench.py

clips: $(READY)  ## make the clips again from scores, sound fonts and recordings (see recipes/)
	$(PY) -m recipes.music.clips --output musicwords/data/clips

checkpoints: $(READY)  ## make what has changed of the mini checkpoints, hours of work; can be interrupted (see recipes/)
	$(PY) -m pip install --quiet --requirement recipes/requirements.txt
	$(PY) -m pip install --quiet --no-deps --requirement recipes/requirements-nodeps.txt
	$(PY) -m recipes

fetch-full: $(READY)  ## download the published checkpoints of the full tier, all or NAMES="clap codec"; can be interrupted
	$(PY) -m musicwords.checkpoints $(NAMES)

clean:  ## delete the built book; .venv stays
	rm -rf $(BOOK_OUTPUT)/_build
