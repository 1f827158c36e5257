#!/usr/bin/env bash
# Format, lint, types and layers of all code; warnings are errors.
#   scripts/check.sh [--fix]    --fix: first mends what can be mended by itself
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh dev
export PATH="$PWD/.venv/bin:$PATH"
JAVA_HOME=$(python -c 'from kappafleet.places import java_home; print(java_home())')
export JAVA_HOME

failed=()
run() {
  printf '\n%s\n' "$*"
  "$@" || failed+=("$1 $2")
}

spotless=check
if [ "${1:-}" = --fix ]; then
  spotless=apply
  ruff format .
  ruff check --fix-only . || true
fi
run ruff format --check .
run ruff check .
run mypy --no-error-summary
run lint-imports --no-cache
run mvn -B -q -ntp -f connectors/java/pom.xml "spotless:$spotless"

[ ${#failed[@]} -eq 0 ] || {
  printf '\nfailed: %s\n' "${failed[*]}" >&2
  exit 1
}
printf '\nall checks passed\n'
