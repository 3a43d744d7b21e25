#!/usr/bin/env bash
# The stores that test/process/test_storage_*.py run against: fake-gcs-server and the distribution registry
# (Go modules), Azurite (npm), nginx and a Kerberos KDC (Debian). Once, into the cache: about three minutes of
# two cores. What cannot be had is said, and its tests say that they are skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/emulators
mkdir -p "$folder/bin" "$folder/azurite"
PATH=$PATH:/usr/sbin

missing() { echo "setup: $1 could not be installed; its tests are skipped" >&2; }

packages=()
command -v nginx >/dev/null || packages+=(nginx-light)
command -v krb5kdc >/dev/null || packages+=(krb5-kdc)
command -v kadmin.local >/dev/null || packages+=(krb5-admin-server)
if [ ${#packages[@]} != 0 ]; then
  echo "==> installing ${packages[*]}" >&2
  "$here/apt-extra.sh" "${packages[@]}" || missing "${packages[*]}"
fi

go_program() { # name, module@version
  [ -x "$folder/bin/$1" ] && return
  echo "==> building $1" >&2
  GOBIN=$folder/bin "$("$here/go.sh")" install "$2" || missing "$1"
}
go_program fake-gcs-server github.com/fsouza/fake-gcs-server@v1.56.1
go_program registry github.com/distribution/distribution/v3/cmd/registry@v3.0.0

if [ ! -x "$folder/azurite/node_modules/.bin/azurite-blob" ]; then
  echo "==> installing Azurite" >&2
  if ! command -v npm >/dev/null; then
    # Debian's npm brings four hundred packages; this is Node's own build as a Python package.
    python3 -m venv "$folder/node"
    "$folder/node/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$here/node.txt"
    PATH=$folder/node/bin:$PATH
  fi
  cp "$here/azurite/package.json" "$here/azurite/package-lock.json" "$folder/azurite/"
  (cd "$folder/azurite" && npm ci --silent --no-audit --no-fund --ignore-scripts) || missing Azurite
fi
