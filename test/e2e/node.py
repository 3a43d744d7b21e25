"""A control plane with one real node that has our images, the shipped manifests on it, and what tests ask of both."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from cluster import BIN, KUBE_BIN, ROOT, ControlPlane, wait_for

NODE, NODE_IP = "node1", "10.88.0.1"
NODE_OBJECT = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
HERE = pathlib.Path(__file__).parent


def step(text):
    print(f"  * {time.strftime('%X')} {text}", flush=True)


def processes():
    """(process, its command) of all that run here."""
    for process in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (command := (process / "cmdline").read_text()):
                yield int(process.name), command.rstrip("\0").split("\0")


class Cluster(ControlPlane):
    def __init__(self):
        for name in ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"):
            if not (KUBE_BIN / name).exists():
                pytest.exit(f"NO {name} in {KUBE_BIN}: nothing is tested on a node; tools/setup/node.sh builds it", 77)
        os.environ["ADVERTISE"] = NODE_IP  # where pods reach the API server
        started = time.monotonic()
        super().__init__(installed=False, parts="kcm sched")
        self.port = self.api.url.port
        images = self.folder / "images"
        self.run(sys.executable, ROOT / "tools/images/build.py", "--bin", BIN, "--out", images)
        self.run(ROOT / "tools/kube/start-node.sh", self.folder, *sorted(images.glob("*.tar")))
        wait_for(self.node_is_ready, 300, "the node to be ready")
        step(f"a node with kubelet and containerd is ready after {time.monotonic() - started:.0f} s")

    def stop(self):
        """All of it ends with the namespaces."""

    def run(self, *command):
        env = {**os.environ, "BIN": str(KUBE_BIN), "PORT": str(self.port), "NODE": NODE, "NODE_IP": NODE_IP}
        done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments):
        return self.run(KUBE_BIN / "kubectl", "--kubeconfig", self.api.kubeconfig, *arguments)

    def ctr(self, *arguments):
        return self.run("ctr", "-a", self.folder / "containerd.sock", "-n", "k8s.io", *arguments)

    def node_is_ready(self):
        node = self.api.get(NODE_OBJECT)
        return node and self.is_true(node, "Ready")

    def reboot(self):
        """All processes of the node end at once, those of its pods too, and their mounts; then its daemons start again."""
        daemons = {name: int((self.folder / "pid" / name).read_text()) for name in ("containerd", "kubelet")}
        commands = dict(processes())
        doomed = list(daemons.values()) + [pid for pid, command in commands.items() if "containerd-shim" in command[0]]
        for group in pathlib.Path("/sys/fs/cgroup").rglob("cgroup.procs"):
            if os.environ["KINGLET_CGROUP"] in group.parts:
                doomed += [int(pid) for pid in group.read_text().split()]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not set(doomed) & set(dict(processes())), 30, "all of the node to end")
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if "/pods/" in place and "/volumes/" in place or "/volume-subpaths/" in place:
                subprocess.run(["umount", "--lazy", place], check=True)
        for name, pid in daemons.items():
            with open(self.folder / "log" / f"{name}.log", "a") as log:
                started = subprocess.Popen(commands[pid], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            (self.folder / "pid" / name).write_text(str(started.pid))
            wait_for(lambda: self.succeeds(self.ctr, "version"), 60, "containerd to answer")

    @staticmethod
    def is_true(o, condition):
        conditions = o.get("status", {}).get("conditions", [])
        return any(c["type"] == condition and c["status"] == "True" for c in conditions)

    def install(self):
        """As a user does: the manager, and the runtimes once it is ready."""
        self.apply("default")
        self.wait_available("Deployment", "kserve-controller-manager")
        step("the manager is ready, with the roles and the security context that are shipped")
        # The Service's address reaches kube-proxy a moment after the pod is ready.
        wait_for(lambda: self.succeeds(self.apply, "clusterresources"), 60, "the webhooks to answer")

    def apply(self, name):
        return self.kubectl("apply", "--server-side", "-k", HERE / "install" / name)

    @staticmethod
    def succeeds(function, *arguments):
        with contextlib.suppress(AssertionError, OSError):
            function(*arguments)
            return True

    def wait_available(self, kind, name, namespace="kserve"):
        def available():
            status = (self.api.get({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}}, namespace) or {}).get("status", {})
            # A DaemonSet's, or a Deployment's.
            return (status.get("numberAvailable") or status.get("availableReplicas") or 0) > 0
        self.wait(available, f"{kind} {name}")

    def wait(self, condition, what):
        """As wait_for; a failure tells what the cluster is about."""
        try:
            return wait_for(condition, 240, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def story(self):
        lines = []
        for pod in self.api.list("v1", "Pod"):
            status = pod["status"]
            states = [c["state"] for c in status.get("initContainerStatuses", []) + status.get("containerStatuses", [])]
            lines.append(f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} {status['phase']} {json.dumps(states)}")
        for event in self.api.list("v1", "Event")[-25:]:
            lines.append(f"event {event['involvedObject']['kind']}/{event['involvedObject']['name']} {event['reason']}: "
                         f"{event.get('message', '')[:300]}")
        for log in sorted((self.folder / "kubelet/logs").glob("*/*/*.log")):
            lines += [f"log {log.parent.parent.name}/{log.parent.name}:", *log.read_text(errors="replace").splitlines()[-12:]]
        return "\n".join(lines)

    def pods(self, namespace, selector=""):
        return [p for p in self.api.list("v1", "Pod", namespace, selector) if "deletionTimestamp" not in p["metadata"]]

    def service_address(self, name, namespace):
        spec = self.api.get({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}, namespace)["spec"]
        return spec["clusterIP"], spec["ports"][0]["port"]

    def denied(self, account):
        """What an account asked for and its roles do not give."""
        user = f"system:serviceaccount:kserve:{account}"
        return [(e["verb"], e["requestURI"]) for e in self.audit(user=user) if e["responseStatus"]["code"] == 403]


def post(address, path, body):
    """One request on a connection of its own: the answer, or an error."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise AssertionError(f"{response.status}: {text[:300]}")
        return json.loads(text)
    finally:
        connection.close()
