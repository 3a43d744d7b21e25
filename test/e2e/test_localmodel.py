"""The cache of models on a real node: the agent's DaemonSet, download jobs as pods, volumes that servers mount."""

import json
import os
import pathlib
import shutil
import signal

import iris
import pytest
from cluster import ApiError
from node import NODE, NODE_IP, NODE_OBJECT, processes, step
from store import Store

SERVING, NAMESPACE, JOBS = "serving.kserve.io/v1alpha1", "cached", "kserve-localmodel-jobs"
DISK = pathlib.Path("/run/models")  # install/localmodel says so
SLOW = os.urandom(900_000)


class World:
    def __init__(self, cluster):
        self.cluster, self.api = cluster, cluster.api
        self.store = Store({"/iris/model.joblib": iris.MODEL, "/slow/model.bin": SLOW}, NODE_IP)
        self.api.ensure_namespace(NAMESPACE)
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inferenceservice-config"}}
        settings = json.loads(self.api.get(config, "kserve")["data"]["localModel"])
        settings |= {"enabled": True, "reconcilationFrequencyInSecs": 1}
        self.api.merge(config, {"data": {"localModel": json.dumps(settings)}}, "kserve")
        self.join()
        cluster.apply("localmodel")
        self.make_group("disk", {"local": {"path": str(DISK)}})
        self.make_group("hostpath", {"hostPath": {"path": str(DISK)}})
        cluster.wait_available("DaemonSet", "kserve-localmodelnode-agent")

    def join(self):
        self.api.merge(NODE_OBJECT, {"metadata": {"labels": {"kserve/localmodel": "worker"}}})

    def make_group(self, name, source):
        shape = {"accessModes": ["ReadWriteOnce"], "storageClassName": f"local-{name}", "volumeMode": "Filesystem"}
        workers = {"matchExpressions": [{"key": "kserve/localmodel", "operator": "In", "values": ["worker"]}]}
        self.api.create({
            "apiVersion": SERVING, "kind": "LocalModelNodeGroup", "metadata": {"name": name},
            "spec": {"storageLimit": "1Gi",
                     "persistentVolumeSpec": {**shape, **source, "capacity": {"storage": "1Gi"},
                                              "nodeAffinity": {"required": {"nodeSelectorTerms": [workers]}}},
                     "persistentVolumeClaimSpec": {**shape, "resources": {"requests": {"storage": "1Gi"}}}}})

    def make_cache(self, name, path, group="disk"):
        cache = {"apiVersion": SERVING, "kind": "LocalModelCache", "metadata": {"name": name},
                 "spec": {"sourceModelUri": self.store.url + path, "modelSize": "1Mi", "nodeGroups": [group]}}
        self.api.create(cache)
        return cache

    def state(self, cache):
        return ((self.api.get(cache) or {}).get("status") or {}).get("nodeStatus", {}).get(NODE)

    def await_copy(self, cache, file, content):
        """Bytes first: the state of before may still be told."""
        self.cluster.wait(lambda: file.exists() and file.read_bytes() == content, f"{file}")
        self.await_state(cache, "NodeDownloaded")

    def await_state(self, cache, state):
        self.cluster.wait(lambda: self.state(cache) == state, f"{cache['metadata']['name']} to be {state}")

    def jobs(self, name):
        return self.api.list("batch/v1", "Job", JOBS, f"model={name}")

    def events(self, reason):
        return [e["message"] for e in self.api.list("v1", "Event") if e["reason"] == reason]

    def agent(self):
        """The process of the agent, on the node."""
        return next((pid for pid, command in processes() if command[0] == "kinglet-localmodel-agent"), None)


@pytest.fixture
def world(cluster):
    return World(cluster)


