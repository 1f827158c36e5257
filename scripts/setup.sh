#!/usr/bin/env bash
# Installs what is missing, and stops there: system packages, .venv, the connectors jar, Cassandra's jars.
#   scripts/setup.sh [dev] [bench] [viewers]     dev: also what tests and checks need; bench: also what the benchmark
#   needs; viewers: also Chromium and LibreOffice, in which tests open pages and workbooks, where they can be had
# When nothing is missing it takes a second or two. Needs bash and a Debian or Ubuntu; elsewhere it lists what to
# install. Exit code 2: something a person must do, and one line says what.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

cassandra_pom=kappafleet/stack/cassandra-pom.xml
cassandra_jars=build/cassandra
jar=connectors/java/target/kappafleet-connectors.jar

started=$SECONDS
terminal=false
[ -t 1 ] && terminal=true

say() { printf '%s\n' "$*"; }
step() { printf '[%3ds] %s\n' $((SECONDS - started)) "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 2
}

# quietly LOG COMMAND...: on a terminal all of its output is shown, else it goes to a log, shown when it fails.
quietly() {
  local log=$1
  shift
  if $terminal; then
    "$@"
  else
    "$@" > "$log" 2>&1 || {
      tail -n 30 "$log" >&2
      return 1
    }
  fi
}

# ---------------------------------------------------------------- what is there

# A Python 3.11 or 3.12 that can make environments, the project's own version first.
find_python() {
  local each
  for each in python3.11 python3 python3.12; do
    if "$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2> /dev/null; then
      # Not a wrapper that a version manager may point elsewhere tomorrow.
      "$each" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}

# pemja loads Python as a shared library; distributions package it apart from the program.
has_libpython() {
  "$1" - << 'PY'
import ctypes, pathlib, sys, sysconfig
names = {sysconfig.get_config_var("INSTSONAME") or "", f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so.1.0"}
for name in names:
    if ".so" not in name:
        continue
    for folder in (sysconfig.get_config_var("LIBDIR"), sys.base_prefix + "/lib"):
        if folder and pathlib.Path(folder, name).exists():
            sys.exit(0)
    try:
        ctypes.CDLL(name)
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)
PY
}

