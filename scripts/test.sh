#!/usr/bin/env bash
# All tests, Java and Python, against servers of their own (ports + 1000, state in build/test-stack).
#   scripts/test.sh               everything
#   scripts/test.sh ARGUMENT...   only pytest, with these arguments, on the same servers
# Exit code 0 only if all passed. The servers are stopped in any case.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n[%3ds] %s\n' $((SECONDS - started)) "$*"; }

scripts/setup.sh dev bench viewers # bench: its tests compare our tables with those of the peers

export PATH="$PWD/.venv/bin:$PATH"
export KAPPAFLEET_HOME="$PWD/build/test-stack" KAPPAFLEET_PORT_OFFSET=1000
# Addresses and passwords of other servers, for which this shell may be set up, are not for tests.
for name in $(compgen -e KF_ || true); do unset "$name"; done

java_pid=
finish() {
  [ -z "$java_pid" ] || kill -- "-$java_pid" 2>/dev/null || true
  kappafleet stack down
}
trap finish EXIT
kappafleet stack down && rm -rf "$KAPPAFLEET_HOME" # what an aborted run may have left
step "test servers"
kappafleet stack up

export KF_TEST_RABBITMQ_AMQP_PORT=6682 KF_TEST_RABBITMQ_STREAM_PORT=6562 KF_TEST_RABBITMQ_MANAGEMENT_PORT=16682
export KF_TEST_CASSANDRA_PORT=10242

# Both mostly wait, for servers and for time limits: together they take little longer than the longer of them.
# Python's tests of whole systems kill these servers, and begin when Java's have ended: tests/system/conftest.py.
java_log=build/test-java.log
if [ $# -eq 0 ]; then
  step "Java tests, in the background: $java_log"
  export KF_TEST_JAVA_ENDED="$PWD/build/test-java.exit-code"
  rm -f "$KF_TEST_JAVA_ENDED"
  JAVA_HOME=$(python -c 'from kappafleet.places import java_home; print(java_home())') \
    setsid bash -c 'mvn -B -ntp -f connectors/java/pom.xml test; echo $? >"$KF_TEST_JAVA_ENDED"' >"$java_log" 2>&1 &
  java_pid=$!
fi

step "Python tests"
python=0
python -m pytest "$@" || python=$?

java=0
if [ -n "$java_pid" ]; then
  wait "$java_pid" || true
  java_pid=
  java=$(cat "$KF_TEST_JAVA_ENDED")
  step "Java tests"
  if [ "$java" -eq 0 ]; then
    grep 'Tests run:' "$java_log" | cut -c1-150
  else
    cat "$java_log"
  fi
fi

step "servers at the end"
kappafleet stack status || true

result=passed
[ "$java" -eq 0 ] && [ $python -eq 0 ] || result="FAILED (Java exit code $java, Python exit code $python)"
step "tests $result"
[ "$result" = passed ]
