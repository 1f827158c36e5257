#!/usr/bin/env bash
# All tests, Java and Python, against servers of their own (ports + 1000, state in build/test-stack).
#   scripts/test.sh               everything
#   scripts/test.sh ARGUMENT...   only pytest, with these arguments, on the same servers
# Exit code 0 only if all passed. The servers are stopped in any case.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n[%3ds] %s\n' $((SECONDS - started)) "$*"; }

scripts/setup.sh dev bench # bench: its tests compare our tables with those of the peers

export PATH="$PWD/.venv/bin:$PATH"
export KAPPAFLEET_HOME="$PWD/build/test-stack" KAPPAFLEET_PORT_OFFSET=1000
# Addresses and passwords of other servers, for which this shell may be set up, are not for tests.
for name in $(compgen -e KF_ || true); do unset "$name"; done

trap 'kappafleet stack down' EXIT
kappafleet stack down && rm -rf "$KAPPAFLEET_HOME" # what an aborted run may have left
step "test servers"
kappafleet stack up

export KF_TEST_RABBITMQ_AMQP_PORT=6682 KF_TEST_RABBITMQ_STREAM_PORT=6562 KF_TEST_RABBITMQ_MANAGEMENT_PORT=16682
export KF_TEST_CASSANDRA_PORT=10242

java=0
if [ $# -eq 0 ]; then
  step "Java tests"
  quiet=(-ntp)
  [ -t 1 ] && quiet=()
  JAVA_HOME=$(python -c 'from kappafleet.places import java_home; print(java_home())') \
    mvn -B "${quiet[@]}" -f connectors/java/pom.xml test || java=$?
fi

step "Python tests"
python=0
python -m pytest "$@" || python=$?

step "servers at the end"
kappafleet stack status || true

result=passed
[ $java -eq 0 ] && [ $python -eq 0 ] || result="FAILED (Java exit code $java, Python exit code $python)"
step "tests $result"
[ "$result" = passed ]
