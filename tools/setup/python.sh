#!/usr/bin/env bash
# The Python clients the process tests drive Kinglet with (nothing of Python runs in Kinglet), in a
# virtual environment in the cache, keyed by the pinned list.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet
list=$here/../../test/requirements.txt
key=$( (cat "$list"; python3 --version) | sha256sum | cut -c1-16)
venv=$cache/venv-$key
if [ ! -f "$venv/.complete" ]; then
  echo "==> installing the Python test clients into $venv" >&2
  rm -rf "$venv"
  mkdir -p "$cache"
  if ! python3 -m venv "$venv" 2>/dev/null; then
    "$here/apt-extra.sh" python3-venv
    python3 -m venv "$venv"
  fi
  "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes -r "$list"
  touch "$venv/.complete"
fi
ln -sfn "$venv" "$cache/venv"
