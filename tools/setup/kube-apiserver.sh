#!/usr/bin/env bash
# kube-apiserver and etcd for test/apiserver, built from Go modules into the cache: once, about seven
# minutes of two cores. Then kustomize and helm for its tests of the manifests.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
mkdir -p "$cache/bin"
missing=()
for program in kube-apiserver etcd kustomize helm; do
  [ -x "$cache/bin/$program" ] || missing+=("$program")
done
[ ${#missing[@]} = 0 ] && exit 0
echo "==> building ${missing[*]} for the tests on a real API server" >&2
GO=$("$here/go.sh")
export GO OUT=$cache/bin WORK=$cache/mod
"$here/../kube/build-k8s.sh" kube-apiserver etcd >&2
# Without these two, the tests of the manifests say that they are skipped.
"$here/../kube/build-tools.sh" kustomize helm >&2 ||
  echo "setup: kustomize and helm could not be built; the manifests are not tested" >&2
