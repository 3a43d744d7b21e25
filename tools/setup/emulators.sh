#!/usr/bin/env bash
# Emulators of cloud storage for test/process/test_storage_clouds.py: fake-gcs-server (Go module) and
# Azurite (npm), in the cache. Without Go or Node the tests that need them are skipped.
set -euo pipefail
folder=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/emulators
mkdir -p "$folder/azurite"
go=$(command -v go || true)
for known in /usr/local/go/bin/go "${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube/go/bin/go"; do
  if [ -z "$go" ] && [ -x "$known" ]; then go=$known; fi
done
if [ -n "$go" ] && [ ! -x "$folder/bin/fake-gcs-server" ]; then
  echo "==> building fake-gcs-server" >&2
  GOBIN=$folder/bin "$go" install github.com/fsouza/fake-gcs-server@v1.56.1
fi
if command -v npm >/dev/null && [ ! -x "$folder/azurite/node_modules/.bin/azurite-blob" ]; then
  echo "==> installing Azurite" >&2
  (cd "$folder/azurite" && npm install --silent --no-audit --no-fund --ignore-scripts azurite@3.37.0)
fi
