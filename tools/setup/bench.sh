#!/usr/bin/env bash
# What test/bench compares with, beside the test clients: wrk (Debian), s5cmd (a Go module) and the libraries
# of the Python peers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet
command -v wrk >/dev/null || "$here/apt-extra.sh" wrk
"$cache/venv/bin/pip" install -q --disable-pip-version-check -r "$here/../../test/bench/requirements.txt"
s5cmd=$cache/emulators/bin/s5cmd
if [ ! -x "$s5cmd" ]; then
  echo "==> building s5cmd" >&2
  GOBIN=$(dirname "$s5cmd") "$("$here/go.sh")" install github.com/peak/s5cmd/v2@v2.3.0 ||
    echo "setup: s5cmd could not be built; the storage benchmark goes without" >&2
fi
