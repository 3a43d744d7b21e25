"""The node cache of models: a real kube-apiserver and kube-controller-manager, the manager with its webhooks, three nodes
that are an agent process with a folder each, and a small kubelet that runs the pods of download jobs as
kinglet-storage-initializer. One story; what holds after each step is asserted and printed."""

import contextlib
import json
import os
import shutil
import subprocess
import threading

import pytest

from cluster import BIN, KUBE_BIN, ROOT, ApiError, Process, documents, free_ports, wait_for
from store import Store

NODES = ("n1", "n2", "n3")
JOBS = "kserve-localmodel-jobs"
V1, BATCH, SERVING = "v1", "batch/v1", "serving.kserve.io/v1alpha1"
MODELS = {"/iris/model.bin": os.urandom(700_000), "/slow/model.bin": os.urandom(900_000)}


class Kubelet:
    """Runs the pods of download jobs on the nodes it has, and says how they go."""

    def __init__(self, api, roots):
        self.api, self.roots, self.stopped = api, roots, threading.Event()
        self.running, self.lock = {}, threading.Lock()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while not self.stopped.wait(0.1):
            with contextlib.suppress(ApiError, OSError):
                pods = {p["metadata"]["uid"]: {"apiVersion": V1, "kind": "Pod", **p}
                        for p in self.api.list(V1, "Pod", JOBS)}
                for uid, pod in pods.items():
                    if pod["metadata"].get("deletionTimestamp"):
                        self.kill(uid)
                        self.api.call("DELETE", self.api.of(pod) + "?gracePeriodSeconds=0")
                    elif uid not in self.running and self.node_of(pod) in self.roots:
                        self.running[uid] = None
                        threading.Thread(target=self.run, args=(uid, pod), daemon=True).start()
                for uid in set(self.running) - set(pods):
                    self.kill(uid)

    @staticmethod
    def node_of(pod):
        """Where it is bound, or where a scheduler would put it."""
        spec = pod["spec"]
        return spec.get("nodeName") or spec.get("nodeSelector", {}).get("kubernetes.io/hostname")

    def kill(self, uid):
        child = self.running.get(uid)
        if child and child.poll() is None:
            child.kill()

    def run(self, uid, pod):
        container = pod["spec"]["containers"][0]
        mount = container["volumeMounts"][0]
        claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
        wanted = {"apiVersion": V1, "kind": "PersistentVolumeClaim", "metadata": {"name": claim}}
        wait_for(lambda: self.api.get(wanted, JOBS), 60, f"the claim {claim}")
        folder = self.roots[self.node_of(pod)] / mount["subPath"]
        folder.mkdir(parents=True, exist_ok=True)
        uri, at = container["args"]
        assert at == mount["mountPath"]
        command = [BIN / "kinglet-storage-initializer", uri, folder]
        child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running[uid] = child
        self.say(pod, "Running", {"running": {}}, ready=True)
        output = child.communicate()[0]
        ended = {"exitCode": child.returncode, "message": output[-300:] if child.returncode else ""}
        self.say(pod, "Failed" if child.returncode else "Succeeded", {"terminated": ended}, ready=False)

    def say(self, pod, phase, state, ready):
        name = pod["spec"]["containers"][0]["name"]
        status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}],
                  "containerStatuses": [{"name": name, "image": "i", "imageID": "", "restartCount": 0, "ready": ready,
                                         "state": state}]}
        with contextlib.suppress(ApiError):
            self.api.merge(pod, {"status": status}, sub="status")

    def stop(self):
        self.stopped.set()
        self.thread.join()
        for uid in list(self.running):
            self.kill(uid)


