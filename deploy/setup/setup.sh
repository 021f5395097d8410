#!/usr/bin/env bash
# Makes everything that `make demo` and `make test` need, inside this folder (.venv and .cache).
#
# Each step first looks whether it is already done: a stamp in .cache/setup holds what it was done
# for (a digest of its inputs), and is written only after success. A second run takes a second.
# Steps 5 and 6 may fail without ending the set-up: with no Java the engine runs in process, with no
# Node.js the API serves no page.
#
#   APSE_PYTHON   the interpreter to use, instead of the first suitable one on PATH

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly ROOT=$PWD
readonly STAMPS=.cache/setup
readonly LOCK=requirements/lock.txt
readonly VENV_PYTHON=$ROOT/.venv/bin/python
readonly STEPS=6

step_no=0
step_started_ms=0

# --- telling -------------------------------------------------------------------------------------

now_ms() { date +%s%3N; }

begin() {
  step_no=$((step_no + 1))
  step_started_ms=$(now_ms)
  printf '[%d/%d] %-40s ' "$step_no" "$STEPS" "$1 ..."
}

# done_with RESULT [PATH...]: closes the step's line with the time, and the size of what it made.
done_with() {
  local result=$1 took_ms size=''
  shift
  took_ms=$(($(now_ms) - step_started_ms))
  if (($#)); then size=", $(du -sch "$@" | tail -n 1 | cut -f 1)B"; fi
  printf '%s (%d.%d s%s)\n' "$result" $((took_ms / 1000)) $((took_ms % 1000 / 100)) "$size"
}

fail() {
  printf 'FAILED\n%s\n' "$*" >&2
  exit 1
}

# quietly COMMAND...: runs it with its output in .cache/setup/log, shown only if it fails.
quietly() {
  "$@" >"$STAMPS/log" 2>&1 && return
  local status=$?
  printf 'FAILED\n' && tail -n 30 "$STAMPS/log" >&2
  return "$status"
}

# --- stamps --------------------------------------------------------------------------------------

digest() { cat "$@" | sha256sum | cut -c 1-16; }
is_stamped() { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
stamp() { printf '%s\n' "$2" >"$STAMPS/$1"; }

# --- Debian packages -----------------------------------------------------------------------------

can_apt() { [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; }

apt_install() {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# --- 1: Python -----------------------------------------------------------------------------------

# The folder is the stamp: an environment that was moved holds stale paths.
has_venv() { is_stamped venv "$ROOT" && is_suitable "$VENV_PYTHON"; }

is_suitable() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in "${APSE_PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    if [[ -n $candidate ]] && is_suitable "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

set_up_python() {
  begin 'Python 3.11 to 3.13'
  if has_venv; then
    python=$VENV_PYTHON
  elif ! python=$(find_python); then
    can_apt || fail 'Install Python 3.11, 3.12 or 3.13 (Debian: python3 python3-venv), or set APSE_PYTHON to one.'
    quietly apt_install python3 python3-venv
    python=$(find_python) || fail 'The Python of this Debian release is not 3.11 to 3.13: set APSE_PYTHON to one.'
  fi
  done_with "$("$python" --version | cut -d ' ' -f 2) ok"
}

# --- 2: virtual environment ----------------------------------------------------------------------

set_up_venv() {
  begin 'virtual environment .venv'
  if has_venv; then
    done_with 'ok'
    return
  fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    local package
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    can_apt || fail "Python's venv module is missing: install $package."
    quietly apt_install "$package"
  fi
  rm -f "$STAMPS/dependencies" "$STAMPS/apse"
  quietly "$python" -m venv --clear .venv
  stamp venv "$ROOT"
  done_with 'made'
}

# --- 3: dependencies -----------------------------------------------------------------------------

set_up_dependencies() {
  begin "dependencies ($(grep -c '^[a-z0-9].*==' "$LOCK") locked, with hashes)"
  local wanted
  wanted=$(digest "$LOCK")
  if is_stamped dependencies "$wanted"; then
    done_with 'ok'
    return
  fi
  quietly "$VENV_PYTHON" -m pip install --disable-pip-version-check --no-deps --require-hashes -r "$LOCK"
  quietly "$VENV_PYTHON" -m pip check
  stamp dependencies "$wanted"
  done_with 'installed' .venv
}

# --- 4: the apse command -------------------------------------------------------------------------

set_up_command() {
  begin 'command .venv/bin/apse'
  local wanted
  wanted=$(digest pyproject.toml)
  if [[ -x .venv/bin/apse ]] && is_stamped apse "$wanted"; then
    done_with 'ok'
    return
  fi
  quietly "$VENV_PYTHON" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
  stamp apse "$wanted"
  done_with 'installed'
}

# --- 5: local broker -----------------------------------------------------------------------------

java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1; }
has_java() { command -v java >/dev/null && (($(java_major || echo 0) >= 17)); }

missing_for_broker() {
  has_java || printf 'default-jre-headless '
  command -v mvn >/dev/null || printf 'maven'
}

without_broker() {
  printf 'NOT READY: %s\n' "$1"
  printf '      The engine still runs: in process, or on the broker named by KAFKA_BOOTSTRAP_SERVERS.\n'
}

set_up_broker() {
  begin 'Apache Kafka (Java 17, Maven, jars)'
  local pom=deploy/kafka/pom.xml version lib wanted missing
  version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$pom")
  lib=.cache/kafka/$version/lib
  wanted=$(digest "$pom")
  if is_stamped broker "$wanted" && [[ -f $lib/kafka-clients-$version.jar ]] && has_java; then
    done_with "$version ok"
    return
  fi
  missing=$(missing_for_broker)
  if [[ -n $missing ]]; then
    # shellcheck disable=SC2086  # a list of package names
    if ! can_apt || ! apt_install $missing >"$STAMPS/log" 2>&1 || [[ -n $(missing_for_broker) ]]; then
      without_broker "install Java 17 or later, and Maven (Debian: $missing)"
      return
    fi
  fi
  if ! mvn -q -B -f "$pom" dependency:copy-dependencies >"$STAMPS/log" 2>&1; then
    without_broker "Maven could not fetch the jars, see $STAMPS/log"
    return
  fi
  stamp broker "$wanted"
  done_with "$version installed" "$lib"
}

# --- 6: dashboard --------------------------------------------------------------------------------

has_node() { command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; }

set_up_dashboard() {
  begin 'dashboard (Node.js 20.19 or later)'
  local wanted
  wanted=$(find dashboard -path dashboard/node_modules -prune -o -path dashboard/dist -prune -o -type f -print |
    LC_ALL=C sort | xargs cat | sha256sum | cut -c 1-16)
  if is_stamped dashboard "$wanted" && [[ -f dashboard/dist/index.html ]]; then
    done_with 'ok'
    return
  fi
  if ! has_node; then
    printf 'NOT READY: install Node.js 20.19 or later with npm\n'
    printf '      The engine and its API run without it; only the page is not served.\n'
    return
  fi
  if ! (cd dashboard && npm ci --no-audit --no-fund && npm run build) >"$STAMPS/log" 2>&1; then
    printf 'NOT READY: the page could not be built, see %s/log\n' "$STAMPS"
    return
  fi
  stamp dashboard "$wanted"
  done_with 'built' dashboard/dist
}

# --- all -----------------------------------------------------------------------------------------

mkdir -p "$STAMPS"
exec 9>"$STAMPS/running"
flock 9 # a second `make` waits for the first, then finds everything done

set_up_python
set_up_venv
set_up_dependencies
set_up_command
set_up_broker
set_up_dashboard
