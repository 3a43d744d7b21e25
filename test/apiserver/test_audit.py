"""What the managers asked of the API server, over all tests before these (they run last), and in peace."""

import time

import pytest

from cluster import wait_for, writes
from test_manager import deployment, isvc

COUNT, SECONDS = 20, 30


def test_a_steady_state_writes_nothing(plane, webhooks, controllers):
    """Defaults that the server fills in, and what others write, start no loop."""
    api = plane.api
    api.ensure_namespace("steady")
    names = [f"steady-{i}" for i in range(COUNT)]
    for i, name in enumerate(names):
        changes = {"spec": {"transformer": {"containers": [{"image": "example.com/t:1"}]}}} if i % 3 == 0 else {}
        api.apply(isvc(name, **changes), "steady")
    available = {"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1,
                            "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}]}}

    def ready():
        for o in api.list("apps/v1", "Deployment", "steady"):
            if not o["status"].get("conditions"):
                api.merge({"apiVersion": "apps/v1", "kind": "Deployment", **o}, available, sub="status")
        services = api.list("serving.kserve.io/v1beta1", "InferenceService", "steady")
        return all(any(c["type"] == "Ready" and c["status"] == "True" for c in s.get("status", {}).get("conditions", []))
                   for s in services)

    wait_for(ready, 60, "all services to be ready")
    # A write that changes nothing for us: another controller's annotation.
    api.merge(deployment(api, "steady", names[0]), {"metadata": {"annotations": {"somebody.else/was": "here"}}})
    time.sleep(3)
    mark = plane.audit_mark()
    time.sleep(SECONDS)
    assert [(e["verb"], e["requestURI"]) for e in writes(plane.audit(mark))] == []


def test_nothing_was_forbidden(plane, webhooks, controllers):
    events = plane.audit()
    refused = {(e["verb"], e["requestURI"]) for e in events if e.get("responseStatus", {}).get("code") == 403}
    # The one that asks for too much on purpose.
    assert refused <= {("list", "/api/v1/secrets")}
    for manager in (webhooks, controllers):
        assert "forbidden" not in manager.process.output()


def test_secrets_are_never_listed(plane):
    seen = [e for e in plane.audit() if e.get("objectRef", {}).get("resource") == "secrets"
            and e["verb"] in ("list", "watch") and e.get("responseStatus", {}).get("code") == 200]
    assert seen == []


def test_every_rule_is_used(plane, webhooks, controllers, request):
    """The generated roles have nothing broader than what these tests made the managers do."""
    if len({item.fspath.basename for item in request.session.items}) < 5:
        pytest.skip("this is about a run of all tests")
    used = set()
    for e in plane.audit():
        ref = e.get("objectRef", {})
        resource = ref.get("resource", "") + (f"/{ref['subresource']}" if ref.get("subresource") else "")
        used.add((ref.get("apiGroup", ""), resource, e["verb"]))
    # What only admission plug-ins of other clusters ask for.
    rare = {("serving.kserve.io", f"{kind}/finalizers", "update") for kind in
            ("inferenceservices", "inferencegraphs", "localmodelcaches", "localmodelnamespacecaches")}
    roles = [plane.api.call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/kserve-manager-role"),
             plane.api.call("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/kserve/roles/kserve-manager-namespace-role")]
    allowed = {(g, r, v) for role in roles for rule in role["rules"]
               for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
    # A child is read by name only after a conflict: it is watched.
    rare |= {(g, r, "get") for g, r, v in allowed if v == "watch"}
    unused = sorted(allowed - used - rare)
    assert not unused, "\n".join(map(str, unused))