class World:
    def __init__(self, plane, tmp):
        self.plane, self.api, self.agents = plane, plane.api, {}
        folder = plane.folder
        self.cluster = Process([
            KUBE_BIN / "kube-controller-manager", "--kubeconfig", folder / "kcm.kubeconfig", "--authentication-kubeconfig",
            folder / "kcm.kubeconfig", "--authorization-kubeconfig", folder / "kcm.kubeconfig", "--bind-address=127.0.0.1",
            f"--secure-port={free_ports(1)[0]}", "--leader-elect=false", "--use-service-account-credentials",
            "--service-account-private-key-file", folder / "pki/sa.key", "--root-ca-file", folder / "pki/ca.crt",
            # Nodes of this test have no heartbeats, so nobody may look after those.
            "--controllers=job-controller,serviceaccount-controller,garbage-collector-controller,"
            "persistentvolume-binder-controller,persistentvolumeclaim-protection-controller,"
            "persistentvolume-protection-controller"], folder / "kcm.log")
        for o in documents(ROOT / "config/localmodel"):
            if o["kind"] != "DaemonSet":
                self.api.apply(o)
        self.api.ensure_namespace("team")
        self.configure({"enabled": True, "jobNamespace": JOBS, "reconcilationFrequencyInSecs": 1})
        self.store = Store(MODELS)
        self.roots = {node: tmp / node for node in NODES}
        for node in NODES:
            self.api.create({"apiVersion": V1, "kind": "Node", "metadata": {"name": node, "labels": {"group": "gpu"}}})
            self.api.merge({"apiVersion": V1, "kind": "Node", "metadata": {"name": node}},
                           {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, sub="status")
        self.kubelet = Kubelet(self.api, self.roots)
        affinity = {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "group", "operator": "In", "values": ["gpu"]}]}]}}
        size = {"storage": "2Gi"}
        self.group = self.api.create({
            "apiVersion": SERVING, "kind": "LocalModelNodeGroup", "metadata": {"name": "gpu"},
            "spec": {"storageLimit": "4M",
                     "persistentVolumeSpec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "capacity": size,
                                              "hostPath": {"path": "/models"}, "nodeAffinity": affinity},
                     "persistentVolumeClaimSpec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local",
                                                   "resources": {"requests": size}}}})
        token = self.api.call("POST", "/api/v1/namespaces/kserve/serviceaccounts/kserve-localmodelnode-agent/token",
                              {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                               "spec": {"expirationSeconds": 7200}})["status"]["token"]
        self.agent_config = self.plane.kubeconfig_for("agent", token)  # the generated role and nothing else
        for node in NODES:
            self.start_agent(node)

    def start_agent(self, node):
        health = free_ports(1)[0]
        self.agents[node] = Process([BIN / "kinglet-localmodel-agent", "--kubeconfig", self.agent_config,
                                     f"--models-root={self.roots[node] / 'models'}",
                                     f"--health-probe-addr=127.0.0.1:{health}", "--metrics-addr=0"],
                                    self.plane.folder / f"agent-{node}.log", {"NODE_NAME": node, "POD_NAMESPACE": "kserve"})

    def configure(self, local_model):
        self.api.merge({"apiVersion": V1, "kind": "ConfigMap", "metadata": {"name": "inferenceservice-config"}},
                       {"data": {"localModel": json.dumps(local_model)}}, "kserve")

    def stop(self):
        for agent in self.agents.values():
            agent.kill()
        self.kubelet.stop()
        for node in NODES:
            self.api.delete({"apiVersion": V1, "kind": "Node", "metadata": {"name": node}})
        self.configure({"enabled": False, "jobNamespace": JOBS})
        self.cluster.kill()

    # What the story asks about.
    def cache(self, name, namespace=None):
        kind = "LocalModelNamespaceCache" if namespace else "LocalModelCache"
        return self.api.get({"apiVersion": SERVING, "kind": kind, "metadata": {"name": name}}, namespace)

    def make_cache(self, name, uri, namespace=None, size="1", **more):
        kind = "LocalModelNamespaceCache" if namespace else "LocalModelCache"
        self.api.create({"apiVersion": SERVING, "kind": kind, "metadata": {"name": name},
                         "spec": {"sourceModelUri": uri, "modelSize": size, "nodeGroups": ["gpu"], **more}}, namespace)

    def states(self, name, namespace=None):
        return ((self.cache(name, namespace) or {}).get("status") or {}).get("nodeStatus") or {}

    def node(self, name):
        return self.api.get({"apiVersion": SERVING, "kind": "LocalModelNode", "metadata": {"name": name}})

    def reason(self, node, model):
        return ((self.node(node) or {}).get("status") or {}).get("modelReasons", {}).get(model, "")

    def jobs(self, model, node=None):
        selector = f"model={model}" + (f",node={node}" if node else "")
        return self.api.list(BATCH, "Job", JOBS, selector)

    def file(self, node, model):
        return self.roots[node] / "models" / model / "model.bin"

    def has(self, node, folder, source):
        path = self.file(node, folder)
        return path.exists() and path.read_bytes() == MODELS[f"/{source}/model.bin"]

    def await_states(self, name, wanted, namespace=None, seconds=60):
        try:
            wait_for(lambda: self.states(name, namespace) == wanted, seconds)
        except AssertionError:
            logs = "\n".join(a.output()[-1500:] for a in self.agents.values())
            raise AssertionError(f"{name} is {self.states(name, namespace)}, not {wanted}\n{logs}") from None


def step(text):
    print(f"  * {text}", flush=True)


