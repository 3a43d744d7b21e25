"""With Kubernetes' own controllers: what they make of our objects, and what goes with an InferenceService."""

import pytest

from cluster import KUBE_BIN, ControlPlane, Manager, wait_for
from test_manager import isvc

NAMESPACE = "real"
PROGRAM = "kube-controller-manager"


@pytest.fixture(scope="module")
def cluster():
    if not (KUBE_BIN / PROGRAM).exists():
        pytest.skip(f"NO {PROGRAM}: `OUT={KUBE_BIN} tools/kube/build-k8s.sh {PROGRAM}` builds it; without it this is NOT tested")
    plane = ControlPlane(parts="kcm")
    manager = Manager(plane, webhooks=True)
    plane.register_webhooks(manager.webhook_port)
    manager.start()
    yield plane
    assert manager.stop() == 0
    plane.stop()


def owned(api, version, kind, owner):
    return [{"apiVersion": version, "kind": kind, **o} for o in api.list(version, kind, NAMESPACE)
            if any(r["uid"] == owner["metadata"]["uid"] for r in o["metadata"].get("ownerReferences", []))]


def test_pods_come_and_everything_goes(cluster):
    api = cluster.api
    api.ensure_namespace(NAMESPACE)
    wait_for(lambda: api.get({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, NAMESPACE),
             what="the namespace's ServiceAccount")
    service = isvc("iris", spec={"predictor": {"minReplicas": 2, "maxReplicas": 3, "containers": None,
                                               "model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://b/m"}}})
    owner = api.create(service, NAMESPACE)
    pods = wait_for(lambda: (lambda found: len(found) == 2 and found)(api.list("v1", "Pod", NAMESPACE)), 60, "two pods")
    for pod in pods:
        # Made by the ReplicaSet controller, through our webhook.
        assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
        assert [c["name"] for c in pod["spec"]["initContainers"]] == ["storage-initializer"]
        assert pod["spec"]["initContainers"][0]["args"] == ["s3://b/m", "/mnt/models"]

    def pending():
        status = api.get(service, NAMESPACE).get("status", {})
        conditions = {c["type"]: c for c in status.get("conditions", [])}
        return conditions.get("PredictorReady", {}).get("reason") == "MinimumReplicasUnavailable" and status
    assert wait_for(pending, 60, "the Deployment's condition")["modelStatus"]["states"]["targetModelState"] == "Pending"

    # The kubelet's part.
    for pod in pods:
        api.merge({"apiVersion": "v1", "kind": "Pod", **pod}, {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}, sub="status")

    def ready():
        status = api.get(service, NAMESPACE)["status"]
        return {c["type"]: c["status"] for c in status["conditions"]}.get("Ready") == "True" and status
    status = wait_for(ready, 60, "the service to be ready")
    assert status["modelStatus"]["copies"]["totalCopies"] == 2
    scaler = owned(api, "autoscaling/v2", "HorizontalPodAutoscaler", owner)[0]
    # Its controller has looked at the Deployment.
    wait_for(lambda: {c["type"] for c in api.get(scaler)["status"].get("conditions", [])} >= {"AbleToScale"}, 60, "the autoscaler")

    kinds = [("apps/v1", "Deployment"), ("v1", "Service"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("networking.k8s.io/v1", "Ingress")]
    assert all(owned(api, *kind, owner) for kind in kinds)
    api.call("DELETE", api.of(service, NAMESPACE))
    wait_for(lambda: not api.get(service, NAMESPACE), what="the service's end")
    left = wait_for(lambda: not any(api.list(*kind, NAMESPACE) for kind in [*kinds, ("apps/v1", "ReplicaSet")]), 60, "the end of what it owns")
    assert left
    wait_for(lambda: not [p for p in api.list("v1", "Pod", NAMESPACE) if "deletionTimestamp" not in p["metadata"]], 60, "the end of its pods")
