#!/usr/bin/env bash
# Makes the lock files anew: every package with one version and its hashes, for Python 3.11 and 3.12 alike.
#   scripts/lock.sh             keeps the locked versions that still fit pyproject.toml
#   scripts/lock.sh --upgrade   takes the newest ones
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # compile OUT ARGUMENT...
  local out=$1
  shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --output-file "$out" "$@" > /dev/null
  echo "$out: $(grep -c '^[a-z]' "$out") packages"
}

compile requirements.lock pyproject.toml --group build "$@"
compile requirements-dev.lock --group dev --constraint requirements.lock "$@"
compile requirements-bench.lock --group bench --constraint requirements.lock "$@"
compile requirements-bench-pathway.lock --group pathway "$@" # an environment of its own: it need not agree with the others