# A JDK 17 with a compiler: Cassandra 5 runs on nothing newer, and one JDK does for all.
find_jdk() {
  local each
  for each in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v javac || true)")")")" /usr/lib/jvm/*17*; do
    if [ -x "$each/bin/javac" ] && grep -qs '^JAVA_VERSION="17' "$each/release"; then
      say "$each"
      return
    fi
  done
}

has_rabbitmq() {
  [ -n "${KAPPAFLEET_RABBITMQ_SERVER:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server > /dev/null
}

# ---------------------------------------------------------------- system packages

# Which Debian packages bring what is missing, one a line.
missing_packages() {
  local python version
  has_rabbitmq || say rabbitmq-server
  [ -n "$(find_jdk)" ] || say openjdk-17-jdk-headless
  command -v mvn > /dev/null || say maven
  python=$(find_python)
  if [ -z "$python" ]; then
    say python
  elif ! has_libpython "$python"; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $python in
      /usr/bin/*) say "libpython$version" ;;
      *) die "$python has no shared library libpython$version.so, which Flink needs to run Python inside its JVM:" \
        "build it with --enable-shared, or put another Python 3.11 or 3.12 first on PATH" ;;
    esac
  fi
}

# The first of Python 3.11 and 3.12 that this release of the distribution has.
python_packages() {
  local version
  for version in 3.11 3.12; do
    if apt-cache show "python$version-venv" > /dev/null 2>&1; then
      say "python$version python$version-venv libpython$version"
      return
    fi
  done
}

install_packages() {
  local wanted as_root=() no_start=false services=(rabbitmq-server.service) quiet=(-qq -o Dpkg::Use-Pty=0) python=""
  wanted=$(missing_packages)
  [ -n "$wanted" ] || return 0
  wanted=$(tr '\n' ' ' <<< "$wanted")
  if ! command -v apt-get > /dev/null; then
    die "please install, in this system's way: RabbitMQ 3.10 or newer, JDK 17, Maven 3.8 or newer," \
      "Python 3.11 or 3.12 with venv and its shared library. Missing here: ${wanted% }"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || die "please install as root (there is no sudo here): ${wanted% }"
    as_root=(sudo)
  fi
  step "system packages: ${wanted% }"
  $terminal && quiet=()
  mkdir -p build
  quietly build/apt.log "${as_root[@]}" apt-get update "${quiet[@]}" || die "apt-get update failed: see above"
  if [[ " $wanted " == *" python "* ]]; then
    python=$(python_packages)
    [ -n "$python" ] || die "this release of the distribution has neither Python 3.11 nor 3.12: install one of them" \
      "(with pyenv or uv, say, and --enable-shared) and put it first on PATH"
    wanted=" $wanted "
    wanted=${wanted/ python / $python }
  fi
  # The package of a server starts it at once, and again after every boot. We run a broker of our own beside, so
  # nothing of the kind may come into being because of us: a policy forbids starting for the time of the
  # installation, and the service is disabled after it. A broker that was there before is not touched.
  if [[ " $wanted " == *" rabbitmq-server "* ]]; then
    no_start=true
    dpkg -s erlang-base > /dev/null 2>&1 || services+=(epmd.service epmd.socket)
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\n# Temporary, of kappafleet'"'"'s set-up: start no service.\nexit 101\n' \
        | "${as_root[@]}" tee /usr/sbin/policy-rc.d > /dev/null
      "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
    fi
  fi
  # shellcheck disable=SC2086  # a list of names
  quietly build/apt.log "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${quiet[@]}" $wanted || die "apt-get could not install $wanted: see above"
  if $no_start; then
    "${as_root[@]}" update-rc.d rabbitmq-server disable > /dev/null 2>&1 || true
    if command -v systemctl > /dev/null; then
      "${as_root[@]}" systemctl disable --quiet "${services[@]}" > /dev/null 2>&1 || true
    fi
    "${as_root[@]}" rm -f /usr/sbin/policy-rc.d
    trap - EXIT
  fi
  hash -r
}

# What tests open pages and workbooks with. Not every system has them as packages, or lets them be installed: the tests
# that need one are then skipped, and say so.
install_viewers() {
  local wanted=() each as_root=() quiet=(-qq -o Dpkg::Use-Pty=0)
  command -v chromium chromium-browser google-chrome > /dev/null || wanted+=(chromium)
  command -v soffice > /dev/null || wanted+=(libreoffice-calc-nogui)
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  if ! command -v apt-get > /dev/null || { [ "$(id -u)" -ne 0 ] && ! command -v sudo > /dev/null; }; then
    step "cannot be installed here, and tests that need them are skipped: ${wanted[*]}"
    return 0
  fi
  step "for tests: ${wanted[*]} (about 210 MB with what they need, a minute)"
  $terminal && quiet=()
  mkdir -p build
  quietly build/apt.log "${as_root[@]}" apt-get update "${quiet[@]}" || true
  for each in "${wanted[@]}"; do
    quietly build/apt.log "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${quiet[@]}" "$each" \
      || step "apt-get could not install $each: tests that need it are skipped"
  done
  hash -r
}

# ---------------------------------------------------------------- Python

digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

make_venv() {
  local python
  if [ -e .venv ] && ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2> /dev/null; then
    die ".venv has no working Python 3.11 or 3.12: delete it and run this again"
  fi
  if [ ! -e .venv ]; then
    python=$(find_python)
    step "Python environment .venv ($("$python" --version))"
    "$python" -m venv .venv
  fi
}

# install_locked NAME FILE: what a lock file holds, unless it was installed already.
install_locked() {
  local stamp=.venv/.installed-$1 wanted quiet=(--quiet --progress-bar off)
  wanted=$(digest "$2")
  [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
  step "Python packages: $2$([ "$1" != run ] || say ' (about 700 MB with PyFlink; minutes the first time)')"
  $terminal && quiet=()
  .venv/bin/python -m pip --disable-pip-version-check install "${quiet[@]}" --no-deps --use-pep517 --require-hashes -r "$2" \
    || die "pip could not install $2: see above"
  say "$wanted" > "$stamp"
}

install_project() {
  local stamp=.venv/.installed-project wanted
  wanted="$root $(digest pyproject.toml)"
  [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
  step "the command kappafleet"
  mkdir -p build
  quietly build/pip.log .venv/bin/python -m pip --disable-pip-version-check install --no-deps --no-build-isolation \
    --editable . || die "pip could not install this project: see above"
  say "$wanted" > "$stamp"
}

# ---------------------------------------------------------------- jars

maven() {
  local quiet=(-q -ntp -Dstyle.color=never)
  $terminal && quiet=()
  JAVA_HOME=$(find_jdk) mvn -B "${quiet[@]}" "$@"
}

build_connectors() {
  local stamp=connectors/java/target/.built-from wanted
  wanted=$(cd connectors/java && find pom.xml src/main -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
  if [ -f "$jar" ] && [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then return 0; fi
  step "connectors jar (Maven)"
  maven -f connectors/java/pom.xml package -Dmaven.test.skip=true || die "Maven could not build $jar: see above"
  say "$wanted" > "$stamp"
}

copy_cassandra() {
  local stamp=$cassandra_jars/.made-from wanted
  wanted=$(digest "$cassandra_pom")
  [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
  step "Cassandra's jars (Maven, about 70 MB)"
  rm -rf "$cassandra_jars"
  maven -f "$cassandra_pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$root/$cassandra_jars/lib" \
    || die "Maven could not fetch Cassandra: see above"
  say "$wanted" > "$stamp"
}

# Else the first job would compile them, in each TaskManager at once.
compile_kernels() {
  local wanted job stamp=build/numba-cache/.kernels
  wanted=$(cat jobs/*/*.py | sha256sum)
  [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
  step "kernels (Numba)"
  mkdir -p build/numba-cache
  for job in driver_stats sensor_windows; do
    quietly build/numba.log env NUMBA_CACHE_DIR="$PWD/build/numba-cache" .venv/bin/python -m "jobs.$job.warm_up" \
      || die "the kernels cannot be compiled: see above"
  done
  say "$wanted" > "$stamp"
}

# ----------------------------------------------------------------

[ "$(uname -s)" = Linux ] || die "this runs on Linux only (tried on Debian 12); this is $(uname -s)"
[ "$(uname -m)" = x86_64 ] || die "pemja, which runs Python inside Flink, is published for x86-64 Linux only, not for" \
  "$(uname -m): use an x86-64 machine, or a container started with --platform linux/amd64"

install_packages
make_venv
install_locked run requirements.lock
for extra in "$@"; do
  case $extra in
    dev | bench) install_locked "$extra" "requirements-$extra.lock" ;;
    viewers) install_viewers ;;
    *) die "unknown extra $extra: dev, bench or viewers" ;;
  esac
done
install_project
build_connectors
copy_cassandra
compile_kernels
step "set up; the command is .venv/bin/kappafleet"
