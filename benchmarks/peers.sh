#!/usr/bin/env bash
# Makes .cache/bench-venv: the peers of the benchmarks, apart from what the engine itself runs on.
# A peer that cannot be installed is left out: the benchmarks then say so and go on.
#
#   benchmarks/peers.sh          installs requirements/bench.txt, once
#   benchmarks/peers.sh --lock   resolves the group anew (needs `uv`, as deploy/setup/lock.sh)

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LOCK=requirements/bench.txt VENV=.cache/bench-venv

if [[ ${1:-} == --lock ]]; then
  # vectorbt is not free software (Commons Clause); what Riskfolio-Lib is run for works without it.
  uv pip compile --group bench --universal --python-version 3.11 --generate-hashes --quiet \
    --override <(echo "vectorbt; python_version < '3'") --annotation-style line \
    --custom-compile-command 'benchmarks/peers.sh --lock' --output-file "$LOCK"
  exit
fi

wanted=$(sha256sum <"$LOCK")
if [[ -f $VENV/stamp && $(<"$VENV/stamp") == "$wanted" ]]; then exit; fi
echo "installing the peers into $VENV ..."
.venv/bin/python -m venv --clear "$VENV"
if "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$LOCK"; then
  printf '%s\n' "$wanted" >"$VENV/stamp"
else
  echo 'the peers could not be installed: the benchmarks run without them' >&2
fi
