#!/usr/bin/env bash
# Writes the lock files that set-up installs from: for each list of Python packages NAME.in the exact versions and
# hashes in NAME.txt, and tools/setup/azurite/package-lock.json. Run it after changing a list, and commit the result.
# Go programs need no lock of ours: their versions are in the scripts, and Go checks every module against its
# checksum database.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/uv"
"$work/uv/bin/pip" install -q --disable-pip-version-check uv==0.13.9

lock() { # list without its ending, further flags
  local list=$1
  shift
  {
    echo "# Generated from $(basename "$list").in by ./dev lock: the exact files that set-up may install."
    "$work/uv/bin/uv" pip compile -q --generate-hashes --no-annotate --no-header --python-version 3.11 "$@" "$list.in"
  } >"$work/lock"
  mv "$work/lock" "$list.txt"
}
lock test/requirements --no-deps # the list is complete; what KServe asks for beside it is too old
lock test/bench/requirements -c test/requirements.in
lock tools/setup/go
lock tools/setup/node
(cd tools/setup/azurite && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --silent)