def everywhere(state, nodes=NODES):
    return dict.fromkeys(nodes, state)


@pytest.fixture
def world(plane, webhooks, controllers, tmp_path):
    if not (KUBE_BIN / "kube-controller-manager").exists():
        pytest.skip(f"NO kube-controller-manager in {KUBE_BIN}: the node cache is NOT tested on a cluster")
    world = World(plane, tmp_path)
    yield world
    world.stop()


def test_life_of_cached_models(world):
    api, store = world.api, world.store
    iris = f"{store.url}/iris/model.bin"

    world.make_cache("iris", iris)
    world.await_states("iris", everywhere("NodeDownloaded"))
    assert all(world.has(node, "iris", "iris") for node in NODES)
    assert world.cache("iris")["status"]["copies"] == {"total": 3, "available": 3, "failed": 0}
    assert [len(world.jobs("iris", node)) for node in NODES] == [1, 1, 1]
    step("create: three nodes have the model, by one job each")

    world.make_cache("iris", iris, "team")
    world.await_states("iris", everywhere("NodeDownloaded"), "team")
    assert all(world.has(node, "team_iris", "iris") for node in NODES)
    assert not any(world.file(node, "team_iris").samefile(world.file(node, "iris")) for node in NODES)
    before = store.downloads("iris")
    world.make_cache("iris-again", iris, "team")
    world.await_states("iris-again", everywhere("NodeDownloaded"), "team")
    assert all(world.file(node, "team_iris-again").samefile(world.file(node, "team_iris")) for node in NODES)
    assert store.downloads("iris") == before
    api.delete({"apiVersion": SERVING, "kind": "LocalModelNamespaceCache", "metadata": {"name": "iris-again"}}, "team")
    step("share: a second cache of the same URI in a namespace needs no download; another namespace has files of its own")
    with pytest.raises(ApiError, match="LocalModelCache iris has the same StorageURI"):
        world.make_cache("iris2", iris)

    service = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "s"},
               "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": iris}}}}
    made = api.create(service, "default")
    assert made["metadata"]["labels"]["internal.serving.kserve.io/localmodel"] == "iris"
    claim = {"apiVersion": V1, "kind": "PersistentVolumeClaim", "metadata": {"name": "iris-gpu"}}
    wait_for(lambda: (api.get(claim, "default") or {}).get("status", {}).get("phase") == "Bound",
             what="the claim where the service is")
    volume = api.get({"apiVersion": V1, "kind": "PersistentVolume", "metadata": {"name": "iris-gpu-default"}})["spec"]
    assert volume["hostPath"]["path"] == "/models/models/iris" and volume["accessModes"] == ["ReadOnlyMany"]
    wait_for(lambda: world.cache("iris")["status"]["inferenceServices"] == [{"namespace": "default", "name": "s"}])
    own = api.create(service, "team")["metadata"]["labels"]
    assert own["internal.serving.kserve.io/localmodel-namespace"] == "team"
    wait_for(lambda: world.cache("iris", "team")["status"]["inferenceServices"] == [{"namespace": "team", "name": "s"}])
    out = {**service, "metadata": {"name": "out", "annotations": {"serving.kserve.io/disable-localmodel": "true"}}}
    assert "labels" not in api.create(out, "default")["metadata"]
    step("use: the service is labelled, its namespace has a claim; one that opts out is let be")

    path = world.file("n1", "iris")
    path.write_bytes(bytes(len(MODELS["/iris/model.bin"])))
    wait_for(lambda: len(world.jobs("iris", "n1")) == 2, 30, "a second job")
    wait_for(lambda: world.has("n1", "iris", "iris"), 30, "the right bytes")
    world.await_states("iris", everywhere("NodeDownloaded"))
    world.await_states("iris", everywhere("NodeDownloaded"), "team")
    assert world.has("n1", "team_iris", "iris")
    step("corrupt: other bytes of the same length are noticed, and the model is downloaded again")

    shutil.rmtree(world.roots["n2"] / "models/iris")
    wait_for(lambda: world.has("n2", "iris", "iris"), 30, "the folder again")
    world.await_states("iris", everywhere("NodeDownloaded"))
    step("remove: a folder that is gone comes back")

    store.slowly.set()
    world.make_cache("slow", f"{store.url}/slow/model.bin")
    wait_for(lambda: world.states("slow").get("n3") == "NodeDownloading", 30, "n3 to download")
    world.agents["n3"].kill()
    world.start_agent("n3")
    world.await_states("slow", everywhere("NodeDownloaded"))
    store.slowly.clear()
    assert all(world.has(node, "slow", "slow") for node in NODES) and len(world.jobs("slow", "n3")) == 1
    step("kill an agent while it downloads: its successor takes over, the job is not made twice")

    node = {"apiVersion": V1, "kind": "Node", "metadata": {"name": "n3"}}
    api.merge(node, {"spec": {"unschedulable": True}})
    assert world.states("iris") == everywhere("NodeDownloaded") and world.has("n3", "iris", "iris")
    api.delete(node)
    left = [n for n in NODES if n != "n3"]
    world.await_states("iris", everywhere("NodeDownloaded", left))
    world.await_states("slow", everywhere("NodeDownloaded", left))
    assert world.cache("iris")["status"]["copies"]["total"] == 2
    wait_for(lambda: world.node("n3") is None, what="the list of n3 to go")
    wait_for(lambda: not world.jobs("iris", "n3") and not world.jobs("slow", "n3"), what="the jobs of n3 to go")
    step("cordon and delete a node: its copies are not counted any more, its list and jobs are gone")

    api.merge(world.group, {"spec": {"storageLimit": "1M"}})
    world.await_states("slow", everywhere("NodeDownloadError", left))  # beside what is used it cannot fit
    assert not any((world.roots[n] / "models/slow").exists() for n in left)
    assert all(world.has(n, "iris", "iris") for n in left) and "storageLimit" in world.reason("n1", "slow")
    api.merge(world.group, {"spec": {"storageLimit": "4M"}})
    world.await_states("slow", everywhere("NodeDownloaded", left))
    step("shrink the limit: what no service uses goes, what one uses stays; with more room it comes back")

    api.create({"apiVersion": V1, "kind": "Secret", "metadata": {"name": "storage-config"},
                "stringData": {"minio": '{"type": "s3"}'}}, JOBS)
    world.make_cache("missing", f"{store.url}/nothing", storage={"key": "minio"})
    wait_for(lambda: "failed" in world.reason("n1", "missing"), 60, "the reason of the failure")
    world.await_states("missing", everywhere("NodeDownloadError", left))
    env = world.jobs("missing", "n1")[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "STORAGE_MAX_BYTES", "value": "4000000"} in env  # the group's storageLimit
    assert {"name": "STORAGE_CONFIG", "valueFrom": {"secretKeyRef": {"name": "storage-config", "key": "minio"}}} in env
    api.delete({"apiVersion": SERVING, "kind": "LocalModelCache", "metadata": {"name": "missing"}})
    step("a source that is not there: the state is an error, the reason says which; its job has the credentials of the cache")

    cache = {"apiVersion": SERVING, "kind": "LocalModelCache", "metadata": {"name": "iris"}}
    with pytest.raises(ApiError, match="LocalModelCache iris is being used by InferenceService s"):
        api.call("DELETE", api.of(cache))
    assert world.cache("iris") and world.has("n1", "iris", "iris")
    own = {"apiVersion": SERVING, "kind": "LocalModelNamespaceCache", "metadata": {"name": "iris"}}
    with pytest.raises(ApiError, match="LocalModelNamespaceCache team/iris is being used by InferenceService team/s"):
        api.call("DELETE", api.of(own, "team"))
    step("delete while it is used: refused")

    for namespace in ("default", "team"):
        api.delete(service, namespace)
    wait_for(lambda: not world.cache("iris")["status"]["inferenceServices"], what="the service to go")
    wait_for(lambda: not world.cache("iris", "team")["status"]["inferenceServices"], what="the other service to go")
    wait_for(lambda: (api.get(claim, "default") or {}).get("metadata", {}).get("deletionTimestamp", "gone"),
             what="the claim to go")
    api.call("DELETE", api.of(cache))
    wait_for(lambda: world.cache("iris") is None, what="the cache to go")
    api.call("DELETE", api.of(own, "team"))
    api.call("DELETE", api.of({**cache, "metadata": {"name": "slow"}}))
    wait_for(lambda: world.cache("iris", "team") is None and world.cache("slow") is None, what="the caches to go")
    for n in left:
        wait_for(lambda: [p for p in (world.roots[n] / "models").iterdir() if not p.name.startswith(".")] == [], 30,
                 f"the folders of {n} to go")
    wait_for(lambda: not api.list(BATCH, "Job", JOBS), 30, "the jobs to go")
    wait_for(lambda: not [c for c in api.list(V1, "PersistentVolumeClaim", JOBS)], 30, "the claims to go")
    step("delete when nobody uses them: folders, jobs and claims are gone")
    assert all(world.agents[n].child.poll() is None for n in left)
