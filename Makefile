# Everything a stranger needs: `make demo` and `make test`. Both make .venv first.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check format clean

# The constraints are installed without dependency resolution: libp2p pins a version of fastecdsa
# that needs a compiler on Linux, and a later one, which has wheels, serves as well.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	# trio carries its own types; these stubs, which a dependency brings, describe an older one.
	rm -rf .venv/lib/python*/site-packages/trio-stubs
	touch $@

demo: $(STAMP)
	$(BIN)/p2pcommons demo $(if $(DATA),'$(DATA)')

# The program is started hundreds of times: compiled once, wherever bytecode is not written else.
test: $(STAMP)
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

clean:
	rm -rf .venv build dist
