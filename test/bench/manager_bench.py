"""Managers under load: many InferenceServices at once on a real kube-apiserver.

  test/bench/manager_bench.py [--services 500] [--secrets 0] [--steady 20] [--json out.json]
                              [--manager NAME="COMMAND {KUBECONFIG} {HEALTH_PORT} {METRICS_PORT}"]...
  test/bench/manager_bench.py --services 5000 --secrets 50000 --steady 60 --timeout 1800

The second is a large cluster: the manager's memory must not know of the Secrets.

Each manager gets an API server of its own (etcd and kube-apiserver from the cache, built by
tools/kube/build-k8s.sh). Printed for each: the time from the first create until every child
exists, until every InferenceService is Ready (this program plays the Deployment controller), API
calls a service (lists, watches, leases and events not counted; from the server's audit log), CPU
seconds, resident memory (MB are 10^6 bytes), the writes of a steady state, and how long
reconciliations took (from controller_runtime_reconcile_time_seconds, where {METRICS_PORT} serves
it). Without --manager our own runs. A manager is ready when GET /readyz on {HEALTH_PORT} answers 200.
"""

import argparse
import base64
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("KINGLET_BIN_DIR", ROOT / "build/release/bin"))
CACHE = pathlib.Path(os.environ.get("KINGLET_CACHE", pathlib.Path.home() / ".cache/kinglet"))
OURS = (f"{BIN}/kinglet-manager --kubeconfig {{KUBECONFIG}} --controllers=inferenceservice "
        "--health-probe-addr=127.0.0.1:{HEALTH_PORT} --metrics-addr=127.0.0.1:{METRICS_PORT}")
# The user a manager acts as, so that the audit log tells its calls from this program's.
MANAGER_USER = "system:kube-proxy"
GROUP = "/apis/serving.kserve.io/v1beta1"
TICK = os.sysconf("SC_CLK_TCK")


