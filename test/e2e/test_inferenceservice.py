"""An InferenceService on a real node: from a manifest to predictions, through updates, to its end."""

import threading

import iris
import pytest
from cluster import ApiError
from node import NODE_IP, step
from store import Store

NAMESPACE = "models"
CHILDREN = [("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet"), ("v1", "Pod"), ("v1", "Service"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"), ("networking.k8s.io/v1", "Ingress"), ("v1", "Secret")]


class Clients:
    """Some that predict all the time, each request on a connection of its own."""

    def __init__(self, address, name):
        self.answered, self.lost, self.stopped = 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.loop, args=(address, name), daemon=True) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def loop(self, address, name):
        while not self.stopped.wait(0.01):
            try:
                assert iris.predict_v1(address, name) == iris.CLASSES
                self.answered += 1
            except Exception as error:  # noqa: BLE001 whatever it is, a request is lost
                self.lost.append(repr(error))

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_life_of_a_service(cluster):
    api = cluster.api
    api.ensure_namespace(NAMESPACE)
    store = Store({"/iris/model.joblib": iris.MODEL}, NODE_IP)
    service = iris.service("iris", f"{store.url}/iris/model.joblib")

    def get():
        return api.get(service, NAMESPACE) or {}

    def settled(image, replicas):
        pods = cluster.pods(NAMESPACE)
        images = {p["spec"]["containers"][0]["image"] for p in pods}
        return (len(pods) == replicas and images == {image} and all(cluster.is_true(p, "Ready") for p in pods)
                and cluster.is_true(get(), "Ready") and len(api.list("v1", "Pod", NAMESPACE)) == replicas)

    api.create(service, NAMESPACE)
    cluster.wait(lambda: cluster.is_true(get(), "Ready"), "the service to be ready")
    assert get()["status"]["modelStatus"]["states"]["activeModelState"] == "Loaded"
    pod = cluster.pods(NAMESPACE)[0]
    assert [c["image"] for c in pod["spec"]["initContainers"]] == ["kserve/storage-initializer:local"]
    assert pod["spec"]["containers"][0]["image"] == "kserve/sklearnserver:local"
    assert "Successfully copied 1 file" in pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["message"]
    address = cluster.service_address("iris-predictor", NAMESPACE)
    assert iris.predict_v1(address, "iris") == iris.predict_v2(address, "iris") == iris.CLASSES
    step("create: Ready; V1 and V2 answer through its Service")

    with pytest.raises(ApiError, match="'MinReplicas' cannot be less than 0"):
        api.merge(service, {"spec": {"predictor": {"minReplicas": -1}}}, NAMESPACE)
    step("a wrong update is refused by the webhook in the cluster")

    clients = Clients(address, "iris")
    try:
        api.merge(service, {"spec": {"predictor": {"minReplicas": 2, "maxReplicas": 2}}}, NAMESPACE)
        cluster.wait(lambda: settled("kserve/sklearnserver:local", 2), "two replicas")
        step(f"scale up: two replicas; {clients.answered} requests, lost: {clients.lost}")
        cluster.ctr("images", "tag", "docker.io/kserve/sklearnserver:local", "docker.io/kserve/sklearnserver:next")
        api.merge(service, {"spec": {"predictor": {"model": {"runtimeVersion": "next"}}}}, NAMESPACE)
        cluster.wait(lambda: settled("kserve/sklearnserver:next", 2), "the new image")
        step(f"update: a new image on both; {clients.answered} requests, lost: {clients.lost}")
        api.merge(service, {"spec": {"predictor": {"minReplicas": 1, "maxReplicas": 1}}}, NAMESPACE)
        cluster.wait(lambda: settled("kserve/sklearnserver:next", 1), "one replica")
    finally:
        clients.stop()
    step(f"scale down: one replica; {clients.answered} requests, lost: {clients.lost}")
    assert clients.answered > 0 and clients.lost == []

    manager = cluster.pods("kserve")[0]
    api.call("DELETE", api.of({"apiVersion": "v1", "kind": "Pod", **manager}, "kserve"))
    cluster.wait(lambda: [p["metadata"]["name"] for p in cluster.pods("kserve") if cluster.is_true(p, "Ready")]
                 not in ([], [manager["metadata"]["name"]]), "another manager")
    step("the manager's pod is deleted: another takes over")

    api.call("DELETE", api.of(service, NAMESPACE))
    cluster.wait(lambda: not get(), "the service to go")
    cluster.wait(lambda: not any(api.list(*kind, NAMESPACE) for kind in CHILDREN), "everything of it to go")
    step("delete: nothing is left")
    assert cluster.denied("kserve-controller-manager") == []
