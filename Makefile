# Everything happens in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check soak bench docs clean

demo: $(READY)
	@$(BIN)/python -m examples.demo

# What failed is tried once more, alone: with a browser, a server and a client on two cores, the
# protocol's own second of silence can pass before a client has said its first word.
# Compiled once, not by each of the four; and a browser for the tests of the page, where none is here.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	@$(BIN)/python -m pytest -q --collect-only > /dev/null || true
	@command -v chromium chromium-browser google-chrome-stable google-chrome > /dev/null || \
		timeout 300 $(BIN)/python -m playwright install chromium-headless-shell > /dev/null 2>&1 || true
	$(BIN)/python -m pytest -q -n 4 --dist worksteal || \
		$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(READY)
	$(BIN)/python -m pytest -q -m soak --timeout 400

bench: $(READY)
	$(BIN)/python -m bench all

docs: $(READY)
	$(BIN)/python -m chatserver.commands > docs/commands.md
	$(BIN)/python -m examples.picture docs/chat.svg
	$(BIN)/python -m examples.page_picture docs/page.png

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)
