# One command each, for a person and for CI alike. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench chaos down clean

KAPPAFLEET := .venv/bin/kappafleet

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: system packages (asks for sudo), .venv, jars
	@scripts/setup.sh

demo: setup ## RabbitMQ, Flink, Cassandra, and real trips through them
	@$(KAPPAFLEET) demo

test: ## All tests, on servers of their own
	@scripts/test.sh

check: ## Format, lint, types and layers of all code
	@scripts/check.sh

format: ## Bring all code into its format
	@scripts/check.sh --fix

bench: ## All that is claimed about speed, beside bytewax, plain PyFlink, and Java (35 minutes)
	@scripts/setup.sh bench
	@.venv/bin/python -m bench $(ARGS)

chaos: setup ## Ten minutes of killing everything, then every row compared with what it must be
	@.venv/bin/python -m chaos

down: ## Stop what `make demo` started; its data stays
	@[ ! -x $(KAPPAFLEET) ] || $(KAPPAFLEET) stack down

clean: down ## Delete all state, logs, caches and builds; .venv stays
	@rm -rf .kappafleet build connectors/java/target .mypy_cache .pytest_cache .ruff_cache .hypothesis
