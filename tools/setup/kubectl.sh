#!/usr/bin/env bash
# Two kubectls for the process tests: the newest supported one, built from Go modules, and Debian's
# 1.20. Cached by version under the cache folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
if [ ! -x "$cache/bin/kubectl" ]; then
  GO=$("$here/go.sh")
  export GO
fi
OUT=$cache/bin WORK=$cache/mod "$here/../kube/build-k8s.sh" kubectl >&2

debian=$cache/debian-kubectl
if [ ! -x "$debian/kubectl" ]; then
  # The package's file clashes with other kubectl packages: unpack it, do not install it.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (
    cd "$work"
    apt-get download -q kubernetes-client >/dev/null 2>&1 || {
      root=()
      [ "$(id -u)" = 0 ] || root=(sudo)
      "${root[@]}" apt-get update -qq
      apt-get download -q kubernetes-client >/dev/null
    }
    dpkg -x kubernetes-client_*.deb unpacked
  )
  mkdir -p "$debian"
  cp "$work/unpacked/usr/bin/kubectl" "$debian/kubectl"
fi
