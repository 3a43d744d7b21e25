#!/usr/bin/env bash
# Installs Debian packages that only some test setups lack.
set -euo pipefail
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
