#!/usr/bin/env bash
# What test/e2e needs beyond kube-apiserver.sh: kubelet, kube-proxy and kube-scheduler from Go modules into the cache
# (about three minutes of two cores more), and Debian's containerd with its tools. Only where the machine allows a node.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kinglet/kube
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null || "$here/apt-extra.sh" iproute2 || true
if ! "$here/../kube/isolated.sh" --check; then
  echo "setup: so test/e2e is skipped" >&2
  exit 0
fi
packages=()
add() { command -v "$1" >/dev/null || [ -x "$1" ] || packages+=("$2"); }
add containerd containerd
add ctr containerd
add runc runc
add iptables iptables
add /usr/lib/cni/ptp containernetworking-plugins
if [ ${#packages[@]} != 0 ]; then
  echo "==> installing ${packages[*]}" >&2
  "$here/apt-extra.sh" "${packages[@]}" || echo "setup: ${packages[*]} could not be installed; test/e2e is skipped" >&2
fi
missing=()
for program in kubelet kube-proxy kube-scheduler; do
  [ -x "$cache/bin/$program" ] || missing+=("$program")
done
[ ${#missing[@]} = 0 ] && exit 0
echo "==> building ${missing[*]} for the tests on a real node" >&2
GO=$("$here/go.sh")
export GO OUT=$cache/bin WORK=$cache/mod
"$here/../kube/build-k8s.sh" "${missing[@]}" >&2 || echo "setup: ${missing[*]} could not be built; test/e2e is skipped" >&2
