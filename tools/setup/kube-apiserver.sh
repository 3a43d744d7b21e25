#!/usr/bin/env bash
# kube-apiserver and etcd for test/apiserver, built from Go modules into the cache: once, about seven
# minutes of two cores. Then kustomize for its tests of the manifests; the
# charts are tested where tools/kube/build-tools.sh helm was run as well.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
mkdir -p "$cache/bin"
missing=()
for program in kube-apiserver etcd kustomize; do
  [ -x "$cache/bin/$program" ] || missing+=("$program")
done
[ ${#missing[@]} = 0 ] && exit 0
echo "==> building ${missing[*]} for the tests on a real API server" >&2
GO=$("$here/go.sh")
export GO OUT=$cache/bin WORK=$cache/mod
"$here/../kube/build-k8s.sh" kube-apiserver etcd >&2
# Without it, the tests of the manifests say that they are skipped.
"$here/../kube/build-tools.sh" kustomize >&2 ||
  echo "setup: kustomize could not be built; the manifests are not tested" >&2
