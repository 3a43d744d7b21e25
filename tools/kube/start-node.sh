#!/usr/bin/env bash
# start-node.sh DIR [image.tar ...]: adds a real node to the control plane of start-controlplane.sh DIR: containerd with
# these images, kubelet, kube-proxy. Run both within isolated.sh, with ADVERTISE=10.88.0.1 for the control plane.
# Env: BIN (./bin beside this script), PORT (6443), NODE (node1), NODE_IP (10.88.0.1), POD_NET (10.244.0.0/24), SVC_CIDR (10.96.0.0/16)
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
BIN=${BIN:-$HERE/bin}; DIR=$(realpath -m "${1:?usage: start-node.sh DIR [image.tar...]}"); shift
PORT=${PORT:-6443}; NODE=${NODE:-node1}; NODE_IP=${NODE_IP:-10.88.0.1}; POD_NET=${POD_NET:-10.244.0.0/24}
SVC_CIDR=${SVC_CIDR:-10.96.0.0/16}
SOCK=$DIR/containerd.sock
CGROUP=${KINGLET_CGROUP:-kinglet}
mkdir -p "$DIR"/{log,pid,kubelet,containerd,cni}
# shellcheck source=tools/kube/processes.sh
. "$HERE/processes.sh"

# kubelet refuses a node in 127/8.
[ -n "$(ip -4 -o addr show to "$NODE_IP/32")" ] || ip addr add "$NODE_IP/32" dev lo
# Without a route, not even kube-proxy's rules see what this machine sends to a Service.
ip route replace "$SVC_CIDR" dev lo src "$NODE_IP"
echo 1 >/proc/sys/net/ipv4/ip_forward
# Routed, not bridged: what the kernel does with bridged packets hangs on a module.
cat >"$DIR/cni/10-kinglet.conflist" <<C
{"cniVersion": "0.4.0", "name": "kinglet", "plugins": [
 {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_NET"}]], "routes": [{"dst": "0.0.0.0/0"}],
                          "dataDir": "$DIR/cni/addresses"}}]}
C
# restrict_oom_score_adj: in a container, CAP_SYS_RESOURCE is missing.
cat >"$DIR/containerd/config.toml" <<C
version = 2
root = "$DIR/containerd/root"
state = "$DIR/containerd/state"
[grpc]
  address = "$SOCK"
[ttrpc]
  address = "$SOCK.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "$DIR/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
C
run containerd containerd -c "$DIR/containerd/config.toml" -l warn
waitfor 60 containerd ctr -a "$SOCK" version
# PID 1 of a pod only has to stay.
python3 "$HERE/../images/image.py" "$DIR/pause.tar" --name registry.k8s.io/pause:3.10 --program /usr/bin/sleep \
  --argument infinity --user 65535 >&2
for t in "$DIR/pause.tar" "$@"; do ctr -a "$SOCK" -n k8s.io images import "$t" >&2; done

# A group of its own beneath which pods run: another kubelet of the machine keeps what is its.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$CGROUP"
else
  for controller in /sys/fs/cgroup/*/; do mkdir -p "$controller$CGROUP" 2>/dev/null || true; done
fi
echo "nameserver 127.0.0.1" >"$DIR/kubelet/resolv.conf"
cat >"$DIR/kubelet/config.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
readOnlyPort: 0
tlsCertFile: $DIR/pki/kubelet.crt
tlsPrivateKeyFile: $DIR/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $DIR/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$SOCK
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
resolvConf: $DIR/kubelet/resolv.conf
clusterDomain: cluster.local
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
volumePluginDir: $DIR/kubelet/plugins
podLogsDir: $DIR/kubelet/logs
nodeStatusUpdateFrequency: 5s
syncFrequency: 5s
C
run kubelet "$BIN/kubelet" --config "$DIR/kubelet/config.yaml" --kubeconfig "$DIR/kubelet.kubeconfig" \
  --root-dir "$DIR/kubelet/root" --cert-dir "$DIR/kubelet/pki" --hostname-override "$NODE" --node-ip "$NODE_IP"
run kube-proxy "$BIN/kube-proxy" --kubeconfig "$DIR/proxy.kubeconfig" --proxy-mode iptables \
  --hostname-override "$NODE" --bind-address 127.0.0.1 --healthz-bind-address 127.0.0.1:10256 \
  --metrics-bind-address 127.0.0.1:10249 --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 \
  --conntrack-tcp-timeout-close-wait 0
waitfor 60 kubelet curl -sf --noproxy '*' http://127.0.0.1:10248/healthz
say "node $NODE started; logs in $DIR/log"
