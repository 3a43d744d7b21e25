#!/usr/bin/env bash
# build-tools.sh [kustomize] [helm]: builds them from the Go module proxy into OUT.
# Env: OUT (folder), GO (program)
set -euo pipefail
GO=${GO:-$(command -v go)}
OUT=${OUT:?the folder to build into}
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=mod" GOTOOLCHAIN=local GOWORK=off
build() { # program module@version package
  if [ -x "$OUT/$1" ]; then return; fi
  local folder
  folder=$(mktemp -d)
  (
    cd "$folder"
    "$GO" mod init toolbuild >/dev/null 2>&1
    "$GO" get "$2"
    nice -n 10 "$GO" build -ldflags "-s -w" -o "$OUT/.$1.tmp" "$3"
  )
  rm -rf "$folder"
  mv "$OUT/.$1.tmp" "$OUT/$1"
}
for program in "$@"; do
  case $program in
    kustomize) build kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.6.0 sigs.k8s.io/kustomize/kustomize/v5 ;;
    helm) build helm helm.sh/helm/v3@v3.18.4 helm.sh/helm/v3/cmd/helm ;;
    *) echo "build-tools.sh: unknown program $program" >&2; exit 1 ;;
  esac
done