def free_ports(count):
    """A run of free ports; the API server's scripts count upwards from the first."""
    for start in range(21000, 60000, 97):
        try:
            for port in range(start, start + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return start
        except OSError:
            continue
    raise SystemExit("no free ports")


class Api:
    """A client of the API server: one connection a thread."""

    def __init__(self, kubeconfig):
        config = yaml.safe_load(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.host = cluster["server"].removeprefix("https://")
        with tempfile.TemporaryDirectory() as folder:
            pair = []
            for key in ("client-certificate-data", "client-key-data"):
                file = pathlib.Path(folder) / key
                file.write_bytes(base64.b64decode(user[key]))
                pair.append(file)
            self.tls = ssl.create_default_context(
                cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
            self.tls.load_cert_chain(*pair)
        self.local = threading.local()

    def connection(self):
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPSConnection(self.host, context=self.tls)
        return self.local.connection

    def call(self, method, path, body=None, kind="application/json", accept=(200, 201)):
        connection = self.connection()
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": kind})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status not in accept:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300].decode()}")
        return json.loads(data)

    def watch(self, path):
        """Yields (type, object) from the start of the collection, for as long as it is read."""
        connection = http.client.HTTPSConnection(self.host, context=self.tls)
        connection.request("GET", f"{path}?watch=1&resourceVersion=0&timeoutSeconds=3600")
        for line in connection.getresponse():
            event = json.loads(line)
            yield event["type"], event["object"]


class Collection:
    """The names in a collection, kept by a watch; `keep` says which objects count."""

    def __init__(self, api, path, keep=lambda o: True):
        self.names = set()
        self.moved = threading.Condition()

        def follow():
            for kind, item in api.watch(path):
                with self.moved:
                    name = item["metadata"]["name"]
                    if kind != "DELETED" and keep(item):
                        self.names.add(name)
                    else:
                        self.names.discard(name)
                    self.moved.notify_all()

        threading.Thread(target=follow, daemon=True).start()

    def wait(self, count, deadline, what):
        with self.moved:
            if not self.moved.wait_for(lambda: len(self.names) >= count, deadline - time.monotonic()):
                raise RuntimeError(f"{len(self.names)} of {count} {what} at the deadline")


class Cluster:
    """etcd and kube-apiserver with an audit log, our definitions and one serving runtime."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.audit = self.folder / "audit.log"
        policy = self.folder / "policy.yaml"
        policy.write_text(yaml.safe_dump({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [MANAGER_USER]}, {"level": "None"}]}))
        extra = (f"--audit-policy-file={policy} --audit-log-path={self.audit} "
                 "--max-requests-inflight=0 --max-mutating-requests-inflight=0 "
                 "--enable-priority-and-fairness=false")
        env = dict(os.environ, BIN=str(CACHE / "kube/bin"), PORT=str(free_ports(5)), WITH="",
                   EXTRA_API=extra)
        subprocess.run([ROOT / "tools/kube/start-controlplane.sh", self.folder], check=True, env=env,
                       stdout=subprocess.DEVNULL)
        self.api = Api(self.folder / "admin.kubeconfig")
        self.api.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
            "metadata": {"name": "manager"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": MANAGER_USER}]})
        self.define()

    def define(self):
        for file in sorted((ROOT / "config/crd").glob("*.yaml")):
            for definition in yaml.safe_load_all(file.read_text()):
                if definition and definition["kind"] == "CustomResourceDefinition":
                    self.api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                                  definition)
        for name in ("kserve", "bench", "unrelated"):
            self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        config = yaml.safe_load((ROOT / "config/configmap/inferenceservice.yaml").read_text())
        config["data"]["deploy"] = '{"defaultDeploymentMode": "RawDeployment"}'
        config["metadata"]["namespace"] = "kserve"
        self.api.call("POST", "/api/v1/namespaces/kserve/configmaps", config)
        self.eventually("/apis/serving.kserve.io/v1alpha1/clusterservingruntimes",
                        ROOT / "config/runtimes/kserve-sklearnserver.yaml")
        self.eventually("/apis/serving.kserve.io/v1alpha1/clusterstoragecontainers",
                        ROOT / "config/storagecontainers/default.yaml")

    def eventually(self, path, file):
        """Creates what lies in `file`; a new definition answers only after a moment."""
        for item in yaml.safe_load_all(file.read_text()):
            for _ in range(100):
                try:
                    self.api.call("POST", path, item)
                    break
                except RuntimeError as error:
                    if "404" not in str(error):
                        raise
                    time.sleep(0.1)

    def calls(self):
        """What the manager asked for so far: a Counter of (verb, resource)."""
        counted = collections.Counter()
        with open(self.audit) as lines:
            for line in lines:
                event = json.loads(line)
                target = event.get("objectRef", {})
                resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
                if resource in ("events", "leases") or event["verb"] in ("list", "watch") or not resource:
                    continue
                counted[event["verb"], resource] += 1
        return counted

    def stop(self):
        subprocess.run([ROOT / "tools/kube/stop-controlplane.sh", self.folder], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Manager:
    def __init__(self, command, kubeconfig, log):
        port = free_ports(2)
        text = command.replace("{KUBECONFIG}", str(kubeconfig)).replace(
            "{HEALTH_PORT}", str(port)).replace("{METRICS_PORT}", str(port + 1))
        self.metrics_port = port + 1
        self.log = open(log, "wb")
        self.process = subprocess.Popen(shlex.split(text), stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, POD_NAMESPACE="kserve"))
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the manager is not ready; see {log}")
                time.sleep(0.05)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, field):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def reconciliations(self):
        """How many there were, and an upper bound of the 99th percentile in seconds."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics",
                                        timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return 0, None
        below = collections.Counter()
        for bound, count in re.findall(
                r'^controller_runtime_reconcile_time_seconds_bucket{[^}]*le="([^"]+)"[^}]*} (\S+)',
                text, re.MULTILINE):
            below[float(bound)] += float(count)
        total = below[float("inf")]
        return int(total), next((b for b in sorted(below) if total and below[b] >= 0.99 * total), None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


def in_parallel(action, items, threads=12):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(action, items):
            pass


def service(i):
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": f"model-{i}", "namespace": "bench"},
            "spec": {"predictor": {"minReplicas": 1, "model": {
                "modelFormat": {"name": "sklearn"}, "storageUri": f"s3://models/{i}"}}}}


def is_ready(item):
    return any(c["type"] == "Ready" and c["status"] == "True"
               for c in item.get("status", {}).get("conditions", []))


def measure(name, command, options, folder):
    cluster = Cluster(folder)
    api = cluster.api
    try:
        if options.secrets:
            secret = {"data": {"value": base64.b64encode(os.urandom(1024)).decode()}}
            in_parallel(lambda i: api.call(
                "POST", "/api/v1/namespaces/unrelated/secrets",
                dict(secret, metadata={"name": f"secret-{i}"})), range(options.secrets))
        manager = Manager(command, cluster.folder / "proxy.kubeconfig", cluster.folder / "manager.log")
        try:
            return run(name, api, cluster, manager, options)
        finally:
            manager.stop()
    finally:
        cluster.stop()


def run(name, api, cluster, manager, options):
    count = options.services
    children = {
        "Deployments": Collection(api, "/apis/apps/v1/namespaces/bench/deployments"),
        "Services": Collection(api, "/api/v1/namespaces/bench/services"),
        "HorizontalPodAutoscalers": Collection(
            api, "/apis/autoscaling/v2/namespaces/bench/horizontalpodautoscalers"),
    }
    ready = Collection(api, f"{GROUP}/namespaces/bench/inferenceservices", is_ready)
    idle = manager.memory("VmRSS")
    cpu = manager.cpu()
    begin = time.monotonic()
    deadline = begin + options.timeout
    in_parallel(lambda i: api.call("POST", f"{GROUP}/namespaces/bench/inferenceservices", service(i)),
                range(count))
    created = time.monotonic() - begin
    for what, collection in children.items():
        collection.wait(count, deadline, what)
    complete = time.monotonic() - begin

    def become_available(i):
        path = f"/apis/apps/v1/namespaces/bench/deployments/model-{i}-predictor"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        condition = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                     "lastTransitionTime": now, "lastUpdateTime": now}
        api.call("PATCH", path + "/status", {"status": {
            "observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "updatedReplicas": 1, "conditions": [condition]}}, "application/merge-patch+json")

    in_parallel(become_available, range(count))
    ready.wait(count, deadline, "InferenceServices Ready")
    all_ready = time.monotonic() - begin
    time.sleep(3)  # what still follows belongs to the work
    spent = manager.cpu() - cpu
    calls = cluster.calls()
    time.sleep(options.steady)
    later = cluster.calls()
    writes = sum(n - calls[k] for k, n in later.items() if k[0] != "get")
    reconciled, p99 = manager.reconciliations()
    return {"manager": name, "services": count, "created_s": created, "children_s": complete,
            "ready_s": all_ready, "calls_a_service": sum(calls.values()) / count,
            "cpu_s": spent, "idle_mb": idle, "peak_mb": manager.memory("VmHWM"),
            "steady_mb": manager.memory("VmRSS"), "secrets": options.secrets,
            "reconciled": reconciled, "reconcile_p99_s": p99, "steady_writes": writes, "steady_s": options.steady,
            "calls": {f"{verb} {what}": n for (verb, what), n in calls.most_common()}}


def report(result):
    print(f"{result['manager']}: {result['services']} InferenceServices "
          f"(created in {result['created_s']:.1f} s)")
    print(f"  children after    {result['children_s']:8.1f} s")
    print(f"  all Ready after   {result['ready_s']:8.1f} s")
    print(f"  API calls each    {result['calls_a_service']:8.1f}")
    print(f"  CPU               {result['cpu_s']:8.2f} s")
    print(f"  memory            {result['idle_mb']:8.1f} MB idle, {result['peak_mb']:.1f} MB peak, "
          f"{result['steady_mb']:.1f} MB in the end; {result['secrets']} unrelated Secrets")
    if result["reconcile_p99_s"] is not None:
        print(f"  reconciliations   {result['reconciled']:8d}, 99 % within "
              f"{result['reconcile_p99_s']:g} s")
    print(f"  steady state      {result['steady_writes']:8d} writes in {result['steady_s']:.0f} s")
    for what, n in result["calls"].items():
        print(f"    {n:7d}  {what}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--secrets", type=int, default=0, help="unrelated Secrets made before")
    parser.add_argument("--steady", type=float, default=20, help="seconds without changes at the end")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--manager", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not (CACHE / "kube/bin/kube-apiserver").exists():
        subprocess.run([ROOT / "tools/kube/build-k8s.sh", "kube-apiserver", "etcd"], check=True,
                       env=dict(os.environ, OUT=str(CACHE / "kube/bin"), WORK=str(CACHE / "kube/mod")))
    results = []
    for entry in options.manager or [f"kinglet={OURS}"]:
        name, command = entry.split("=", 1)
        folder = tempfile.mkdtemp(prefix="manager-bench-")
        try:
            results.append(measure(name, command, options, folder))
            report(results[-1])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    first = results[0]
    for other in results[1:]:
        print(f"{other['manager']} / {first['manager']}: children "
              f"{other['children_s'] / first['children_s']:.1f}x, ready "
              f"{other['ready_s'] / first['ready_s']:.1f}x, calls "
              f"{other['calls_a_service'] / first['calls_a_service']:.1f}x, CPU "
              f"{other['cpu_s'] / first['cpu_s']:.1f}x, memory "
              f"{other['peak_mb'] / first['peak_mb']:.1f}x")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
