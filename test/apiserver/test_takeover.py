"""What KServe left behind is adopted as it is: not one write to a child that is right."""

import pathlib
import time

import pytest
import yaml

from cluster import Manager, wait_for, writes
from tables import in_namespace

FIXTURES = yaml.safe_load((pathlib.Path(__file__).parent / "takeover.yaml").read_text())


def leave_behind(api, namespace, service):
    """Makes the objects as if another manager had."""
    owner = api.create(service["owner"], namespace)
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                 "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
    for child in service["children"]:
        child = {**child, "metadata": {**child["metadata"], "ownerReferences": [reference]}}
        api.create(child, namespace)
        if "status" in child:
            api.merge(child, {"status": child["status"]}, namespace, sub="status")


def in_place(api, namespace, service):
    return {(c["kind"], c["metadata"]["name"]): api.get(c, namespace) for c in service["children"]}


@pytest.mark.parametrize("number", range(len(FIXTURES["services"])), ids=[s["title"] for s in FIXTURES["services"]])
def test_a_manager_takes_over(plane, webhooks, controllers, number):
    api, namespace = plane.api, f"takeover-{number}"
    service = in_namespace(FIXTURES["services"][number], namespace)
    assert controllers.stop() == 0
    try:
        api.ensure_namespace(namespace)
        api.apply(FIXTURES["runtime"], namespace)
        leave_behind(api, namespace, service)
        before, mark = in_place(api, namespace, service), plane.audit_mark()
        manager = Manager(plane, name="takes-over").start()
        try:
            status = wait_for(lambda: api.get(service["owner"], namespace).get("status"), what="a status")
            wait_for(lambda: manager.sample("workqueue_depth") == 0, what="an empty queue")
            time.sleep(1)
            done = [e for e in writes(plane.audit(mark)) if e["objectRef"].get("namespace") == namespace]
            assert [(e["verb"], e["requestURI"]) for e in done if e["objectRef"]["resource"] != "inferenceservices"] == []
            assert in_place(api, namespace, service) == before
            assert status["conditions"]
        finally:
            assert manager.stop() == 0
    finally:
        controllers.start()
