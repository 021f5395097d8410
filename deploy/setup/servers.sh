#!/usr/bin/env bash
# Sees to the real programs that the tests start for themselves, and that the engine runs without:
# Redis, and Chromium with a font to write with. Does nothing where they are there.

set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium fonts-dejavu-core)
((${#missing[@]})) || exit 0

if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "The tests need ${missing[*]}: install them (Debian: apt-get install ${missing[*]})." >&2
  exit 1
fi
echo "installing ${missing[*]} for the tests ..." >&2
apt-get update -qq >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
