#!/usr/bin/env bash
# isolated.sh COMMAND...: runs it where a Kubernetes node can be started that leaves nothing on the machine: in network,
# mount and process namespaces of its own, with scratch folders (/run, TMPDIR) in memory. All that the command started
# ends with it, and with it go interfaces, packet filters, mounts and files.
# isolated.sh --check: only whether the machine allows that. Status 77, with the reason on stderr, when it does not.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin

refuse() { echo "NO Kubernetes node on this machine: $*" >&2; exit 77; }

check_machine() {
  [ "$(id -u)" = 0 ] || refuse "it takes root"
  command -v unshare >/dev/null || refuse "no unshare (Debian package util-linux)"
  [ -e /dev/kmsg ] || refuse "no /dev/kmsg, which kubelet reads"
  local controller
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpu memory pids; do
      echo "+$controller" 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control ||
        refuse "the $controller controller cannot be handed to groups beneath /sys/fs/cgroup"
    done
  else
    for controller in cpu cpuset devices freezer memory pids; do
      [ -w "/sys/fs/cgroup/$controller/cgroup.procs" ] || refuse "no writable cgroup controller $controller"
    done
  fi
  "$HERE/isolated.sh" --probe >/dev/null 2>&1 ||
    refuse "no namespaces, virtual network interfaces or overlay mounts ($HERE/isolated.sh --probe shows which)"
}

# Within the namespaces.
prepare() {
  mount -t tmpfs -o mode=0755 kinglet /run
  mkdir /run/tmp
  export TMPDIR=/run/tmp
  ip link set lo up
  # kubelet sets these, which are the whole machine's: it shall see what it wants, and write nothing.
  local setting
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    mkdir -p "/run/sysctl/${setting%/*}"
    echo "${setting#*=}" >"/run/sysctl/${setting%=*}"
    mount --bind "/run/sysctl/${setting%=*}" "/proc/sys/${setting%=*}"
  done
}

probe() {
  ip link add probe0 type veth peer name probe1
  mkdir /run/probe /run/probe/{lower,upper,work,merged}
  mount -t overlay -o lowerdir=/run/probe/lower,upperdir=/run/probe/upper,workdir=/run/probe/work overlay /run/probe/merged
}

case ${1:?usage: isolated.sh COMMAND..., or --check} in
  --check) check_machine ;;
  --within)
    shift
    prepare
    exec "$@" ;;
  --probe)
    export -f probe
    exec unshare --net --mount --pid --fork --kill-child --mount-proc "$HERE/isolated.sh" --within bash -euxc probe ;;
  *)
    check_machine
    for program in containerd ctr runc iptables ip; do
      command -v "$program" >/dev/null || refuse "no $program: tools/setup/node.sh installs it"
    done
    [ -x /usr/lib/cni/ptp ] || refuse "no CNI plugins in /usr/lib/cni: tools/setup/node.sh installs them"
    export KINGLET_CGROUP=kinglet-$$
    status=0
    unshare --net --mount --pid --fork --kill-child --mount-proc "$HERE/isolated.sh" --within "$@" || status=$?
    # What namespaces do not end: the pods' control groups, empty by now.
    find /sys/fs/cgroup -depth -type d -path "*/$KINGLET_CGROUP*" -exec rmdir {} + 2>/dev/null || true
    exit "$status" ;;
esac
