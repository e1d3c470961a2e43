# Two commands do everything on a machine with Python and make:
#   make simulate    environment, install, then the package's main simulation
#   make test        environment, install with the test tools, then lint, types, tests, recorded claims
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
TORCH  ?= torch==2.13.0

# Tests start hundreds of interpreters, and each would compile all modules again where a shell or an image forbids to keep them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: kernel peers-check simulate test lint types loops unit verify test-exhaustive fuzz mutants bench docs docs-browser wheel clean

simulate: $(VENV)/.run
	$(BIN)/dstheory simulate --length-weight 0.5 --out results/simulate --overwrite

# The unit tests check all claims once, and fail if a verdict is not the recorded one (tests/proofs/test_recorded_verdicts.py).
test: $(VENV)/.test
	$(MAKE) -j $(JOBS) lint types loops
	$(MAKE) unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo --no-cache

# mypy keeps what it makes until it ends, so looking for cycles in it is a quarter of its time and finds nothing.
MYPY := import gc, runpy; gc.disable(); gc.enable = gc.set_threshold = lambda *_: None; runpy.run_module("mypy", run_name="__main__")

types: $(VENV)/.test
	$(BIN)/python -c '$(MYPY)'

# Loops are compiled here once, beside the check of types; the workers of the tests would all do it at the same time. Those of
# tokens and of the optimum stand outside the room of kernels: a few tests that take them compile them.
loops: $(VENV)/.test
	$(BIN)/python -c "from dstheory.kernels import warm_up; warm_up()"
	$(BIN)/python -m pytest -q -n 0 -m "not slow" -k compiled $(WITH_LOOPS)

WITH_LOOPS := tests/tokens/test_token_digits.py tests/tokens/test_token_errors.py tests/dynamics/test_optimum_extremes.py

unit: $(VENV)/.test
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow"

verify: $(VENV)/.test
	$(BIN)/dstheory verify

# Every claim as a theorem, checked by Coq alone (Debian: coq libcoq-interval).
kernel: $(VENV)/.run
	$(BIN)/dstheory verify --export coq results/theorems --overwrite
	$(MAKE) -C results/theorems

# More examples per property; minutes, not seconds.
test-exhaustive: $(VENV)/.test
	DSTHEORY_PROFILE=exhaustive $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

# Damaged and odd inputs of every kind for so many seconds; what is found lies in tests/fuzz/findings. Loops are compiled before,
# else the command that asks for one first takes too long.
SECONDS ?= 600
fuzz: loops
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(SECONDS) $(TARGETS)

# Every formula broken on purpose, one at a time: a test must notice.
mutants: $(VENV)/.test
	$(BIN)/python tests/mutation/run.py

# JAX and PyTorch in an environment of their own, and in another one a Numba whose compiler can still call Intel's SVML.
bench: $(VENV)-peers/.peers $(VENV)-svml/.svml
	SVML_PYTHON=$(VENV)-svml/bin/python $(VENV)-peers/bin/python -m benchmarks $(BENCH)

# The objectives against TRL's own trainers, in an environment of their own (PyTorch for the CPU, TRL, transformers).
peers-check: $(VENV)-trl/.trl
	HF_HUB_OFFLINE=1 $(VENV)-trl/bin/python -m pytest -q -n 0 tests/peers
	PYTHONPATH=tests $(VENV)-trl/bin/python -W ignore -m peers.report

# The site, in an environment of its own; open build/site/index.html. A warning ends it, and so does a link that leads nowhere.
docs: $(VENV)-docs/.docs
	PYTHONPATH=$(CURDIR)/docs:$(CURDIR) $(VENV)-docs/bin/python -m sitepages
	rm -rf build/site
	$(VENV)-docs/bin/python -m sphinx -q -W --keep-going -E -d build/docs/doctrees -b html docs build/site
	PYTHONPATH=$(CURDIR)/docs $(VENV)-docs/bin/python -m sitepages.check build/site

# Every page of the built site in headless Chromium, as wide as a telephone and as a screen; without Chromium it says so and is done.
docs-browser: docs
	PYTHONPATH=$(CURDIR)/docs:$(CURDIR) $(VENV)-docs/bin/python -m sitepages.browser build/site

wheel: $(VENV)/.test
	rm -rf dist && $(BIN)/python -m pip -q wheel --no-deps -w dist -c constraints.txt .

clean:
	rm -rf $(VENV) $(VENV)-trl $(VENV)-docs $(VENV)-peers $(VENV)-svml build docs/catalogue dist results .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)-trl/.trl: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-trl
	$(VENV)-trl/bin/python -m pip -q install $(TORCH)
	$(VENV)-trl/bin/python -m pip -q install -c constraints.txt -e '.[test,trl]'
	$(VENV)-trl/bin/python -m pip -q install --no-deps verl==0.9.1 openrlhf==0.11.2
	$(VENV)-trl/bin/python -m pip -q install ray==2.60.0 tensordict==0.10.0 hydra-core==1.3.8 omegaconf==2.3.1 codetiming==1.4.0 orjson==3.11.5
	@touch $@

$(VENV)-docs/.docs: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip -q install -c constraints.txt -e '.[docs]'
	@touch $@

# pip compiles one module after the other, the tests of other packages too, which are a third of them. Nor is compiled here what
# is hardly ever imported, but for what is then: tools that install, mypy (which is a binary already), the physics of SymPy.
UNCOMPILED := /(tests|pip|setuptools|pkg_resources|mypy|mypyc|physics)/
INSTALL := $(BIN)/python -m pip -q install --no-compile -c constraints.txt -e
COMPILE := $(BIN)/python -m compileall -qq -j $(JOBS) -x '$(UNCOMPILED)' $(VENV)/lib || true

# One stamp per set of dependencies, renewed only when what is installed would change: repeated runs start at once.
$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) .
	@$(COMPILE)
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[test]'
	@$(COMPILE)
	@touch $@ $(VENV)/.run

$(VENV)-peers/.peers: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip -q install $(TORCH)
	$(VENV)-peers/bin/python -m pip -q install -c constraints.txt -e '.[test,peers]'
	@touch $@

$(VENV)-svml/.svml:
	$(PYTHON) -m venv $(VENV)-svml
	$(VENV)-svml/bin/python -m pip -q install numba==0.61.2 icc-rt==2020.0.133
	@touch $@