def test_life_of_cached_models(world):
    cluster, api, store = world.cluster, world.api, world.store
    step("the agent's DaemonSet runs, unprivileged; kubelet has made its folder")
    assert DISK.stat().st_uid == 0 and (DISK / "models").stat().st_uid == 1000

    cache = world.make_cache("iris", "/iris/model.joblib")
    file = DISK / "models/iris/model.joblib"
    world.await_copy(cache, file, iris.MODEL)
    assert len(world.jobs("iris")) == 1
    step(f"create: one job's pod, with the storage initializer's image, brought it; its owner is {file.stat().st_uid}")

    once = store.downloads("iris")
    service = iris.service("cached", cache["spec"]["sourceModelUri"])
    assert api.create(service, NAMESPACE)["metadata"]["labels"]["internal.serving.kserve.io/localmodel"] == "iris"
    cluster.wait(lambda: cluster.is_true(api.get(service, NAMESPACE), "Ready"), "the service to be ready")
    address = cluster.service_address("cached-predictor", NAMESPACE)
    # The Service's address reaches kube-proxy a moment after the pod is ready.
    cluster.wait(lambda: cluster.succeeds(iris.predict_v1, address, "cached"), "the service to answer")
    assert iris.predict_v1(address, "cached") == iris.CLASSES
    pod = cluster.pods(NAMESPACE)[0]
    assert "initContainers" not in pod["spec"] and store.downloads("iris") == once
    cluster.wait(lambda: api.get(cache)["status"]["inferenceServices"] == [{"namespace": NAMESPACE, "name": "cached"}],
                 "the cache to know its user")
    step("use: the server mounts the node's copy and answers; nothing was downloaded")

    file.write_bytes(bytes(len(iris.MODEL)))
    cluster.wait(lambda: len(world.jobs("iris")) == 2, "another job")
    world.await_copy(cache, file, iris.MODEL)
    step(f"corrupt a file: brought again; events: {world.events('ModelDamaged')}")

    shutil.rmtree(file.parent)
    cluster.wait(lambda: any("folder is gone" in text for text in world.events("ModelDamaged")), "the reason")
    # The second time a pause lies before it, unless somebody asks.
    agents_list = {"apiVersion": SERVING, "kind": "LocalModelNode", "metadata": {"name": NODE}}
    api.merge(agents_list, {"metadata": {"annotations": {"serving.kserve.io/retry": "1"}}})
    world.await_copy(cache, file, iris.MODEL)
    assert iris.predict_v1(address, "cached") == iris.CLASSES
    step(f"remove the folder: brought again, the server did not notice; events: {world.events('ModelDamaged')}")

    store.slowly.set()
    slow = world.make_cache("slow", "/slow/model.bin", "hostpath")
    world.await_state(slow, "NodeDownloading")
    killed = world.agent()
    os.kill(killed, signal.SIGKILL)
    cluster.wait(lambda: world.agent() not in (None, killed), "kubelet to start the agent again")
    store.slowly.clear()
    world.await_copy(slow, DISK / "models/slow/model.bin", SLOW)
    assert len(world.jobs("slow")) == 1
    step("kill the agent mid-download (onto a hostPath volume): the same job ends, the model is whole")

    fetched = store.downloads("iris"), store.downloads("slow")

    def await_all_as_before():
        cluster.wait_available("DaemonSet", "kserve-localmodelnode-agent")
        for each in (cache, slow):
            world.await_state(each, "NodeDownloaded")
        # The Service's address reaches kube-proxy a moment after the pod is ready.
        cluster.wait(lambda: cluster.succeeds(iris.predict_v1, address, "cached"), "the service to answer")
        assert (store.downloads("iris"), store.downloads("slow")) == fetched

    cluster.reboot()
    cluster.wait(world.agent, "kubelet to start the agent again")
    await_all_as_before()
    step("reboot the node: agent and server run again on the same files, nothing is downloaded")

    cluster.kubectl("cordon", NODE)
    assert iris.predict_v1(address, "cached") == iris.CLASSES and world.state(cache) == "NodeDownloaded"
    cluster.kubectl("delete", "node", NODE)
    cluster.wait(lambda: not (api.get(cache)["status"].get("nodeStatus")), "the cache to forget the node")
    cluster.wait(lambda: api.get(agents_list) is None and not api.list("batch/v1", "Job", JOBS), "its list and jobs to go")
    assert file.read_bytes() == iris.MODEL
    step("cordon the node: all stays as it is; delete it: its copies are not counted, its list and jobs are gone, files stay")

    cluster.reboot()
    cluster.wait(cluster.node_is_ready, "the node to register")
    world.join()
    cluster.wait_available("Deployment", "kserve-controller-manager")
    await_all_as_before()
    step("it comes back: its files are what they were, nothing is downloaded, the server answers")

    group = {"apiVersion": SERVING, "kind": "LocalModelNodeGroup", "metadata": {"name": "hostpath"}}
    api.merge(group, {"spec": {"storageLimit": "1500k"}})
    world.await_state(slow, "NodeDownloadError")
    cluster.wait(lambda: not (DISK / "models/slow").exists(), "what is not used to go")
    assert file.read_bytes() == iris.MODEL
    api.merge(group, {"spec": {"storageLimit": "1Gi"}})
    world.await_copy(slow, DISK / "models/slow/model.bin", SLOW)
    step("shrink the limit: what no service uses goes, what one uses stays; with more room it comes back")

    with pytest.raises(ApiError, match="LocalModelCache iris is being used by InferenceService cached"):
        api.call("DELETE", api.of(cache))
    assert file.exists()
    step("delete while it is used: refused")

    api.call("DELETE", api.of(service, NAMESPACE))
    cluster.wait(lambda: not api.get(cache)["status"].get("inferenceServices"), "the service to go")
    for each in (cache, slow):
        api.call("DELETE", api.of(each))
    cluster.wait(lambda: not api.list(SERVING, "LocalModelCache"), "the caches to go")
    cluster.wait(lambda: [p.name for p in (DISK / "models").iterdir() if not p.name.startswith(".")] == [], "the folders")
    for kind in ("batch/v1", "Job", JOBS), ("v1", "Pod", JOBS), ("v1", "PersistentVolumeClaim"), ("v1", "PersistentVolume"):
        cluster.wait(lambda: not api.list(*kind), f"each {kind[1]} to go")
    step("delete when nobody uses them: folders, jobs, pods, claims and volumes are gone")
    assert cluster.denied("kserve-localmodelnode-agent") == cluster.denied("kserve-controller-manager") == []
