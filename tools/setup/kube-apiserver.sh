#!/usr/bin/env bash
# kube-apiserver and etcd for test/apiserver, built from Go modules into the cache: once, about seven
# minutes of two cores. Then what some of its tests need as well, about three minutes:
# kube-controller-manager, and kustomize and helm for the manifests.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
mkdir -p "$cache/bin"
missing=()
for program in kube-apiserver etcd kube-controller-manager kustomize helm; do
  [ -x "$cache/bin/$program" ] || missing+=("$program")
done
[ ${#missing[@]} = 0 ] && exit 0
echo "==> building ${missing[*]} for the tests on a real API server" >&2
GO=$("$here/go.sh")
export GO OUT=$cache/bin WORK=$cache/mod
"$here/../kube/build-k8s.sh" kube-apiserver etcd >&2
# Tests that need one of these say that they are skipped without it.
"$here/../kube/build-k8s.sh" kube-controller-manager >&2 ||
  echo "setup: kube-controller-manager could not be built; garbage collection is not tested" >&2
for program in kustomize helm; do
  "$here/../kube/build-tools.sh" "$program" >&2 ||
    echo "setup: $program could not be built; its manifests are not tested" >&2
done
