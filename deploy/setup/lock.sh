#!/usr/bin/env bash
# Resolves pyproject.toml anew and writes requirements/lock.txt. Needs `uv`, which nothing else does.
#
# One lock for running, demo and development: the demo's data packages already bring most of what
# the tests use, so that two sets would save little and could disagree.
#
#   deploy/setup/lock.sh             keeps the versions that still serve
#   deploy/setup/lock.sh --upgrade   takes the newest of all

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

command -v uv >/dev/null || {
  echo 'uv is not installed: install it in an environment of its own, and put it on PATH' >&2
  exit 1
}
uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --quiet \
  --annotation-style line --custom-compile-command deploy/setup/lock.sh --output-file requirements/lock.txt "$@"
